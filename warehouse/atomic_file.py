"""Text files that readers see whole or not at all.

Here belongs the atomic write. What the files contain is decided by the callers.
"""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a draft beside the file, and replace the file by it in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
