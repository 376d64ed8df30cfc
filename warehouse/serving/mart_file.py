"""Marts for BI tools: one DuckDB file, a schema per purpose, swapped in whole.

The file is built under another name and put in place by one rename: whoever has the old one open goes on reading it,
whoever opens anew reads the new one, and building waits for nobody.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from warehouse.serving.sql import quote_literal, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cdp_pipelines.schema import Table
    from warehouse.delta.lake import Lake

FILE = "serving/marts.duckdb"


def mart_file_path(lake: Lake) -> Path:
    """The file that BI tools open, read-only."""
    return lake.path / FILE


def read_publication(lake: Lake) -> dict[str, tuple]:
    """Purpose to what the published file holds of its mart, as `states` gives it."""
    if not mart_file_path(lake).exists():
        return {}
    with duckdb.connect(str(mart_file_path(lake)), read_only=True) as connection:
        told = connection.execute("SELECT * FROM main.published").fetchall()
    return {purpose: tuple(state) for purpose, *state in told}


def read_mart_states(lake: Lake, marts: Mapping[str, Table], frames: Mapping[str, pl.DataFrame]) -> dict[str, tuple]:
    """Purpose to the Delta version of its mart, how many of its rows are to be published, and a digest of which."""
    found = {}
    for purpose, table in marts.items():
        keys = frames[purpose].select(table.key).sort(table.key)
        found[purpose] = lake.version(table.name), keys.height, sha256(keys.write_csv().encode()).hexdigest()
    return found


def read_rows(lake: Lake, table: Table, purpose: str) -> pl.DataFrame:
    """Published rows of a mart, of the columns that `table` still has; none where nothing with its key is published."""
    if purpose not in read_publication(lake):
        return table.empty()
    with duckdb.connect(str(mart_file_path(lake)), read_only=True) as connection:
        found = connection.sql(f"SELECT * FROM {quote_name(purpose)}.{quote_name('customer')}")
        frame = pl.DataFrame(found.to_arrow_table())
    if not {*table.key} <= {*frame.columns}:
        return table.empty()
    return frame.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items() if name in frame.columns)


@contextmanager
def replace_file(lake: Lake) -> Iterator[Path]:
    """A path to build the new file at; it takes the old one's place when the block ends well, and is gone if not."""
    final = mart_file_path(lake)
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f".{final.name}.*"):
        leftover.unlink()
    draft = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, final)  # noqa: PTH105  the very call whose atomicity this rests on
    finally:
        draft.unlink(missing_ok=True)


def build_mart_file(
    connection: duckdb.DuckDBPyConnection, lake: Lake, marts: Mapping[str, Table], frames: Mapping[str, pl.DataFrame]
) -> None:
    """Write the rows of every mart into its own schema, with comments from the declared descriptions.

    `marts` and `frames`: purpose to its table, and to the rows of it that are to be published. `main.published` says
    from which version of each mart the file was made.
    """
    connection.execute(
        "CREATE TABLE main.published (purpose VARCHAR, delta_version BIGINT, row_count BIGINT, keys_sha256 VARCHAR)"
    )
    for purpose, state in read_mart_states(lake, marts, frames).items():
        table, frame = marts[purpose], frames[purpose]
        connection.register("frame", frame.to_arrow())
        name = f"{quote_name(purpose)}.{quote_name('customer')}"
        connection.execute(f"CREATE SCHEMA {quote_name(purpose)}")
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        connection.unregister("frame")
        connection.execute(f"COMMENT ON TABLE {name} IS {quote_literal(table.description)}")
        for column in table.columns:
            connection.execute(
                f"COMMENT ON COLUMN {name}.{quote_name(column.name)} IS {quote_literal(column.description)}"
            )
        connection.execute("INSERT INTO main.published VALUES (?, ?, ?, ?)", [purpose, *state])


def query_marts(lake: Lake, sql: str) -> tuple[list[str], list[tuple]]:
    """Column names and rows of a read-only query on the marts; files and other databases are out of its reach."""
    with duckdb.connect(
        str(mart_file_path(lake)),
        read_only=True,
        config={"enable_external_access": "false", "python_enable_replacements": "false"},
    ) as connection:
        connection.execute("SET lock_configuration = true")
        result = connection.execute(sql)
        return [column[0] for column in result.description or []], result.fetchall()
