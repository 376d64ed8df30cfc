"""Files that readers see whole or not at all.

Here belongs the atomic write. What the files contain is decided by the callers.
"""

import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a draft beside the file, and replace the file by it in one step; text is written in UTF-8."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(path)
