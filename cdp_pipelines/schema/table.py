"""What a table of the lake declares: its key, its columns, who its rows are about, and how it lives.

Here belong the types of the declarations. The tables themselves are in the module of their layer; the words that their
columns take are in `vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

UTC = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Polars type, its meaning, whether it can identify or describe a person, and its sources.

    `sources` are full names, `layer/table.column`; raw fields of all channels are filled in from the contracts.
    """

    name: str
    dtype: pl.DataType
    description: str
    is_personal: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `name` is `layer/table`, `key` the columns that no two rows share, `subject` who a row is about.

    `found_by`: columns by which one person's rows are looked up; rows lie in the files in their order, and then in
    that of the key, so that whoever asks for one person reads little else.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    subject: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name to Polars type, in order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def personal(self) -> frozenset[str]:
        """Names of the columns that can identify or describe a person."""
        return frozenset(column.name for column in self.columns if column.is_personal)

    @property
    def order(self) -> list[str]:
        """Columns in whose order the rows lie in the files: `found_by`, then the rest of the key."""
        return [*self.found_by, *(name for name in self.key if name not in self.found_by)]

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Pick this table's columns in its order and types; a missing column is a Polars error that names it."""
        return frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items())


def carry_columns(source: Table, *names: str) -> tuple[Column, ...]:
    """Columns carried over unchanged from another table."""
    carried = {column.name: column for column in source.columns}
    return tuple(
        Column(
            name, carried[name].dtype, carried[name].description, carried[name].is_personal, (f"{source.name}.{name}",)
        )
        for name in names
    )


def index_by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Tables by full name."""
    return {table.name: table for table in tables}
