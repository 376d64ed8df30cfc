"""`cdp lineage`: where a column comes from, field by field, and all of it as OpenLineage events."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cdp_pipelines.errors import CdpError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Where a column comes from, back to the raw fields and their data categories.",
)
out = Console()


@app.command()
def trace(
    column: Annotated[str, typer.Argument(help="Full name, as mart/email_marketing.email; or a table, for all.")],
    format_: Annotated[Literal["text", "json", "html"], typer.Option("--format")] = "text",
    output: Annotated[Path | None, typer.Option("--output", help="Where to write it. Default: print it.")] = None,
) -> None:
    """Follow a column back to every raw field that it derives from, each with its data category.

    Example: [cyan]cdp lineage trace mart/email_marketing.email[/]
    """
    from assets.cli.document import give
    from assets.cli.trace import traced

    give(traced(column), format_, output, out)


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", help="File to write: a JSON event a line.", dir_okay=False)],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
    namespace: Annotated[str, typer.Option(help="Namespace of the tables and jobs in the lineage server.")] = "cdp",
) -> None:
    """Write the last night as OpenLineage events: tables, columns, where each comes from, owners, quality, purposes.

    A lineage server takes each line as the body of a POST to its /api/v1/lineage.

    Example: [cyan]cdp lineage export --lake lake --output events.ndjson[/]
    """
    from assets.catalogue import owners_in
    from assets.catalogue.facts import facts
    from assets.definitions import defs
    from assets.openlineage import as_lines, events
    from assets.report import write_whole
    from warehouse.lake import Lake

    told = facts(Lake(lake.absolute()), owners_in(defs().resolve_asset_graph()))
    if told.night is None:
        raise CdpError(f"{lake} was not brought to any night yet; `cdp run` does it")
    found = events(told, namespace)
    write_whole(output, as_lines(found))
    out.print(f"{len(found)} events of the night of {told.night}: {output}", highlight=False, soft_wrap=True)
