"""Two lakes compared, table by table and row by row.

Independent of the pipeline: it reads the tables with the Delta library and compares them in DuckDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import duckdb
from deltalake import DeltaTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class TableComparison(NamedTuple):
    """Rows of a table in both lakes, and those that only one of them has; a row that stands twice counts twice."""

    table: str
    row_count: int
    only_first_count: int
    only_second_count: int

    @property
    def is_equal(self) -> bool:
        """Whether no row is in one lake alone."""
        return not (self.only_first_count or self.only_second_count)


def list_tables(lake: Path) -> list[str]:
    """Full names of the Delta tables of a lake, sorted."""
    return sorted(f"{log.parents[1].name}/{log.parent.name}" for log in lake.glob("*/*/_delta_log"))


def compare_tables(first: Path, second: Path, left_out: Mapping[str, tuple[str, ...]]) -> Iterator[TableComparison]:
    """Compare every table of two lakes. `left_out`: columns that are not compared, by full name of the table.

    A table that one lake lacks has no rows there. Columns are compared by name.
    """
    for table in sorted({*list_tables(first), *list_tables(second)}):
        yield _compare(table, first / table, second / table, left_out.get(table, ()))


def _compare(table: str, first: Path, second: Path, left_out: tuple[str, ...]) -> TableComparison:
    frames = [DeltaTable(str(folder)).to_pyarrow_table() if folder.exists() else None for folder in (first, second)]
    present = [frame for frame in frames if frame is not None]
    if len(present) == 1:
        count = present[0].num_rows
        return TableComparison(table, count, *((count, 0) if frames[0] is not None else (0, count)))
    one, other = (frame.drop_columns([name for name in left_out if name in frame.column_names]) for frame in present)
    if sorted(one.column_names) != sorted(other.column_names):
        return TableComparison(table, one.num_rows, one.num_rows, other.num_rows)
    other = other.select(one.column_names)
    with duckdb.connect() as connection:
        connection.register("one", one)
        connection.register("other", other)
        counts = [
            connection.sql(f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})").fetchall()[0][0]
            for left, right in (("one", "other"), ("other", "one"))
        ]
    return TableComparison(table, one.num_rows, *counts)
