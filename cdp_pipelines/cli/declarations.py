"""Commands about what is declared: the record of processing, and the catalogue.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cdp_pipelines.cli.options import DEFAULT_LAKE, AsOfOption, FormatOption, LakeOption, OutputOption

if TYPE_CHECKING:
    from cdp_pipelines.services.catalogue import Facts


def record_of_processing(
    as_of: AsOfOption = None,
    lake: LakeOption = DEFAULT_LAKE,
    format_: Annotated[
        Literal["text", "json", "html", "csv"],
        typer.Option(
            "--format", help="text for a terminal, json for programs, html for a page, csv for a spreadsheet."
        ),
    ] = "text",
    output: OutputOption = None,
) -> None:
    """Print the record of processing activities (GDPR Art. 30) as it was in force on a day.

    It has every purpose with its lawful basis, data, recipients, retention and security measures, from what is
    declared. The text shows the main columns; the other formats have all of Art. 30(1)(a)-(g).

    Examples:

      [cyan]cdp record-of-processing[/]

      [cyan]cdp record-of-processing --as-of 2011-12-09 --format html --output record.html[/]   a page for the authority

    JSON keys: as_of, article (field to the part of Art. 30(1)), purposes.
    """
    from cdp_pipelines.cli import output as out
    from cdp_pipelines.services.processing_record import report_processing

    record = report_processing(as_of.date() if as_of else None)
    title = f"Record of processing, {len(record.activities)} purposes in force on {record.day}"
    match format_:
        case "html":
            from cdp_pipelines.reports.record_of_processing import render_record

            text = render_record(record)
            page = output or out.choose_page(lake, f"record_of_processing_{record.day}")
            out.show_text(text, page, title)
        case "json":
            out.show_text(out.format_json(record.facts()), output, title)
        case "csv":
            out.show_text(out.format_csv(record.columns(), record.rows()), output, title)
        case _:
            out.show_document(record.summarise(), "text", output, lake, "")


def catalogue(
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Only this table, with its columns.", show_default=False)
    ] = None,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Show the catalogue: every table of the lake with its rows, owner and retention; the columns of one table.

    The page (--format html) is about all tables and can be searched: meaning, data category, purposes, retention,
    owner, quality and lineage of every column, and where each category of data is. Each night writes it as well.

    Examples:

      [cyan]cdp catalogue golden/customer[/]

      [cyan]cdp catalogue --format html[/]   writes LAKE/reports/catalogue.html

    JSON keys: tables, locations; of one table: table, columns.
    """
    from cdp_pipelines.cli import output as out
    from cdp_pipelines.services.catalogue_listing import describe_table, list_catalogue

    facts = _collect(lake)
    if format_ == "html":
        from cdp_pipelines.reports.catalogue.page import render_catalogue

        if table:
            describe_table(facts, table)
        out.show_text(render_catalogue(facts), output or out.choose_page(lake, "catalogue"), "Data catalogue")
        return
    document = describe_table(facts, table) if table else list_catalogue(facts)
    out.show_document(document, format_, output, lake, "")


def _collect(lake: Path) -> "Facts":
    from assets.definitions import defs
    from cdp_pipelines.reports.catalogue import read_owners
    from cdp_pipelines.services.catalogue import collect_facts
    from warehouse.delta.lake import Lake

    return collect_facts(Lake(lake.absolute()), read_owners(defs().resolve_asset_graph()))
