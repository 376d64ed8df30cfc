"""Which code this is: named by what it says, so that it is known without git wherever it runs."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("assets", "cdp_pipelines", "expectations", "warehouse")
# What a night depends on: code, what a company declares, and the shape of its marts.
KINDS = {".py", ".yaml", ".sql"}


@cache
def code_version() -> str:
    """Package version, + and 12 hex digits of the SHA-256 over path and content of every source and declaration.

    Read once a process: a long-running one names what it began with.
    """
    digest = sha256()
    for room in ROOMS:
        (folder,) = (Path(each) for each in find_spec(room).submodule_search_locations)
        for path in sorted(path for path in folder.rglob("*") if path.suffix in KINDS):
            for part in (f"{room}/{path.relative_to(folder).as_posix()}".encode(), path.read_bytes()):
                # Lengths, so that no two trees give one sequence of bytes.
                digest.update(len(part).to_bytes(8, "big") + part)
    return f"{version('cdp-pipelines')}+{digest.hexdigest()[:12]}"
