"""The lake: Delta tables by name, written only when their content changes, by one writer at a time.

A table's statistics in the Delta log are limited to its non-personal columns: minima and maxima of names and e-mails
would survive any delete there. Those of the Parquet files themselves go with the files; with rows in the order by which
they are looked up, and in small groups, they are what finds one person without reading the rest. Each commit names the
code that made it. Tables are opened by path each time, for a handle kept across another commit raises.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import polars as pl
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError, TableNotFoundError

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import RECORD_KEY, VERSION
from warehouse.code_version import code_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cdp_pipelines.schema import Table


# Rows that are read at the least: for one person a few of these groups, however many there are.
GROUP_ROWS = 65_536
CODE = "cdp.code_version"
# A commit of before commits told, or of another tool.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the table's version after it, its rows and bytes, and whether anything changed."""

    version: int
    row_count: int
    byte_count: int
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder of Delta tables."""

    path: Path

    def location(self, table: str) -> Path:
        """Folder of a table, by its full name."""
        return self.path / table

    def version(self, table: str) -> int | None:
        """Newest version, or None where the table was never written."""
        try:
            return DeltaTable(self.location(table)).version()
        except TableNotFoundError:
            return None

    def scan(self, table: Table) -> pl.LazyFrame:
        """The table's rows; no rows where it was never written."""
        try:
            return _scanned(DeltaTable(self.location(table.name)))
        except TableNotFoundError:
            return table.empty().lazy()

    def kept(self, table: str, version: int) -> pl.LazyFrame | None:
        """Rows of a version of a table, by its full name, as it was written; None where it is not kept any more."""
        try:
            delta = DeltaTable(self.location(table), version=version)
        except DeltaError:
            return None
        return _scanned(delta) if all(os.path.exists(unquote(file)) for file in delta.file_uris()) else None  # noqa: PTH110

    def read(self, table: Table) -> pl.DataFrame:
        """The table's rows, in order of its key."""
        return self.scan(table).collect().sort(table.key)

    def append(self, table: Table, rows: pl.DataFrame) -> Written:
        """Add rows; none leave the table as it is (and make it where it is missing)."""
        if rows.is_empty() and self.version(table.name) is not None:
            return self._written(table, is_changed=False)
        self._write(table, rows.sort(table.order), "append")
        return self._written(table, is_changed=True)

    def replace(self, table: Table, rows: pl.DataFrame, before: pl.DataFrame | None = None) -> Written:
        """Make `rows` the table's content, in one commit; the same content leaves its version as it is.

        `before`: what the table holds, where it has been read already.
        """
        rows = rows.sort(table.order)
        if self.version(table.name) is not None:
            before = self.scan(table).collect() if before is None else before
            # Sorted only where it may be the same.
            if before.schema == rows.schema and before.height == rows.height and before.sort(table.order).equals(rows):
                return self._written(table, is_changed=False)
        self._write(table, rows, "overwrite")
        return self._written(table, is_changed=True)

    def _write(self, table: Table, rows: pl.DataFrame, mode: str) -> None:
        measured = ",".join(column.name for column in table.columns if not column.is_personal)
        # Digests and ids of records hardly repeat: a dictionary of them would be made in vain.
        plain = {
            column.name: ColumnProperties(dictionary_enabled=False)
            for column in table.columns
            if column.dtype == pl.Int64 or column.name.endswith(RECORD_KEY[1])
        }
        rows.write_delta(
            str(self.location(table.name)),
            mode=mode,
            delta_write_options={
                "schema_mode": "merge" if mode == "append" else "overwrite",
                "name": table.name,
                "description": table.description,
                "configuration": {"delta.dataSkippingStatsColumns": measured},
                "writer_properties": WriterProperties(max_row_group_size=GROUP_ROWS, column_properties=plain),
                "commit_properties": CommitProperties(custom_metadata={CODE: code_version()}),
            },
        )

    def state(self, table: Table) -> Written | None:
        """The table's version, rows and bytes as they are, from its log alone; None where it was never written."""
        return None if self.version(table.name) is None else self._written(table, is_changed=False)

    def _written(self, table: Table, *, is_changed: bool) -> Written:
        delta = DeltaTable(self.location(table.name))
        return Written(delta.version(), *_size(delta), is_changed)

    def forget_versions(self, table: str, keep: Iterable[int] = ()) -> int:
        """Remove every data file that neither the newest version nor one of `keep` reads, and give their number.

        So go other versions, what a killed writer left, and files that were never committed; a vacuum does not find
        all of these. It is no commit: the version stays, and older ones can be read no more.
        """
        folder = self.location(table)
        kept = (DeltaTable(folder), *(DeltaTable(folder, version=version) for version in keep))
        read = {unquote(uri.rsplit("/", 1)[-1]) for delta in kept for uri in delta.file_uris()}
        files = [path for path in folder.iterdir() if path.is_file() and path.name not in read]
        for path in files:
            path.unlink()
        return len(files)

    def tables(self) -> dict[str, int]:
        """Full name to newest version of every table in the lake."""
        return {
            str(log.parent.relative_to(self.path)): DeltaTable(log.parent).version()
            for log in sorted(self.path.glob("*/*/_delta_log"))
        }

    def states(self) -> pl.DataFrame:
        """Of every table its newest version, the rows in it and the code that wrote it; columns as in `VERSION`."""
        rows = []
        for name in self.tables():
            delta = DeltaTable(self.location(name))
            code = delta.history(1)[0].get(CODE, UNKNOWN)
            rows.append((name, delta.version(), _size(delta)[0], code))
        names = ("table_name", "delta_version", "row_count", "code_version")
        return pl.DataFrame(rows, schema={name: VERSION.schema[name] for name in names}, orient="row")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lake for one writer; `LakeError` where another process has it. A killed writer lets go by dying."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".writer").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise LakeError(
                    f"{self.path} is being written by process {lock.read().strip() or 'unknown'}; wait or stop it"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def _size(delta: DeltaTable) -> tuple[int, int]:
    """Rows and bytes of a table."""
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    return int(files["num_records"].sum() or 0), int(files["size_bytes"].sum() or 0)


def _scanned(delta: DeltaTable) -> pl.LazyFrame:
    if quote(delta.table_uri, safe="/:") == delta.table_uri:
        return pl.scan_delta(delta)
    # Polars takes the table's URI for a path, and does not find one with a blank in it.
    return pl.scan_pyarrow_dataset(delta.to_pyarrow_dataset())
