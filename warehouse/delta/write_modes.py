"""Write modes of Delta tables: append, replace, merge and keep, each in one commit, and only if the content changes.

Here belongs how rows get into files. The statistics in the Delta log are limited to non-personal columns, because
minima and maxima of names and e-mails would survive any delete there. The statistics in the Parquet files are deleted
with the files. Rows are sorted by the columns of look-ups and written in small groups, so that these statistics find
one person without reading the other rows. Each commit names the code that made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import polars as pl
from deltalake import ColumnProperties, CommitProperties, WriterProperties

from cdp_pipelines.schema import RECORD_KEY
from warehouse.code_version import code_version
from warehouse.delta.additions import REMOVAL_PROPERTY
from warehouse.delta.versions import CODE_PROPERTY, current_version, measure_size, open_table, scan_delta

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cdp_pipelines.schema import Table

# Rows in a group: the least that a look-up reads of a file.
GROUP_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class WriteResult:
    """A table after a write: its version, its rows and bytes, and whether the write changed anything."""

    version: int
    row_count: int
    byte_count: int
    is_changed: bool


def append_rows(folder: Path, table: Table, rows: pl.DataFrame) -> WriteResult:
    """Add rows; an empty frame leaves an existing table as it is, and creates a missing one."""
    if rows.is_empty() and current_version(folder) is not None:
        return describe_table(folder)
    _write(folder, table, rows.sort(table.order), "append")
    return describe_table(folder, is_changed=True)


def replace_rows(folder: Path, table: Table, rows: pl.DataFrame, before: pl.DataFrame | None = None) -> WriteResult:
    """Make `rows` the table's content; the same content leaves its version as it is.

    `before`: the table's rows, where they have been read already.
    """
    rows = rows.sort(table.order)
    if current_version(folder) is not None:
        before = scan_delta(open_table(folder)).collect() if before is None else before
        # The sort is slow: only frames that may be equal are sorted.
        if before.schema == rows.schema and before.height == rows.height and before.sort(table.order).equals(rows):
            return describe_table(folder)
    _write(folder, table, rows, "overwrite")
    return describe_table(folder, is_changed=True)


def merge_rows(folder: Path, table: Table, is_replaced: pl.Expr, rows: pl.DataFrame) -> WriteResult:
    """Put `rows` in place of those for which `is_replaced` is true; the same rows leave the version as it is.

    Where there is nothing to take away, the rows are appended, and no other row is written again.
    """
    rows = rows.sort(table.order)
    if current_version(folder) is None:
        _write(folder, table, rows, "overwrite")
        return describe_table(folder, is_changed=True)
    stored = scan_delta(open_table(folder))
    before = stored.filter(is_replaced).collect().sort(table.order)
    if before.equals(rows) and stored.collect_schema() == rows.schema:
        return describe_table(folder)
    if before.is_empty():
        _write(folder, table, rows, "append")
    else:
        kept = stored.filter(~is_replaced).collect()
        _write(folder, table, pl.concat([kept, rows]).sort(table.order) if kept.height else rows, "overwrite")
    return describe_table(folder, is_changed=True)


def keep_rows(folder: Path, table: Table, rows: pl.DataFrame) -> WriteResult:
    """Make `rows` the content of a table that has these and others, or more values in them: nothing is added."""
    if describe_table(folder).row_count != rows.height or not scan_delta(open_table(folder)).collect().equals(rows):
        _write(folder, table, rows.sort(table.order), "overwrite", {REMOVAL_PROPERTY: "true"})
        return describe_table(folder, is_changed=True)
    return describe_table(folder)


def describe_table(folder: Path, *, is_changed: bool = False) -> WriteResult:
    """The table's version, rows and bytes, from its log."""
    delta = open_table(folder)
    return WriteResult(delta.version(), *measure_size(delta), is_changed)


def _write(
    folder: Path,
    table: Table,
    rows: pl.DataFrame,
    mode: Literal["append", "overwrite"],
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    statistics_columns = ",".join(column.name for column in table.columns if not column.is_personal)
    # Digests and record ids hardly repeat, so a dictionary of them would only cost time.
    without_dictionary = {
        column.name: ColumnProperties(dictionary_enabled=False)
        for column in table.columns
        if column.dtype == pl.Int64 or column.name.endswith(RECORD_KEY[1])
    }
    rows.write_delta(
        str(folder),
        mode=mode,
        delta_write_options={
            "schema_mode": "merge" if mode == "append" else "overwrite",
            "name": table.name,
            "description": table.description,
            "configuration": {"delta.dataSkippingStatsColumns": statistics_columns},
            "writer_properties": WriterProperties(max_row_group_size=GROUP_ROWS, column_properties=without_dictionary),
            "commit_properties": CommitProperties(custom_metadata={CODE_PROPERTY: code_version(), **properties}),
        },
    )
