"""`cdp publish`: the published marts, on a server."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from warehouse.delta.lake import Lake
from warehouse.serving import postgres
from warehouse.serving.roles import role_name


def publish_marts(server: str, lake: Path, out: Console) -> None:
    """Make the server hold what the published file holds, and say what changed and who may read it."""
    done = postgres.publish(server, Lake(lake.absolute()))
    table = Table("mart", "rows", "changed", "who may read it", title=f"Database {done.database}", title_justify="left")
    table.columns[1].justify = "right"
    for purpose, row_count in done.rows.items():
        table.add_row(purpose, f"{row_count:,}", "yes" if purpose in done.changed else "", role_name(purpose))
    out.print(table)
    out.print(f"{done.inserted_count:,} rows inserted, {done.deleted_count:,} deleted", highlight=False)
