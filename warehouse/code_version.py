"""The version of the running code: a digest of its files, known without git wherever it runs.

Here belongs the digest alone; `warehouse.delta` writes it into every commit.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("assets", "cdp_pipelines", "expectations", "warehouse")
# Files that a night depends on: code, a company's declarations, and the SQL of its marts.
SUFFIXES = {".py", ".yaml", ".sql"}


@cache
def code_version() -> str:
    """Package version, + and 12 hex digits of the SHA-256 over path and content of every source and declaration.

    Computed once a process: a long-running process reports the code that it started with.
    """
    digest = sha256()
    for package in PACKAGES:
        (folder,) = (Path(location) for location in find_spec(package).submodule_search_locations)
        for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES):
            for part in (f"{package}/{path.relative_to(folder).as_posix()}".encode(), path.read_bytes()):
                # With the lengths, two different trees never give the same bytes.
                digest.update(len(part).to_bytes(8, "big") + part)
    return f"{version('cdp-pipelines')}+{digest.hexdigest()[:12]}"
