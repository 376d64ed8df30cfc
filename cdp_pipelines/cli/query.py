"""`cdp query`: a question to the published marts."""

import csv
import json
import sys
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from cdp_pipelines.errors import LakeError
from warehouse.delta.lake import Lake
from warehouse.serving import mart_file as serving


def print_query(lake: Path, sql: str, format_: str, out: Console) -> None:
    """Run the query and print its rows; `LakeError` where there are no marts or DuckDB refuses the query."""
    store = Lake(lake.absolute())
    if not serving.mart_file_path(store).exists():
        raise LakeError(f"{lake} has no published marts; `cdp run` makes them")
    try:
        columns, rows = serving.query_marts(store, sql)
    except duckdb.Error as error:
        raise LakeError(str(error)) from None
    if format_ == "json":
        json.dump([dict(zip(columns, row, strict=True)) for row in rows], sys.stdout, default=str, ensure_ascii=False)
        sys.stdout.write("\n")
    elif format_ == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerows([columns, *rows])
    else:
        table = Table(*columns)
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        out.print(table)
