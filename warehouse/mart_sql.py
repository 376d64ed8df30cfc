"""`mart.sql`: a DuckDB query on the permitted frame of a purpose, which it reads as the table `permitted`.

Here belong running that query and refusing unsafe ones; the rows are protected in `cdp_pipelines.marts.mart`. The query
runs in an in-memory database of its own, without access to files, extensions, other databases or Python variables, and
with locked settings. It is one SELECT. It may only read the table `permitted`, and only call the functions of
`warehouse.mart_functions`. The frame is sorted before, so that input order never matters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.purposes.mart_terms import TYPES
from warehouse.mart_functions import ALLOWED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from cdp_pipelines.purposes.purpose import Purpose

PERMITTED = "permitted"
# References to tables that read nothing but `permitted`; a SHOW, for one, is none of them.
_REFERENCES = {"BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "SELECT_NODE", "SET_OPERATION_NODE",
               "RECURSIVE_CTE_NODE", "CTE_NODE"}  # fmt: skip
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
            refuse_unsafe_sql(connection, purpose.sql or "", permitted.columns)
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


def refuse_unsafe_sql(connection: duckdb.DuckDBPyConnection, sql: str, columns: Sequence[str] = ()) -> None:
    """`MartSqlError` if the query is not a single deterministic SELECT on the permitted frame of these columns."""
    statements = connection.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise MartSqlError("is not one SELECT statement")
    ((serialized,),) = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchall()
    tree = json.loads(serialized)
    if tree["error"]:
        raise MartSqlError("is not one SELECT statement")
    nodes = list(_walk_nodes(tree))
    common_tables = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    for node in nodes:
        _refuse_unsafe_reference(node, {PERMITTED, *common_tables})
    called = {node["function_name"].lower() for node in nodes if node.get("class") in {"FUNCTION", "WINDOW"}}
    if unknown := sorted(called - ALLOWED):
        calls = ", ".join(f"{name}()" for name in unknown)
        raise MartSqlError(f"calls {calls}; allowed are the functions of warehouse/mart_functions.py")
    names = {node["column_names"][0].lower() for node in nodes if node.get("class") == "COLUMN_REF"}
    for name in sorted(names - {column.lower() for column in columns}):
        if _is_a_function(connection, name):
            raise MartSqlError(f"reads {name}, which depends on the clock or the session")


def _refuse_unsafe_reference(node: dict[str, Any], tables: AbstractSet[str]) -> None:
    kind = node.get("type")
    if node.get("sample"):
        raise MartSqlError("takes a sample, which differs from night to night")
    if kind == "TABLE_FUNCTION":
        raise MartSqlError(f"reads the function {node['function']['function_name']}; only {PERMITTED} is allowed")
    # Every reference to a table has this key, whether it takes a sample or not.
    if "sample" in node and kind not in _REFERENCES:
        raise MartSqlError(f"reads {kind}; only {PERMITTED} is allowed")
    if kind == "BASE_TABLE" and (
        node["schema_name"] or node["catalog_name"] or node["table_name"].lower() not in tables
    ):
        raise MartSqlError(f"reads the table {node['table_name']}; only {PERMITTED} is allowed")


def _is_a_function(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether DuckDB takes a name that is no column for a function, such as `current_date`."""
    if not name.isidentifier():
        return False
    try:
        connection.execute(f"EXPLAIN SELECT {name}")
    except duckdb.Error:
        return False
    return True


def _walk_nodes(tree: object) -> Iterator[dict]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _walk_nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _walk_nodes(value)
