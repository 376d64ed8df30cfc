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
    column: Annotated[str, typer.Argument(help="Full name, as golden/customer.email; or a table, for all.")],
    format_: Annotated[Literal["text", "json", "html"], typer.Option("--format")] = "text",
    output: Annotated[Path | None, typer.Option("--output", help="Where to write it. Default: print it.")] = None,
) -> None:
    """Follow a column back to every raw field that it derives from, each with its data category.

    Example: [cyan]cdp lineage trace mart/email_marketing.email[/]
    """
    from cdp_pipelines.services.document import print_document
    from cdp_pipelines.services.lineage_trace import trace_lineage

    print_document(trace_lineage(column), format_, output, out)


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
    from assets.definitions import defs
    from cdp_pipelines.reports.catalogue import read_owners
    from cdp_pipelines.services.catalogue import collect_facts
    from cdp_pipelines.services.openlineage import build_events, render_lines
    from warehouse.atomic_file import write_atomically
    from warehouse.delta.lake import Lake

    told = collect_facts(Lake(lake.absolute()), read_owners(defs().resolve_asset_graph()))
    if told.night is None:
        raise CdpError(f"{lake} was not brought to any night yet; `cdp run` does it")
    found = build_events(told, namespace)
    write_atomically(output, render_lines(found))
    out.print(f"{len(found)} events of the night of {told.night}: {output}", highlight=False, soft_wrap=True)
