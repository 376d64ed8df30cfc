"""`cdp`: all commands, in the order of their help.

Here belongs putting the commands together. Each command stands in a module of its own, and imports its work only when
it runs.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli import (
    audit,
    bench,
    consent,
    decisions,
    declarations,
    doctor,
    lake,
    lineage,
    link,
    simulate,
    verify,
)
from cdp_pipelines.cli.group import CommandGroup
from cdp_pipelines.cli.rectify import rectify

HELP = """The customer data platform that honours the purpose of customer data.

A first tour:

  [cyan]cdp sample sample --people 2000 --nights 3[/]   make a company's raw exports

  [cyan]cdp run --drops sample/drops[/]                 bring the lake up to date

  [cyan]cdp query "SELECT count(*) FROM email_marketing.customer"[/]

  [cyan]cdp funnel email_marketing[/]                   count whom a purpose may reach

  [cyan]cdp ui[/]                                       look at it in Dagster

Exit codes: 0 success; 1 a check found a failure or a difference; 2 an option, argument, file or lake cannot be used.
"""

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help=HELP,
)

for command in (lake.sample, lake.run, lake.ui, lake.publish, lake.query):
    app.command(rich_help_panel="Make and serve a lake")(command)
for command in (decisions.why, decisions.funnel, decisions.conflicts, decisions.evaluate):
    app.command(rich_help_panel="Ask a lake")(command)
app.add_typer(audit.app, name="audit", rich_help_panel="Ask a lake")
app.add_typer(consent.app, name="consent", rich_help_panel="Ask a lake")
app.add_typer(link.app, name="link", rich_help_panel="Ask a lake")
app.add_typer(simulate.app, name="simulate", rich_help_panel="Ask a lake")
app.command(rich_help_panel="Ask a lake")(rectify)
app.command(rich_help_panel="Ask the declarations")(declarations.catalogue)
app.command("record-of-processing", rich_help_panel="Ask the declarations")(declarations.record_of_processing)
app.add_typer(lineage.app, name="lineage", rich_help_panel="Ask the declarations")
app.command(rich_help_panel="Check and measure")(doctor.doctor)
app.add_typer(verify.app, name="verify", rich_help_panel="Check and measure")
app.add_typer(bench.app, name="bench", rich_help_panel="Check and measure")


def _print_version(is_wanted: bool) -> None:  # noqa: FBT001  Typer passes the flag by position
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"cdp {version('cdp-pipelines')}")
        raise typer.Exit


@app.callback()
def main(
    *,
    is_version_wanted: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options of `cdp` itself; the help is that of the application."""
