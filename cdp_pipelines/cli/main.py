"""The commands and what they explain; each does its work in a module of its own, imported when it is asked for."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cdp_pipelines.cli.audit import app as audit
from cdp_pipelines.cli.bench import app as bench
from cdp_pipelines.cli.lineage import app as lineage
from cdp_pipelines.cli.link import app as link
from cdp_pipelines.cli.rectify import rectify
from cdp_pipelines.cli.simulate import app as simulate
from cdp_pipelines.cli.verify import verify
from cdp_pipelines.errors import CdpError

out = Console()
err = Console(stderr=True)

Lake = Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE", show_default=True)]
DEFAULT_LAKE = Path("lake")


class _Commands(typer.core.TyperGroup):
    """Says what went wrong in a line where the product knows it, instead of a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except CdpError as error:
            err.print(f"[bold red]error[/] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="The customer data platform that honours the purpose of customer data.\n\n"
    "A first tour:\n\n"
    "  [cyan]cdp sample sample --people 2000 --nights 3[/]   make a company's raw exports\n\n"
    "  [cyan]cdp run --drops sample/drops --lake lake[/]     bring the lake up to date\n\n"
    '  [cyan]cdp query --lake lake "SELECT count(*) FROM email_marketing.customer"[/]\n\n'
    "  [cyan]cdp ui --lake lake[/]                           look at it in Dagster",
)

app.add_typer(verify, name="verify")
app.add_typer(bench, name="bench")
app.add_typer(audit, name="audit")
app.add_typer(lineage, name="lineage")
app.add_typer(link, name="link")
app.add_typer(simulate, name="simulate")
app.command()(rectify)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make: OUT/drops and OUT/truth.")],
    people: Annotated[int, typer.Option(min=1, help="People of the company; each has about 20 records.")] = 2000,
    nights: Annotated[int, typer.Option(min=1, help="Drop folders: the history, then one per night.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed makes the same bytes.")] = 1,
) -> None:
    """Make a company's raw exports: fifteen channels, planted defects, and the truth beside them.

    Example: [cyan]cdp sample sample --people 50000 --nights 4[/] makes about a million records.
    """
    from cdp_pipelines.cli.sample import write_sample

    write_sample(folder, people, nights, seed, out)


@app.command()
def run(
    drops: Annotated[
        Path, typer.Option(help="Drop folder: a folder per night, named by its date.", envvar="CDP_DROPS")
    ],
    lake: Lake = DEFAULT_LAKE,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last night to take in. Default: the newest drop.")
    ] = None,
) -> None:
    """Bring the lake up to date: the nightly Dagster job, here and now.

    Takes in every file it does not have yet, and decides as of the end of the last night. Running it again changes
    nothing. The exit code is 0 only when every gate passed.

    Examples:

      [cyan]cdp run --drops sample/drops --lake lake[/]

      [cyan]cdp run --drops sample/drops --lake lake --until 2024-06-29[/]   one night less
    """
    from cdp_pipelines.cli.run import run_nights

    raise typer.Exit(run_nights(drops, lake, until.date() if until else None, out))


