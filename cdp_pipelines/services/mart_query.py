"""A query on the published marts, read-only.

Here belongs the question and its errors. How the marts are served is in `warehouse.serving`.
"""

from pathlib import Path

import duckdb

from cdp_pipelines.errors import LakeError
from warehouse.delta.lake import Lake
from warehouse.serving import mart_file


def query_marts(lake: Path, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Columns and rows of a query; `LakeError` where there are no marts or DuckDB refuses the query."""
    store = Lake(lake.absolute())
    if not mart_file.mart_file_path(store).exists():
        raise LakeError(f"{lake} has no published marts; `cdp run` makes them")
    try:
        columns, rows = mart_file.query_marts(store, sql)
    except duckdb.Error as error:
        raise LakeError(" ".join(str(error).split())) from None
    return list(columns), list(rows)
