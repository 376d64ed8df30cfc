"""Versions of Delta tables: reading them, measuring them, and deleting the files of those that are not needed.

Here belongs everything that reads a table's log. A handle is used again for as long as the table has no newer commit,
because one that is kept across another writer's commit raises. New versions are written in `write_modes`.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What reading a damaged file of a table raises.
STORAGE_ERRORS = (OSError, DeltaError, pl.exceptions.ComputeError)
# Name of a commit in the log of a table.
_ENTRY = re.compile(r"\d{20}\.json")
# Key of the code version in the metadata of a commit, and its value where a commit has none.
CODE_PROPERTY, UNKNOWN = "cdp.code_version", "unknown"


def open_table(folder: Path) -> DeltaTable:
    """The newest version of a table, opened once for as long as no other is written.

    Raises `TableNotFoundError`; `LakeError` where the log or a file of the table is damaged or gone.
    """
    # Opening reads the log, which takes a hundred times as long as finding its newest entry.
    try:
        entries = [entry for entry in os.scandir(folder / "_delta_log") if _ENTRY.fullmatch(entry.name)]
    except FileNotFoundError:
        entries = []
    newest = max(entries, key=lambda entry: entry.name, default=None)
    return _open_once(folder, newest.name, newest.stat().st_mtime_ns) if newest else DeltaTable(folder)


@lru_cache(maxsize=1024)
def _open_once(folder: Path, entry: str, written_ns: int) -> DeltaTable:  # noqa: ARG001  they tell versions apart
    try:
        delta = DeltaTable(folder)
    except TableNotFoundError:
        raise
    except DeltaError as error:
        raise _describe_damage(folder, f"its log cannot be read ({type(error).__name__})") from None
    # Polars ends in a panic, which names nothing, where a file is shorter than the log says.
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    for file, size in actions.select("path", "size_bytes").iter_rows():
        if problem := find_size_problem(folder / unquote(file), size):
            raise _describe_damage(folder, problem)
    return delta


def find_size_problem(file: Path, size: int) -> str | None:
    """What is wrong with a file that has `size` bytes by the log of its table; its content is not read."""
    if not file.exists():
        return f"the file {file.name} is missing"
    if (found := file.stat().st_size) != size:
        return f"the file {file.name} has {found:,} bytes instead of {size:,}"
    return None


def _describe_damage(folder: Path, problem: str) -> LakeError:
    lake = folder.parents[1]
    table = folder.relative_to(lake)
    return LakeError(f"{table} cannot be read: {problem}. `cdp doctor --lake {lake}` says what heals it")


def current_version(folder: Path) -> int | None:
    """Newest version, or None where the table was never written."""
    try:
        return open_table(folder).version()
    except TableNotFoundError:
        return None


def scan_version(folder: Path, version: int) -> pl.LazyFrame | None:
    """Rows of one version of a table; None where the version or one of its files is deleted."""
    try:
        delta = DeltaTable(folder, version=version)
    except DeltaError:
        return None
    is_complete = all(os.path.exists(unquote(file)) for file in delta.file_uris())  # noqa: PTH110
    return scan_delta(delta) if is_complete else None


def scan_delta(delta: DeltaTable) -> pl.LazyFrame:
    """Rows of an open table."""
    if quote(delta.table_uri, safe="/:") == delta.table_uri:
        return pl.scan_delta(delta)
    # Polars uses the table's URI as a path, and does not find one with a blank in it. Arrow does, but it cannot filter
    # by every expression, so it reads the whole table.
    return pl.DataFrame(delta.to_pyarrow_table()).lazy()


def read_code_version(delta: DeltaTable) -> str:
    """The code that made the newest version."""
    return delta.history(1)[0].get(CODE_PROPERTY, UNKNOWN)


def measure_size(delta: DeltaTable) -> tuple[int, int]:
    """(rows, bytes) of an open table."""
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    return int(files["num_records"].sum() or 0), int(files["size_bytes"].sum() or 0)


def list_unneeded_files(folder: Path, keep: Iterable[int] = ()) -> list[Path]:
    """Every data file that neither the newest version nor one of `keep` reads.

    These are the files of other versions, the remains of a killed writer, and files that were never committed; a vacuum
    does not find all of these. A version of `keep` that the table never had, or that is deleted, needs no file.
    """
    needed = _list_file_names(open_table(folder))
    for version in keep:
        with suppress(DeltaError):  # A table that was made again counts its versions from the beginning.
            needed |= _list_file_names(DeltaTable(folder, version=version))
    return [path for path in folder.iterdir() if path.is_file() and path.name not in needed]


def forget_versions(folder: Path, keep: Iterable[int] = ()) -> int:
    """Delete every data file that neither the newest version nor one of `keep` reads; returns the number of files.

    This is not a commit: the version stays the same, and deleted versions are unreadable.
    """
    files = list_unneeded_files(folder, keep)
    for path in files:
        path.unlink()
    return len(files)


def _list_file_names(delta: DeltaTable) -> set[str]:
    return {unquote(uri.rsplit("/", 1)[-1]) for uri in delta.file_uris()}
