"""Marts as the published DuckDB file holds them, ready to be copied to a server.

Here belongs reading that file for a copy. The file is written in `mart_file`, the copy is made in `postgres`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.serving.sql import quote_name

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class PublishedMart:
    """A mart in the file; `state` is a digest that differs where a row, a column or a description differs.

    `comments`: column to its description; `query`: selects its rows in the file.
    """

    table: str
    delta_version: int
    row_count: int
    comment: str
    comments: dict[str, str]
    query: str
    state: str


def read_published_marts(source: duckdb.DuckDBPyConnection) -> dict[str, PublishedMart]:
    """Purpose to its mart in the published file."""
    rows = source.execute(
        "SELECT schema_name, table_name, delta_version, row_count, comment "
        "FROM duckdb_tables() JOIN main.published ON purpose = schema_name ORDER BY schema_name"
    ).fetchall()
    marts = {}
    for purpose, table, delta_version, row_count, comment in rows:
        columns = source.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? ORDER BY column_index",
            [purpose],
        ).fetchall()
        ((row_digest,),) = source.execute(
            f"SELECT sum(hash(mart))::VARCHAR FROM {quote_name(purpose)}.{quote_name(table)} mart"
        ).fetchall()
        content = json.dumps([table, delta_version, row_count, comment, columns, row_digest])
        state = hashlib.sha256(content.encode()).hexdigest()
        values = ", ".join(_replace_nul(quote_name(name), dtype) for name, dtype, _ in columns)
        query = f"SELECT {values} FROM {quote_name(purpose)}.{quote_name(table)}"
        comments = {name: text for name, _, text in columns}
        marts[purpose] = PublishedMart(table, delta_version, row_count, comment, comments, query, state)
    return marts


def _replace_nul(name: str, dtype: str) -> str:
    """A column with NUL characters replaced by U+FFFD, because PostgreSQL stores no NUL in a text.

    Without this, one person with such a name would block the publication of every mart.
    """
    match dtype:
        case "VARCHAR":
            return f"replace({name}, chr(0), chr(65533)) AS {name}"
        case "VARCHAR[]":
            return f"list_transform({name}, lambda text: replace(text, chr(0), chr(65533))) AS {name}"
        case _:
            return name
