"""`cdp bench`: how fast, side by side in one run with a plain scan of the same bytes. Prints the ratio."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, help="Measure speed, side by side in one run.")
out = Console()
Measured = tuple[float, float, str]


@app.command()
def consent(
    events: Annotated[int, typer.Option(min=1, help="Wills in the ledger.")] = 10_000_000,
    customers: Annotated[int, typer.Option(min=1, help="Customers, each with four identifiers.")] = 1_000_000,
    purposes: Annotated[int, typer.Option(min=1, max=99, help="Purposes to decide on.")] = 24,
) -> None:
    """Decide for all customers and purposes, beside Polars merely reading and sorting the same events.

    Example: [cyan]cdp bench consent --events 1000000 --customers 100000[/]
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out.print(f"making {events:,} wills of {customers:,} customers for {purposes} purposes")
        _apart(_make, folder, events, customers, purposes)
        plain = _apart(_read_and_sort, folder)
        ours = _apart(_decide, folder, purposes)
    table = Table("", "seconds", "peak GiB", "gives", box=None)
    table.add_row("Polars reads and sorts the events", f"{plain[0]:.1f}", f"{plain[1]:.1f}", plain[2])
    table.add_row("decide, from the same files", f"{ours[0]:.1f}", f"{ours[1]:.1f}", ours[2])
    out.print(table)
    out.print(f"ratio {ours[0] / plain[0]:.2f} (target at most 5), peak {ours[1]:.1f} GiB (target at most 8)")


def _apart(work: Callable, *given: object) -> Measured:
    """Run in a process of its own, so that each has its own peak of memory: seconds, GiB, what it gave."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, given))


def _measured(work: Callable, given: tuple) -> Measured:
    started = time.perf_counter()
    told = work(*given)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, told


def _make(folder: Path, events: int, customers: int, purposes: int) -> str:
    from cdp_pipelines.sample import crowd

    crowd.ledger(events, customers, purposes).write_parquet(folder / "ledger.parquet")
    for name, frame in zip(("party", "cluster", "interaction"), crowd.people(customers), strict=True):
        frame.write_parquet(folder / f"{name}.parquet")
    return ""


def _read_and_sort(folder: Path) -> str:
    order = ["event_at", "recorded_at", "status", "event_id"]
    frame = pl.scan_parquet(folder / "ledger.parquet").sort(order).collect()
    return f"{frame.height:,} rows"


def _decide(folder: Path, purposes: int) -> str:
    from cdp_pipelines.consent import decide, identifiers
    from cdp_pipelines.sample import crowd

    party, cluster, interaction = (
        pl.scan_parquet(folder / f"{name}.parquet") for name in ("party", "cluster", "interaction")
    )
    decisions = decide(
        crowd.purposes(purposes),
        pl.scan_parquet(folder / "ledger.parquet"),
        identifiers(party, cluster),
        interaction,
        cluster,
        as_of=crowd.AS_OF,
        known_at=crowd.AS_OF,
        party=party,
    )
    return f"{decisions.height:,} decisions, {int(decisions['is_allowed'].sum()):,} allowed"
