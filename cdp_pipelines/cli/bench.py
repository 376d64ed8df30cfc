"""`cdp bench`: speed, measured beside a plain scan or another product in one run.

Here belongs the parsing of these commands. The measurements are in `cdp_pipelines.benchmarks`.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cdp_pipelines.cli.options import FormatOption, OutputOption

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Measure speed, side by side in one run. Each command prints the ratio.",
)
# The tables of measurements are wider than 80 columns; a file or a pipe takes them whole.
console = Console(width=None if sys.stdout.isatty() else 140)
LakeToMake = Annotated[
    Path | None, typer.Option("--lake", metavar="LAKE", help="Folder of a lake to use, or to make and keep.")
]
COUNT = "COUNT"


@app.command()
def consent(
    events: Annotated[int, typer.Option(metavar=COUNT, min=1, help="Consent events in the ledger.")] = 10_000_000,
    customers: Annotated[
        int, typer.Option(metavar=COUNT, min=1, help="Customers, each with four identifiers.")
    ] = 1_000_000,
    purposes: Annotated[int, typer.Option(metavar=COUNT, min=1, max=99, help="Purposes to decide on.")] = 24,
) -> None:
    """Decide for all customers and purposes, beside Polars merely reading and sorting the same events.

    Example: [cyan]cdp bench consent --events 1000000 --customers 100000[/]
    """
    from cdp_pipelines.benchmarks.consent import measure

    measure(events, customers, purposes, console)


@app.command()
def identity(
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET", help="febrl (all four), febrl1 to febrl4, anytown, or a number of sample records."
        ),
    ] = None,
    splink: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A Python that has splink 5.0.0 and duckdb below 2.", envvar="CDP_SPLINK_PYTHON"
        ),
    ] = None,
    lake: LakeToMake = None,
    truth: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of the truth about the lake.")] = None,
    format_: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text for a terminal, json for programs.")
    ] = "text",
) -> None:
    """Resolve identities by every classifier and by Splink, side by side, on data whose truth is known.

    Installs nothing; missing parts are named. Several numbers of records give the exponent of the cost. The supervised
    classifiers learn from reviews that are drawn from the truth.

    Examples:

      [cyan]uv venv splink && uv pip install --python splink/bin/python splink==5.0.0 "duckdb<2"[/]

      [cyan]cdp bench identity febrl anytown 100000 --splink splink/bin/python --lake L --truth T/truth[/]

      [cyan]cdp bench identity 10000 100000 1000000 5000000[/]   the growth of the cost
    """
    from cdp_pipelines.benchmarks.identity import measure, sets_of

    measure([*sets_of(sets or ["febrl", "100000"])], lake, truth, splink, format_, console)


@app.command()
def identity_night(
    records: Annotated[
        int, typer.Argument(metavar="RECORDS", min=100, help="Sample records of the night before.")
    ] = 100_000,
    percent: Annotated[
        list[float] | None,
        typer.Option(metavar="PERCENT", min=0, max=25, help="New records of a night; can be given several times."),
    ] = None,
) -> None:
    """Resolve identities after nights that bring a few records, beside resolving all records.

    Fails if a night that brings only new records differs from all records at once in a customer, a link or its state.
    Above `refit.frozen_above` records the model is kept even if records change or leave: the customers that differ
    then are counted. Exit code 0: no difference; 1: a difference.

    Example: [cyan]cdp bench identity-night 1000000 --percent 0.1 --percent 1[/]
    """
    from cdp_pipelines.benchmarks.identity_night import measure

    if not measure(records, percent or [0.0, 0.1, 1.0], console):
        raise typer.Exit(1)


@app.command()
def night(
    people: Annotated[
        list[int] | None,
        typer.Argument(metavar=COUNT, min=20, help="People of a sample, about 20 records each; several give growth."),
    ] = None,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Run whole nights of the job that bring nothing, 0.3, 1 and 10 percent, beside the full build and a plain scan.

    The plain scan reads, parses and writes the same files as Delta once, in Polars. Each night is a process of its own,
    from a copy of the same lake.

    Examples:

      [cyan]cdp bench night 2000[/]

      [cyan]cdp bench night 10000 50000 --format html --output night.html[/]   with the growth

    JSON keys: nights, layers, growth.
    """
    from cdp_pipelines.benchmarks.night import measure
    from cdp_pipelines.cli.output import show_document, show_progress

    with show_progress("generating people") as step:
        document = measure(people or [2000], step)
    show_document(document, format_, output, Path(), "benchmark_night")


@app.command()
def audit(
    customers: Annotated[int, typer.Argument(metavar="CUSTOMERS", min=100, help="Customers of the lake.")] = 1_000_000,
    lake: LakeToMake = None,
    repeats: Annotated[int, typer.Option(metavar=COUNT, min=1, help="Repetitions of each question.")] = 5,
) -> None:
    """Answer for one of many customers, each answer a whole command, beside a plain scan of the same tables.

    Takes about 8 GB of disk for 1,000,000 customers.

    Example: [cyan]cdp bench audit 100000 --lake /tmp/benchmark_lake[/]
    """
    from cdp_pipelines.benchmarks.audit import measure

    measure(customers, lake, repeats, console)
