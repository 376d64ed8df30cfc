"""`cdp publish`: the published marts, on a server."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from warehouse import postgres
from warehouse.lake import Lake
from warehouse.roles import role


def publish_marts(server: str, lake: Path, out: Console) -> None:
    """Make the server hold what the published file holds, and say what changed and who may read it."""
    done = postgres.publish(server, Lake(lake.absolute()))
    table = Table("mart", "rows", "changed", "who may read it", title=f"Database {done.database}", title_justify="left")
    table.columns[1].justify = "right"
    for purpose, n_rows in done.rows.items():
        table.add_row(purpose, f"{n_rows:,}", "yes" if purpose in done.changed else "", role(purpose))
    out.print(table)
    out.print(f"{done.n_inserted:,} rows inserted, {done.n_deleted:,} deleted", highlight=False)
