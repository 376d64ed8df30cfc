"""`cdp bench`: how fast, side by side in one run with a plain scan of the same bytes. Prints the ratio."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from cdp_pipelines.benchmarks.isolated_run import run_isolated

app = typer.Typer(no_args_is_help=True, help="Measure speed, side by side in one run.")
# Into a file or a pipe as wide as the tables are.
out = Console(width=None if sys.stdout.isatty() else 140)


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
        run_isolated(_make, folder, events, customers, purposes)
        plain = run_isolated(_read_and_sort, folder)
        ours = run_isolated(_decide, folder, purposes)
    table = Table("", "seconds", "peak GiB", "gives", box=None)
    table.add_row("Polars reads and sorts the events", f"{plain[0]:.1f}", f"{plain[1]:.1f}", plain[2])
    table.add_row("decide, from the same files", f"{ours[0]:.1f}", f"{ours[1]:.1f}", ours[2])
    out.print(table)
    out.print(f"ratio {ours[0] / plain[0]:.2f} (target at most 5), peak {ours[1]:.1f} GiB (target at most 8)")


@app.command()
def identity(
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET", help="febrl (all four), febrl1 to febrl4, anytown, or a number of sample records."
        ),
    ] = None,
    splink: Annotated[
        Path | None, typer.Option(help="A Python that has splink 5.0.0 and duckdb below 2.", envvar="CDP_SPLINK_PYTHON")
    ] = None,
    lake: Annotated[Path | None, typer.Option(help="Lake that holds Anytown.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder of Anytown's truth.")] = None,
    format_: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Resolve identities by every classifier and by Splink, side by side, on data whose truth is known.

    Installs nothing; missing parts are named. Several numbers of records give the exponent of the cost. The supervised
    classifiers learn from reviews that are drawn from the truth.

    Examples:

      [cyan]uv venv splink && uv pip install --python splink/bin/python splink==5.0.0 "duckdb<2"[/]

      [cyan]cdp bench identity febrl anytown 100000 --splink splink/bin/python --lake L --truth T/truth[/]

      [cyan]cdp bench identity 10000 100000 1000000 5000000[/]   how the cost grows
    """
    from cdp_pipelines.benchmarks.identity import measure, sets_of

    measure([*sets_of(sets or ["febrl", "100000"])], lake, truth, splink, format_, out)


@app.command()
def night(
    records: Annotated[int, typer.Argument(min=100, help="Sample records that are there the night before.")] = 100_000,
    percent: Annotated[
        list[float] | None, typer.Option(min=0, max=25, help="So many more come; may be given again.")
    ] = None,
) -> None:
    """Resolve identities after nights that bring a few records, beside resolving all records.

    Fails if a night that brings only new records differs from all records at once in a customer, a link or its state.
    Above `refit.frozen_above` records the model is kept even if records change or leave: the customers that differ
    then are counted.

    Example: [cyan]cdp bench night 1000000 --percent 0.1 --percent 1[/]
    """
    from cdp_pipelines.benchmarks.night import measure

    if not measure(records, percent or [0.0, 0.1, 1.0], out):
        raise typer.Exit(1)


@app.command()
def audit(
    customers: Annotated[int, typer.Argument(min=100, help="Customers of the lake that is asked.")] = 1_000_000,
    lake: Annotated[
        Path | None, typer.Option(help="Folder in which to make the lake, or where one was made; it stays.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each question is asked.")] = 5,
) -> None:
    """Answer for one of many customers, each answer a whole command, beside a plain scan of the same tables.

    Takes about 8 GB of disk for 1,000,000 customers. Example: [cyan]cdp bench audit 100000 --lake /tmp/asked[/]
    """
    from cdp_pipelines.benchmarks.audit import measure

    measure(customers, lake, repeats, out)


def _make(folder: Path, events: int, customers: int, purposes: int) -> str:
    from cdp_pipelines.sample import decision_benchmark

    decision_benchmark.build_ledger(events, customers, purposes).write_parquet(folder / "ledger.parquet")
    for name, frame in zip(
        ("party", "cluster", "interaction"), decision_benchmark.build_customers(customers), strict=True
    ):
        frame.write_parquet(folder / f"{name}.parquet")
    return ""


def _read_and_sort(folder: Path) -> str:
    order = ["event_at", "recorded_at", "status", "event_id"]
    frame = pl.scan_parquet(folder / "ledger.parquet").sort(order).collect()
    return f"{frame.height:,} rows"


def _decide(folder: Path, purposes: int) -> str:
    from cdp_pipelines.consent import DecisionInput, decide, list_identifiers
    from cdp_pipelines.purposes import Register
    from cdp_pipelines.sample import decision_benchmark

    party, cluster, interaction = (
        pl.scan_parquet(folder / f"{name}.parquet") for name in ("party", "cluster", "interaction")
    )
    decisions = decide(
        DecisionInput(
            register=Register.from_purposes(decision_benchmark.build_purposes(purposes).values()),
            ledger=pl.scan_parquet(folder / "ledger.parquet"),
            identifiers=list_identifiers(party, cluster),
            interactions=interaction,
            crosswalk=cluster,
            as_of=decision_benchmark.AS_OF,
            known_at=decision_benchmark.AS_OF,
            party=party,
        )
    )
    return f"{decisions.height:,} decisions, {int(decisions['is_allowed'].sum()):,} allowed"
