"""The version of the running code: a digest of its files, known without git wherever it runs.

Here belong the digests alone; `warehouse.delta` writes the version into every commit.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PACKAGES = ("assets", "cdp_pipelines", "expectations", "warehouse")
# Files that a night depends on: code, a company's declarations, and the SQL of its marts.
SUFFIXES = {".py", ".yaml", ".sql"}


@cache
def code_version() -> str:
    """Package version, + and 12 hex digits of the SHA-256 over path and content of every source and declaration.

    Computed once a process: a long-running process reports the code that it started with.
    """
    return f"{version('cdp-pipelines')}+{_digest_files(SUFFIXES)[:12]}"


@cache
def digest_code() -> str:
    """A digest of the code without the declarations, and of the version of Polars: what computes rows."""
    return f"{_digest_files({'.py'})} polars {version('polars')}"


def _digest_files(suffixes: Collection[str]) -> str:
    digest = sha256()
    for package in PACKAGES:
        (folder,) = (Path(location) for location in find_spec(package).submodule_search_locations)
        for path in sorted(path for path in folder.rglob("*") if path.suffix in suffixes):
            for part in (f"{package}/{path.relative_to(folder).as_posix()}".encode(), path.read_bytes()):
                # With the lengths, two different trees never give the same bytes.
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
