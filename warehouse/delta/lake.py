"""The lake: Delta tables by name in one folder.

Here belongs the face that everybody uses. Writing is in `write_modes`, versions in `versions`, the lock of the one
writer in `writer_lock`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from deltalake.exceptions import TableNotFoundError

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import VERSION
from warehouse.delta import additions, versions, write_modes, writer_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cdp_pipelines.schema import Table
    from warehouse.delta.additions import Additions
    from warehouse.delta.write_modes import WriteResult


_UNREADABLE = re.compile(r"[#?\[\]\x00-\x1f\ud800-\udfff]|%[0-9A-Fa-f]{2}")


_touched: ContextVar[set[str] | None] = ContextVar("touched", default=None)


@contextmanager
def record_tables() -> Iterator[set[str]]:
    """Full names of the tables that are read or written within the block."""
    names: set[str] = set()
    token = _touched.set(names)
    try:
        yield names
    finally:
        _touched.reset(token)


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder of Delta tables."""

    path: Path

    def __post_init__(self) -> None:
        """Raise `LakeError` for a path that the Delta library takes for another: it reads paths as URLs."""
        if found := _UNREADABLE.search(str(self.path)):
            raise LakeError(
                f"the path of the lake has {found[0]!r} at position {found.start() + 1}; a lake may be in any folder "
                "whose path has no #, ?, [, ], control character, or % before two hexadecimal digits"
            )

    def location(self, table: str) -> Path:
        """Folder of a table, by its full name."""
        if (touched := _touched.get()) is not None:
            touched.add(table)
        return self.path / table

    def version(self, table: str) -> int | None:
        """Newest version, or None where the table was never written."""
        return versions.current_version(self.location(table))

    def scan(self, table: Table) -> pl.LazyFrame:
        """The table's rows; no rows where it was never written."""
        try:
            return versions.scan_delta(versions.open_table(self.location(table.name)))
        except TableNotFoundError:
            return table.empty().lazy()

    def scan_version(self, table: str, version: int) -> pl.LazyFrame | None:
        """Rows of one version of a table, by its full name; None where the version is deleted."""
        return versions.scan_version(self.location(table), version)

    def read(self, table: Table) -> pl.DataFrame:
        """The table's rows, in order of its key."""
        return self.scan(table).collect().sort(table.key)

    def append(self, table: Table, rows: pl.DataFrame) -> WriteResult:
        """Add rows; an empty frame leaves an existing table as it is, and creates a missing one."""
        return write_modes.append_rows(self.location(table.name), table, rows)

    def replace(self, table: Table, rows: pl.DataFrame, before: pl.DataFrame | None = None) -> WriteResult:
        """Make `rows` the table's content, in one commit; the same content leaves its version as it is.

        `before`: the table's rows, where they have been read already.
        """
        return write_modes.replace_rows(self.location(table.name), table, rows, before)

    def merge(self, table: Table, is_replaced: pl.Expr, rows: pl.DataFrame) -> WriteResult:
        """Put `rows` in place of those for which `is_replaced` is true, in one commit; see `write_modes.merge_rows`."""
        return write_modes.merge_rows(self.location(table.name), table, is_replaced, rows)

    def keep(self, table: Table, rows: pl.DataFrame) -> WriteResult:
        """Take from a table what `rows` does not have, in one commit, which adds nothing (see `scan_added`)."""
        return write_modes.keep_rows(self.location(table.name), table, rows)

    def name_version(self, table: str) -> str | None:
        """The name of the newest version of a table, by its full name; None where it was never written."""
        return additions.name_version(self.location(table))

    def scan_added(self, table: Table, since: str) -> Additions | None:
        """Rows that were appended after the version of this name; None where the log does not show them."""
        return additions.scan_added(self.location(table.name), since)

    def describe(self, table: Table) -> WriteResult | None:
        """The table's version, rows and bytes, from its log; None where it was never written."""
        return None if self.version(table.name) is None else write_modes.describe_table(self.location(table.name))

    def list_unneeded_files(self, table: str, keep: Iterable[int] = ()) -> list[Path]:
        """The files of a table, by its full name, that neither the newest version nor one of `keep` reads."""
        return versions.list_unneeded_files(self.location(table), keep)

    def forget_versions(self, table: str, keep: Iterable[int] = ()) -> int:
        """Delete the files that neither the newest version nor one of `keep` reads; returns the number of files."""
        return versions.forget_versions(self.location(table), keep)

    def tables(self) -> dict[str, int]:
        """Full name to newest version of every table in the lake."""
        return {
            str(log.parent.relative_to(self.path)): versions.open_table(log.parent).version()
            for log in sorted(self.path.glob("*/*/_delta_log"))
        }

    def list_versions(self) -> pl.DataFrame:
        """Newest version of every table, its rows and the code that wrote it; columns as in `VERSION`."""
        rows = []
        for name in self.tables():
            delta = versions.open_table(self.location(name))
            row_count, _ = versions.measure_size(delta)
            rows.append((name, delta.version(), row_count, versions.read_code_version(delta)))
        names = ("table_name", "delta_version", "row_count", "code_version")
        return pl.DataFrame(rows, schema={name: VERSION.schema[name] for name in names}, orient="row")

    def lock_writer(self, patience_s: float = 0) -> AbstractContextManager[None]:
        """Lock the lake for this process, for the length of a `with` block; `LakeError` where it is locked already.

        `patience_s`: seconds for which it waits for another process.
        """
        return writer_lock.lock_writer(self.path, patience_s)
