"""Marts for BI tools: one DuckDB file with a schema per purpose, replaced as a whole.

Here belong building, replacing, reading and querying that file; its copy on a server is made in `postgres`. The file is
built under another name and replaces the old one by a rename: open readers keep the old file, new readers get the new
one, and nobody waits.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from cdp_pipelines.errors import LakeError
from warehouse.serving.sql import quote_literal, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cdp_pipelines.schema import MartRows, Table
    from warehouse.delta.lake import Lake

FILE = "serving/marts.duckdb"
_EARLIER = " These are the rows of the night {night}, without those of people whose right has ended since."
# Delta version of a mart, number of its published rows, a digest of their keys, and the night of its rows where that is
# an earlier one than the last.
MartState = tuple[int | None, int, str, date | None]


def mart_file_path(lake: Lake) -> Path:
    """The file that BI tools open, read-only."""
    return lake.path / FILE


def read_publication(lake: Lake) -> dict[str, MartState]:
    """Purpose to the state of its mart in the published file.

    Empty where there is no file, or one that DuckDB cannot read: the next publication replaces it.
    """
    try:
        return _read_states(lake)
    except duckdb.Error:
        return {}


def find_fault(lake: Lake) -> str | None:
    """The error of DuckDB with which the published file cannot be read; None where it can, or is not there."""
    try:
        _read_states(lake)
    except duckdb.Error as error:
        return type(error).__name__
    return None


def _read_states(lake: Lake) -> dict[str, MartState]:
    try:
        stat = mart_file_path(lake).stat()
    except FileNotFoundError:
        return {}
    return dict(_read_states_once(mart_file_path(lake), stat.st_ino, stat.st_mtime_ns))


@lru_cache(maxsize=8)
def _read_states_once(file: Path, inode: int, written_ns: int) -> tuple[tuple[str, MartState], ...]:  # noqa: ARG001
    # A night asks for each mart, and opening the file takes longer than reading it. It is replaced, never changed.
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute("SELECT * FROM main.published").fetchall()
    return tuple((purpose, tuple(state)) for purpose, *state in rows)


def read_mart_states(
    lake: Lake, marts: Mapping[str, Table], frames: Mapping[str, MartRows], earlier_nights: Mapping[str, date | None]
) -> dict[str, MartState]:
    """Purpose to the state of its mart once these rows are published. `earlier_nights`: of marts that are not new."""
    states = {}
    for purpose, table in marts.items():
        keys = frames[purpose].select(table.key).sort(table.key)
        digest = sha256(keys.write_csv().encode()).hexdigest()
        states[purpose] = lake.version(table.name), keys.height, digest, earlier_nights.get(purpose)
    return states


def read_rows(lake: Lake, table: Table, purpose: str, keys: pl.Series | None = None) -> MartRows:
    """Published rows of a mart, in those columns that `table` still has; no rows if none with its key are published.

    `keys`: the values of its key whose rows are wanted, where it has one column; by default all.
    """
    if purpose not in read_publication(lake):
        return table.empty()
    with duckdb.connect(str(mart_file_path(lake)), read_only=True) as connection:
        rows = connection.sql(f"SELECT * FROM {quote_name(purpose)}.{quote_name('customer')}")
        if not {*table.key} <= {*rows.columns}:
            return table.empty()
        if keys is not None:
            connection.register("wanted", keys.to_frame("wanted").to_arrow())
            rows = rows.filter(f"{quote_name(table.key[0])} IN (SELECT wanted FROM wanted)")
        frame = pl.DataFrame(rows.to_arrow_table())
    return frame.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items() if name in frame.columns)


def count_rows(lake: Lake) -> dict[str, int]:
    """Purpose to the number of rows in the served file, counted there."""
    counts = {}
    with duckdb.connect(str(mart_file_path(lake)), read_only=True) as connection:
        for (purpose,) in connection.execute("SELECT purpose FROM main.published").fetchall():
            name = f"{quote_name(purpose)}.{quote_name('customer')}"
            ((counts[purpose],),) = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    return counts


@contextmanager
def replace_file(lake: Lake) -> Iterator[Path]:
    """Path for building the new file; it replaces the old file if the block succeeds, and is deleted if not."""
    final = mart_file_path(lake)
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f".{final.name}.*"):
        leftover.unlink()
    draft = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, final)  # noqa: PTH105  the call whose atomicity matters here
    finally:
        draft.unlink(missing_ok=True)


def share_file(lake: Lake, group: str) -> None:
    """Let the members of a group of the operating system read the served file, and nothing else of the lake.

    Raises `LakeError` where there is no such group, or where the owner of the lake is not in it.
    """
    file = mart_file_path(lake)
    try:
        for path, mode in ((lake.path, 0o710), (file.parent, 0o750), (file, 0o640)):
            shutil.chown(path, group=group)
            path.chmod(mode)
    except (LookupError, PermissionError) as error:
        cause = (
            "does not exist" if isinstance(error, LookupError) else "does not have the owner of the lake as a member"
        )
        raise LakeError(f"reader_group of the company: the group {group!r} {cause}") from None


def build_mart_file(
    connection: duckdb.DuckDBPyConnection,
    marts: Mapping[str, Table],
    frames: Mapping[str, MartRows],
    states: Mapping[str, MartState],
) -> None:
    """Write the rows of every mart into its own schema, with comments from the declared descriptions.

    `marts`, `frames` and `states`: purpose to its table, to its rows for publication, and to its `read_mart_states`,
    which `main.published` records.
    """
    connection.execute(
        "CREATE TABLE main.published "
        "(purpose VARCHAR, delta_version BIGINT, row_count BIGINT, keys_sha256 VARCHAR, earlier_night DATE)"
    )
    for purpose, state in states.items():
        table, frame = marts[purpose], frames[purpose]
        connection.register("frame", frame.to_arrow())
        name = f"{quote_name(purpose)}.{quote_name('customer')}"
        connection.execute(f"CREATE SCHEMA {quote_name(purpose)}")
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        connection.unregister("frame")
        description = table.description + (_EARLIER.format(night=state[-1]) if state[-1] else "")
        connection.execute(f"COMMENT ON TABLE {name} IS {quote_literal(description)}")
        for column in table.columns:
            connection.execute(
                f"COMMENT ON COLUMN {name}.{quote_name(column.name)} IS {quote_literal(column.description)}"
            )
        connection.execute("INSERT INTO main.published VALUES (?, ?, ?, ?, ?)", [purpose, *state])


def query_marts(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a read-only query on the marts, which cannot open files or other databases."""
    with duckdb.connect(
        str(mart_file_path(lake)),
        read_only=True,
        config={"enable_external_access": "false", "python_enable_replacements": "false"},
    ) as connection:
        connection.execute("SET lock_configuration = true")
        result = connection.execute(sql)
        return [column[0] for column in result.description or []], result.fetchall()
