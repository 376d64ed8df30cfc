"""`cdp consent`: consent events and requests that name nobody, and the decision of a clerk on one of them.

Here belongs the parsing of these commands. The work is done in `cdp_pipelines.services.unresolved`.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    ByOption,
    FormatOption,
    LakeOption,
    OutputOption,
    RecordArgument,
)
from cdp_pipelines.errors import CdpError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List consent events and requests that name nobody, and name the person of one of them.",
)


@app.command()
def unresolved(
    limit: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Records to list.")] = 20,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """List records whose consent events or requests name nobody whom the lake knows: counts, then the newest.

    Reasons: no_subject (the record has none), several_subjects (a grant for several contact points at once),
    unreadable_subject, unknown_subject (no record of a person has it).

    Example: [cyan]cdp consent unresolved --limit 50[/]

    JSON keys: counts, records.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.signed_report import open_lake
    from cdp_pipelines.services.unresolved import report_unresolved

    document = report_unresolved(open_lake(lake), limit)
    show_document(document, format_, output, lake, "unresolved", is_personal=True)


@app.command()
def resolve(
    record: RecordArgument,
    subject: Annotated[
        str | None,
        typer.Argument(metavar="SUBJECT", help="E-mail, phone or other identifier of the person.", show_default=False),
    ] = None,
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Kind of the identifier: email, phone, loyalty_card, account_id, device_id. Default: e-mail with an "
            "@, else phone.",
            show_default=False,
        ),
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="The record names nobody; close it.")] = False,
    by: ByOption = None,
    because: Annotated[str | None, typer.Option(metavar="REASON", help="How you know.")] = None,
    lake: LakeOption = DEFAULT_LAKE,
) -> None:
    """Name the person of an unresolved record: its denials, objections, blocks and request count for that person.

    A grant never counts by a clerk's decision: the person can grant again.

    Examples:

      [cyan]cdp consent resolve call_centre:CALL-000042 ann@example.com --by carl --because "listened to it"[/]

      [cyan]cdp consent resolve call_centre:CALL-000042 --nobody --by carl --because "a test call"[/]
    """
    from cdp_pipelines.cli.output import print_line
    from cdp_pipelines.services.link_explanation import read_record
    from cdp_pipelines.services.signed_report import open_lake
    from cdp_pipelines.services.unresolved import resolve_record

    if not by:
        raise CdpError("missing --by NAME: who made this decision?")
    if not because:
        raise CdpError("missing --because REASON: how do you know?")
    if nobody == (subject is not None):
        raise CdpError("give the identifier of the person, or --nobody")
    number = resolve_record(open_lake(lake), read_record(record), subject, kind, by=by, because=because)
    print_line(f"{record}: resolved, as number {number}, by {by}. Takes effect in the next run.")
