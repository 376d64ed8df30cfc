"""Rows that were added to a table since a version, by its log: those that a reader has not seen yet.

Here belongs the reading of log entries. A version is named by its number and a digest of its entry, so that a table
that was restored or made again is not taken for the one that was read before.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import polars as pl

from warehouse.delta.versions import current_version

if TYPE_CHECKING:
    from pathlib import Path

# Key in the metadata of a commit that only took rows or values away; its value is always "true".
REMOVAL_PROPERTY = "cdp.removal"


def name_version(folder: Path) -> str | None:
    """The name of a table's newest version, or None where it was never written."""
    version = current_version(folder)
    return None if version is None else _name_entry(folder, version)


class Additions(NamedTuple):
    """Rows that were appended to a table since a version. `rows`: without columns where there are none.

    `has_removals`: whether rows or values were only taken away meanwhile (`REMOVAL_PROPERTY`).
    """

    rows: pl.LazyFrame
    has_removals: bool


def scan_added(folder: Path, since: str) -> Additions | None:
    """Rows that were appended after the version `since` (see `name_version`).

    None where the log does not show them: rows were replaced meanwhile, or the version or a file is gone.
    """
    seen, newest = int(since.partition("-")[0]), current_version(folder)
    if newest is None or newest < seen or _name_entry(folder, seen) != since:
        return None
    files, has_removals = [], False
    for version in range(seen + 1, newest + 1):
        entry = _read_entry(folder, version)
        if entry is None:
            return None
        actions = [json.loads(line) for line in entry.splitlines()]
        if any(action.get("commitInfo", {}).get(REMOVAL_PROPERTY) == "true" for action in actions):
            has_removals = True
            continue
        if any("remove" in action for action in actions):
            return None
        files += [folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
    if not all(file.exists() for file in files):
        return None
    frames = [pl.scan_parquet(file, glob=False) for file in files]
    return Additions(pl.concat(frames, how="diagonal") if frames else pl.LazyFrame(), has_removals)


def _name_entry(folder: Path, version: int) -> str | None:
    entry = _read_entry(folder, version)
    return None if entry is None else f"{version}-{sha256(entry).hexdigest()[:16]}"


def _read_entry(folder: Path, version: int) -> bytes | None:
    """An entry of the table's log; None where it was cleaned up."""
    path = folder / "_delta_log" / f"{version:020}.json"
    return path.read_bytes() if path.exists() else None
