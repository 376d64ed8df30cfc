"""`mart.sql`: a DuckDB query on the permitted frame of a purpose, which it reads as the table `permitted`.

Here belong running that query and refusing unsafe ones; the rows are protected in `cdp_pipelines.marts.mart`. The query
runs in an in-memory database of its own, without access to files, extensions, other databases or Python variables, and
with locked settings. It is one SELECT. It may only read the table `permitted`, and only call deterministic functions
(not `random()` or `now()`). The frame is sorted before, so that input order never matters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.purposes.mart_terms import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.purposes.purpose import Purpose

PERMITTED = "permitted"
LOCKED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    # One thread sums numbers up in one order.
    "threads": "1",
}
# Errors about the query itself; the messages of all other errors may quote a value of the frame.
QUERY_ERRORS = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.PermissionException)


class MartSqlError(CdpError):
    """A `mart.sql` that fails or does not return the declared columns. Contains no value of the frame."""


def run_mart_sql(purpose: Purpose, permitted: pl.DataFrame) -> pl.DataFrame:
    """The result of the purpose's `mart.sql` on its permitted frame; columns as its `shape` declares them.

    `MartSqlError` names the file, what was found and what is allowed.
    """
    file = f"mart.sql of {purpose.key}"
    in_order = permitted.sort([name for name, dtype in permitted.schema.items() if not isinstance(dtype, pl.List)])
    problem, result = "", None
    with duckdb.connect(":memory:", config=LOCKED) as connection:
        try:
            refuse_unsafe_sql(connection, purpose.sql or "")
            connection.register(PERMITTED, in_order.to_arrow())
            connection.execute("SET lock_configuration = true")
            result = connection.sql(purpose.sql).to_arrow_table()
        except QUERY_ERRORS as error:
            problem = str(error)
        except MartSqlError as error:
            problem = str(error)
        except duckdb.Error as error:
            problem = f"fails with {type(error).__name__}"
    # Raised outside of the handler: the first exception may quote a value and must not be the context.
    if result is None:
        raise MartSqlError(f"{file}: {problem}")
    frame = pl.DataFrame(result)
    declared = {column.name: TYPES[column.type] for column in purpose.shape}
    if frame.columns != list(declared):
        raise MartSqlError(f"{file} returns the columns {', '.join(frame.columns)}; declared: {', '.join(declared)}")
    if wrong := [name for name, dtype in declared.items() if frame.schema[name] != dtype]:
        types = ", ".join(f"{name} as {frame.schema[name]}, declared {declared[name]}" for name in wrong)
        raise MartSqlError(f"{file} returns {types}; cast them")
    return frame


def refuse_unsafe_sql(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """`MartSqlError` if the query is not a single deterministic SELECT on the permitted frame."""
    statements = connection.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise MartSqlError("is not one SELECT statement")
    (serialized,) = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchone()
    tree = json.loads(serialized)
    if tree["error"]:
        raise MartSqlError("is not one SELECT statement")
    nodes = list(_walk_nodes(tree))
    common_tables = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            if (
                node["schema_name"]
                or node["catalog_name"]
                or node["table_name"].lower() not in {PERMITTED, *common_tables}
            ):
                raise MartSqlError(f"reads the table {node['table_name']}; only {PERMITTED} is allowed")
        elif node.get("type") == "TABLE_FUNCTION":
            raise MartSqlError(f"reads the function {node['function']['function_name']}; only {PERMITTED} is allowed")
    called = sorted({node["function_name"].lower() for node in nodes if node.get("class") == "FUNCTION"})
    unstable = connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE list_contains(?, function_name) AND coalesce(stability, 'CONSISTENT') <> 'CONSISTENT' ORDER BY ALL",
        [called],
    ).fetchall()
    if unstable:
        names = ", ".join(f"{name}()" for (name,) in unstable)
        raise MartSqlError(f"calls {names}, which is not deterministic")


def _walk_nodes(tree: object) -> Iterator[dict]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _walk_nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _walk_nodes(value)
