"""`mart.sql`: a query of DuckDB's on the permitted frame of a purpose, which it sees as the table `permitted`, alone.

The query runs in a database of its own in memory, which reads no file, loads no extension, attaches nothing, knows no
variable of Python's, and whose settings are locked. It is one SELECT; the only table that it may name is `permitted`;
of functions it may call those that give the same for the same rows, whenever they are asked (no `random()`, no
`now()`). The frame comes in an order of its own, so that input order never matters.
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
# Their texts speak of the query; those of all others may quote a value of the frame.
ABOUT_THE_QUERY = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.PermissionException)


class MartSqlError(CdpError):
    """A `mart.sql` that cannot be run or does not give what is declared. Carries nothing of what the frame says."""


def run_mart_sql(purpose: Purpose, permitted: pl.DataFrame) -> pl.DataFrame:
    """What the purpose's `mart.sql` makes of its permitted frame; columns as its `shape` declares them.

    `ShapeError` names the file, and what was found and what is allowed.
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
        except ABOUT_THE_QUERY as error:
            problem = str(error)
        except MartSqlError as error:
            problem = str(error)
        except duckdb.Error as error:
            problem = f"fails with {type(error).__name__}"
    # Raised out here, so that the first exception, which may quote a value, is not even its context.
    if result is None:
        raise MartSqlError(f"{file}: {problem}")
    frame = pl.DataFrame(result)
    declared = {each.name: TYPES[each.type] for each in purpose.shape}
    if frame.columns != list(declared):
        raise MartSqlError(f"{file} gives the columns {', '.join(frame.columns)}; declared: {', '.join(declared)}")
    if wrong := [name for name, dtype in declared.items() if frame.schema[name] != dtype]:
        found = ", ".join(f"{name} as {frame.schema[name]}, declared {declared[name]}" for name in wrong)
        raise MartSqlError(f"{file} gives {found}: cast it")
    return frame


def refuse_unsafe_sql(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """`ShapeError` where the query is no single SELECT on the permitted frame that always gives the same."""
    statements = connection.extract_statements(sql)
    if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
        raise MartSqlError("is not one SELECT statement")
    (told,) = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchone()
    tree = json.loads(told)
    if tree["error"]:
        raise MartSqlError("is not one SELECT statement")
    nodes = list(_nodes(tree))
    own = {each["key"].lower() for node in nodes for each in node.get("cte_map", {}).get("map", ())}
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            if node["schema_name"] or node["catalog_name"] or node["table_name"].lower() not in {PERMITTED, *own}:
                raise MartSqlError(f"reads the table {node['table_name']}; there is {PERMITTED}")
        elif node.get("type") == "TABLE_FUNCTION":
            raise MartSqlError(f"reads the function {node['function']['function_name']}; there is {PERMITTED}")
    called = sorted({node["function_name"].lower() for node in nodes if node.get("class") == "FUNCTION"})
    moody = connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE list_contains(?, function_name) AND coalesce(stability, 'CONSISTENT') <> 'CONSISTENT' ORDER BY ALL",
        [called],
    ).fetchall()
    if moody:
        raise MartSqlError(f"calls {', '.join(name for (name,) in moody)}, which does not always give the same")


def _nodes(tree: object) -> Iterator[dict]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)
