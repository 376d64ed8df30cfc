"""`cdp audit`: signed answers about customers, marts and purposes.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    CustomerArgument,
    CustomerOption,
    FormatOption,
    IdsOption,
    LakeOption,
    MartArgument,
    OnOption,
    OutputOption,
    PurposeArgument,
)

if TYPE_CHECKING:
    from cdp_pipelines.services.document import Document
    from warehouse.delta.lake import Lake

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Answer a customer or an authority with evidence. Each answer is signed, and the ledger records its digest.",
)


@app.command()
def customer(
    customer: CustomerArgument,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Report everything that the lake has about a customer, and who received it (GDPR Art. 15).

    Example: [cyan]cdp audit customer ann@example.com --format html --output ann.html[/]

    JSON keys: channels, fields, identifiers, golden_record, contact_points, rectifications, household, joined_records,
    derived_values, purposes, marts, mart_rows, corrections, transfers, groups, consent_events, requests,
    contact_preferences, identity_events, copy_CHANNEL for each channel, refused_records, rights, seal.
    """
    from cdp_pipelines.services.access_report import build_access_report
    from cdp_pipelines.services.signed_report import find_customer, open_lake

    store = open_lake(lake)
    document = build_access_report(store, find_customer(store, customer))
    _show(store, document, "customer", format_, output, lake, is_personal=True)


@app.command()
def mart(
    purpose: MartArgument,
    on: OnOption,
    customer: CustomerOption,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Say whether a customer was in a mart on a day, why, by which evidence, and in which run.

    Example: [cyan]cdp audit mart email_marketing --on 2011-12-05 --customer c_0123456789abcdef[/]

    JSON keys: membership, decisions, consent_events, records, night, run, all_memberships, seal.
    """
    from cdp_pipelines.services.mart_audit import audit_customer
    from cdp_pipelines.services.signed_report import find_customer, open_lake

    store = open_lake(lake)
    document = audit_customer(store, purpose, on.date(), find_customer(store, customer, purpose))
    _show(store, document, "mart", format_, output, lake, is_personal=True)


@app.command()
def rows(
    purpose: MartArgument,
    on: OnOption,
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="CUSTOMER", help="Only the row of this customer.")
    ] = None,
    ids: IdsOption = None,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Count the rows of a mart on a day by the history of membership, and compare them with the mart's own version.

    Examples:

      [cyan]cdp audit rows email_marketing --on 2011-12-05 --ids members.csv[/]

      [cyan]cdp audit rows email_marketing --on 2011-12-05 --customer ann@example.com[/]   the row itself

    JSON keys: by_basis, by_entry, night, customers (with --ids), seal; with --customer: membership, row, night, seal.
    """
    from cdp_pipelines.services.mart_audit import audit_rows
    from cdp_pipelines.services.signed_report import find_customer, open_lake

    store = open_lake(lake)
    customer_id = find_customer(store, customer, purpose) if customer else None
    document = audit_rows(store, purpose, on.date(), customer_id, ids)
    _show(store, document, "rows", format_, output, lake, f"{purpose}_{on.date()}", is_personal=bool(customer))


@app.command()
def purpose(
    purpose: PurposeArgument,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Report a purpose: its basis, versions and recipients, and whom it may process after each night.

    Example: [cyan]cdp audit purpose email_marketing[/]

    JSON keys: versions, channels, decisions, nights, mart_nights, seal.
    """
    from cdp_pipelines.services.purpose_audit import audit_purpose
    from cdp_pipelines.services.signed_report import open_lake

    store = open_lake(lake)
    _show(store, audit_purpose(store, purpose), "purpose", format_, output, lake, purpose)


def _show(
    store: "Lake",
    document: "Document",
    kind: str,
    format_: str,
    output: Path | None,
    lake: Path,
    subject: str = "",
    *,
    is_personal: bool = False,
) -> None:
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.signed_report import sign_report

    name = f"audit_{kind}_{subject}" if subject else f"audit_{kind}"
    show_document(sign_report(store, document, kind), format_, output, lake, name, is_personal=is_personal)