@app.command()
def ui(
    lake: Lake = DEFAULT_LAKE,
    drops: Annotated[
        Path | None, typer.Option(help="Drop folder; default: that of the last run.", envvar="CDP_DROPS")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
) -> None:
    """Open Dagster over the lake: the asset graph, the checks, the runs, the schedule and the sensor."""
    from assets.runtime.ui import serve_ui

    serve_ui(lake, drops, port, lambda url: out.print(f"Dagster at {url}   (Ctrl+C ends it)", highlight=False))


@app.command()
def publish(
    server: Annotated[
        str,
        typer.Option(
            "--postgres",
            metavar="URI",
            help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; other users see it here, not in the variable.",
            envvar="CDP_POSTGRES",
        ),
    ],
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Bring the published marts to a PostgreSQL server, as each night does where CDP_POSTGRES names one.

    The user owns the database, which is for the marts alone, and has CREATEROLE. Who is to read the mart of a purpose
    is granted the role cdp_<purpose>. What is equal already is not written.

    Example: [cyan]CDP_POSTGRES=postgresql://... cdp publish --lake lake[/]
    """
    from cdp_pipelines.cli.publish import publish_marts

    publish_marts(server, lake, out)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query on the marts: <purpose>.customer")],
    lake: Lake = DEFAULT_LAKE,
    format_: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
) -> None:
    """Ask the published marts, read-only.

    Examples:

      [cyan]cdp query "SELECT language_code, count(*) FROM email_marketing.customer GROUP BY 1"[/]

      [cyan]cdp query "SHOW ALL TABLES" --format json[/]
    """
    from cdp_pipelines.cli.query import print_query

    print_query(lake, sql, format_, out)


@app.command()
def register(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="Day whose register is asked for. Default: today (UTC)."
        ),
    ] = None,
    format_: Annotated[
        Literal["table", "csv", "json", "html"],
        typer.Option("--format", help="table for a look; the others hold all of Art. 30(1)(a)-(g)."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="File to write instead of printing.", dir_okay=False, show_default=False)
    ] = None,
) -> None:
    """Print the register of processing (GDPR Art. 30) as it was in force on a day.

    Every purpose with its lawful basis, data, recipients, retention and security measures, from what is declared.

    Examples:

      [cyan]cdp register[/]

      [cyan]cdp register --as-of 2011-12-09 --format html --output register.html[/]   a page for the authority
    """
    from cdp_pipelines.cli.register import print_register

    print_register(as_of.date() if as_of else None, format_, output, out)


@app.command()
def catalog(
    output: Annotated[Path, typer.Option("--output", help="Page to write.", dir_okay=False)],
    lake: Lake = DEFAULT_LAKE,
) -> None:
    """Write the catalogue: one page, searched in place, of every table and column of the lake.

    Meaning, data category, purposes, retention, owner, freshness, rows, quality, lineage, and where each category of
    data lives across all systems and regions. Each night writes it to LAKE/reports/catalogue.html as well.

    Example: [cyan]cdp catalog --lake lake --output catalog.html[/]
    """
    from assets.definitions import defs
    from cdp_pipelines.reports.catalogue import read_owners, write_catalogue
    from warehouse.delta.lake import Lake as Store

    page = write_catalogue(Store(lake.absolute()), read_owners(defs().resolve_asset_graph()), output)
    out.print(f"catalogue: {page}", highlight=False, soft_wrap=True)


@app.command()
def why(
    customer: Annotated[str, typer.Argument(help="A customer id, or an e-mail, phone, card, device or account.")],
    purpose: Annotated[str, typer.Argument(help="A purpose of the register.")],
    lake: Lake = DEFAULT_LAKE,
    as_of: Annotated[
        datetime | None, typer.Option(help="When the processing happens, UTC; default: its last night.")
    ] = None,
    known_at: Annotated[
        datetime | None, typer.Option(help="What had been recorded by then, UTC; default: all.")
    ] = None,
    format_: Annotated[Literal["text", "json", "html"], typer.Option("--format")] = "text",
    output: Annotated[Path | None, typer.Option(help="Where to write it. Default: print it.")] = None,
) -> None:
    """Why may this customer be processed for this purpose, or not: each check, each will, each identity path.

    Example: [cyan]cdp why ann@example.com email_marketing --as-of 2011-12-01 --lake lake[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.decision_explanation import explain_decision as explained
    from cdp_pipelines.services.document import print_document

    store = dossier.open_lake(lake)
    clocks = (moment and moment.replace(tzinfo=moment.tzinfo or UTC) for moment in (as_of, known_at))
    print_document(explained(store, dossier.find_customer(store, customer), purpose, *clocks), format_, output, out)


@app.command()
def reach(
    purpose: Annotated[str, typer.Argument(help="A purpose of the register.")],
    lake: Lake = DEFAULT_LAKE,
    as_of: Annotated[datetime | None, typer.Option(help="As decided then, UTC; default: the last night.")] = None,
    format_: Annotated[Literal["text", "json", "html"], typer.Option("--format")] = "text",
    output: Annotated[Path | None, typer.Option(help="Where to write it. Default: print it.")] = None,
) -> None:
    """Draw the waterfall from all customers to those whom a purpose may reach, with the count at each step.

    Example: [cyan]cdp reach email_marketing --lake lake[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.document import print_document
    from cdp_pipelines.services.simulation import report_funnel as reached

    moment = as_of and as_of.replace(tzinfo=as_of.tzinfo or UTC)
    print_document(reached(dossier.open_lake(lake), purpose, moment), format_, output, out)


@app.command()
def conflicts(
    attribute: Annotated[
        str | None, typer.Argument(help="A column of golden/customer. Default: all.", show_default=False)
    ] = None,
    lake: Lake = DEFAULT_LAKE,
    format_: Annotated[Literal["text", "json", "html"], typer.Option("--format")] = "text",
    output: Annotated[Path | None, typer.Option(help="Where to write it. Default: print it.")] = None,
) -> None:
    """Where sources disagree: per attribute which channel gives the golden value, and who loses against whom.

    Example: [cyan]cdp conflicts email --lake lake[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.conflicts import report_conflicts as counted
    from cdp_pipelines.services.document import print_document

    print_document(counted(dossier.open_lake(lake), attribute), format_, output, out)


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Option(help="Folder with persons.parquet (channel, source_record_id, person).")],
    lake: Lake = DEFAULT_LAKE,
    format_: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Measure the crosswalk against the truth: pairwise precision, recall and F1.

    Example: [cyan]cdp evaluate --lake lake --truth sample/truth[/]
    """
    from cdp_pipelines.services.evaluation import print_evaluation

    print_evaluation(lake, truth, format_, out)
