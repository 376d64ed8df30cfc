"""Commands that make, serve and query a lake: sample, run, ui, publish, query.

Here belongs the parsing of these commands. The work is done in `cdp_pipelines.services` and `assets.runtime`.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    AsOfOption,
    DropsOption,
    FormatOption,
    LakeOption,
    OutputOption,
    RowFormatOption,
)


def sample(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder to make: FOLDER/drops and FOLDER/truth.", file_okay=False)
    ],
    people: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="People of the company; each has about 20 records.")
    ] = 2000,
    nights: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Drop folders: the history, then one per night.")
    ] = 4,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="The same seed makes the same bytes.")] = 1,
) -> None:
    """Make a company's raw exports: fifteen channels, planted defects, and the truth beside them.

    Example: [cyan]cdp sample sample --people 50000 --nights 4[/]   about a million records
    """
    from cdp_pipelines.cli.output import print_line, show_progress
    from cdp_pipelines.services.sample_files import write_sample

    started = time.perf_counter()
    with show_progress("generating people") as step:
        files = write_sample(folder, people, nights, seed, step)
    print_line(
        f"{files.record_count:,} records of {people:,} people in {nights} drops under {files.drops}, "
        f"{time.perf_counter() - started:.1f} s; truth in {files.truth}"
    )


def run(
    drops: DropsOption,
    lake: LakeOption = DEFAULT_LAKE,
    until: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Last night to read. Default: the newest drop.",
            show_default=False,
        ),
    ] = None,
    accept_night: Annotated[
        list[datetime] | None,
        typer.Option(
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Take in this night although it is not plausible: far in the future, long ago, or after a long gap. "
            "Repeat it for more.",
            show_default=False,
        ),
    ] = None,
    as_of: AsOfOption = None,
    *,
    intraday: Annotated[
        bool,
        typer.Option(
            "--intraday",
            help="Take in what has arrived until now, and decide as of now, instead of the end of the last night. "
            "--as-of names an earlier instant, to repeat a run.",
        ),
    ] = False,
    confirm_removal: Annotated[
        bool,
        typer.Option("--confirm-removal", help="Let retention remove more of a table than its declared share."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Compute every row again, not only what has changed. The result is the same."),
    ] = False,
) -> None:
    """Bring the lake up to date: run the nightly Dagster job in this process.

    Reads every file that the lake does not have yet, and decides as of the end of the last night. A step that rests on
    nothing new reports its last result. A second run changes nothing. Runs within a day (--intraday) leave the nightly
    run to be made. Exit code 0: every gate passed; 1: a gate failed; 2: the run could not start.

    Examples:

      [cyan]cdp run --drops sample/drops[/]

      [cyan]cdp run --drops sample/drops --until 2024-06-29[/]   one night less

      [cyan]cdp run --drops drops --intraday[/]   what arrived today takes effect now
    """
    from assets.runtime.night import RunOptions
    from cdp_pipelines.cli.output import console
    from cdp_pipelines.cli.run import run_nights

    now = datetime.now(UTC)
    if intraday and until:
        raise typer.BadParameter("--intraday goes as far as now; leave out --until")
    if as_of and not intraday:
        raise typer.BadParameter("--as-of needs --intraday: a nightly run decides as of the end of its night")
    if as_of and as_of > now:
        raise typer.BadParameter(f"{as_of:%Y-%m-%d %H:%M:%S} UTC is later than now, {now:%Y-%m-%d %H:%M:%S} UTC")
    options = RunOptions(
        as_of=(as_of or now.replace(microsecond=0)) if intraday else None,
        accepted_nights=[night.date() for night in accept_night or ()],
        is_removal_confirmed=confirm_removal,
        is_full=full,
    )
    raise typer.Exit(run_nights(drops, lake, until.date() if until else None, console, options=options))


def ui(
    lake: LakeOption = DEFAULT_LAKE,
    drops: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Drop folder. Default: that of the last run.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port on this machine.")] = 3000,
) -> None:
    """Open Dagster over the lake: the asset graph, the checks, the runs, the schedule and the sensor.

    Example: [cyan]cdp ui --port 3001[/]
    """
    from assets.runtime.ui import serve_ui
    from cdp_pipelines.cli.output import print_line

    serve_ui(lake, drops, port, lambda url: print_line(f"Dagster at {url}   (Ctrl+C ends it)"))


def publish(
    server: Annotated[
        str,
        typer.Option(
            "--postgres",
            metavar="URI",
            help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE. Other users of this machine see it in the list of "
            "processes, but not in the variable.",
            envvar="CDP_POSTGRES",
        ),
    ],
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Publish the marts to a PostgreSQL server, as each night does where CDP_POSTGRES names one.

    The user owns the database, which is only for the marts, and has CREATEROLE. Grant the role cdp_PURPOSE to readers
    of a mart. Rows that are already equal are not written.

    Example: [cyan]CDP_POSTGRES=postgresql://... cdp publish[/]

    JSON keys: marts.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.publication import publish_to_server

    show_document(publish_to_server(server, lake), format_, output, lake, "publication")


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query on the marts: PURPOSE.customer.")],
    lake: LakeOption = DEFAULT_LAKE,
    format_: RowFormatOption = "text",
    output: OutputOption = None,
    *,
    keep_formulas: Annotated[
        bool,
        typer.Option(
            "--keep-formulas",
            help="With --format csv: write texts that a spreadsheet would run as formulas without an apostrophe.",
        ),
    ] = False,
) -> None:
    """Query the published marts with SQL, read-only.

    Examples:

      [cyan]cdp query "SELECT language_code, count(*) AS customers FROM email_marketing.customer GROUP BY 1"[/]

      [cyan]cdp query "SHOW ALL TABLES" --format json[/]

    JSON: a list of rows; the keys are the columns of the query.
    """
    from cdp_pipelines.cli import output as out
    from cdp_pipelines.services.mart_query import query_marts

    columns, rows = query_marts(lake, sql)
    title = f"{len(rows):,} rows"
    match format_:
        case "json":
            out.show_text(out.format_json([dict(zip(columns, row, strict=True)) for row in rows]), output, title)
        case "csv":
            out.show_text(out.format_csv(columns, rows, keep_formulas=keep_formulas), output, title)
        case _:
            out.show_rows(columns, rows, output)
