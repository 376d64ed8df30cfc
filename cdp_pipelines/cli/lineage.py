"""`cdp lineage`: where a column comes from, and all of it as OpenLineage events.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli.options import DEFAULT_LAKE, FormatOption, LakeOption, OutputOption

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Show where a column comes from, back to the raw fields and their data categories.",
)


@app.command()
def trace(
    column: Annotated[
        str, typer.Argument(metavar="COLUMN", help="Full name, as golden/customer.email; or a table, for all.")
    ],
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Follow a column back to every raw field that it derives from, each with its data category.

    The answer comes from the declarations; the lake is only the folder for the page.

    Example: [cyan]cdp lineage trace mart/email_marketing.email[/]

    JSON keys: paths, exempt.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.lineage_trace import trace_lineage

    show_document(trace_lineage(column), format_, output, lake, f"lineage_{column.replace('/', '.')}")


@app.command()
def export(
    lake: LakeOption = DEFAULT_LAKE,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Namespace of the tables and jobs in the lineage server.")
    ] = "cdp",
    output: OutputOption = None,
) -> None:
    """Print the last night as OpenLineage events: tables, columns, their sources, owners, quality and purposes.

    Each line is one JSON event. A lineage server takes it as the body of a POST to its /api/v1/lineage.

    Example: [cyan]cdp lineage export --output events.ndjson[/]
    """
    from assets.definitions import defs
    from cdp_pipelines.cli.output import show_text
    from cdp_pipelines.reports.catalogue import read_owners
    from cdp_pipelines.services.openlineage import export_last_night
    from warehouse.delta.lake import Lake

    events = export_last_night(Lake(lake.absolute()), read_owners(defs().resolve_asset_graph()), namespace)
    show_text(events.text, output, f"{events.count} events of the night of {events.night}")
