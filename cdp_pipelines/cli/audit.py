"""`cdp audit`: what is held of a customer, why it may be, who had it and when; why somebody was in a mart on a day."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Answer a customer or an authority, with evidence: what is held, why, who had it, when.",
)
out = Console()
LakeFolder = Annotated[Path, typer.Option("--lake", help="Folder of the lake.", envvar="CDP_LAKE")]
Format = Annotated[
    Literal["text", "json", "html"], typer.Option("--format", help="html prints well; json carries the seal.")
]
Output = Annotated[Path | None, typer.Option("--output", help="Where to write it. Default: print it.")]


@app.command()
def customer(
    who: Annotated[str, typer.Argument(metavar="CUSTOMER", help="A customer id, or an e-mail, phone, card, device.")],
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """Everything that is held of a customer, by channel, with basis, purposes, retention, marts and recipients.

    Example: [cyan]cdp audit customer ann@example.com --lake lake --format html --output ann.html[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.access_report import build_access_report
    from cdp_pipelines.services.document import print_document

    store = dossier.open_lake(lake)
    print_document(
        dossier.sign_report(store, build_access_report(store, dossier.find_customer(store, who)), "customer"),
        format_,
        output,
        out,
    )


@app.command()
def mart(
    purpose: Annotated[str, typer.Argument(metavar="MART", help="A purpose that has a mart.")],
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The night to ask about.")],
    customer: Annotated[str, typer.Option(help="A customer id, an identifier, or a key or reference of the mart.")],
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """Was this customer in this mart on that day: in or out, why, by what evidence, in which run.

    Example: [cyan]cdp audit mart email_marketing --on 2011-12-05 --customer c_0123456789abcdef --lake lake[/]

    A row's own subject_key or evidence_reference may stand for the customer: [cyan]--customer 5f3c…[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.document import print_document
    from cdp_pipelines.services.mart_audit import audit_customer

    store = dossier.open_lake(lake)
    document = audit_customer(store, purpose, on.date(), dossier.find_customer(store, customer, purpose))
    print_document(dossier.sign_report(store, document, "mart"), format_, output, out)


@app.command()
def rows(
    purpose: Annotated[str, typer.Argument(metavar="MART", help="A purpose that has a mart.")],
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The night to ask about.")],
    customer: Annotated[
        str | None, typer.Option(help="A customer id, an identifier, or a key of the mart: their row alone.")
    ] = None,
    ids: Annotated[Path | None, typer.Option(help="Write who it was, as CSV.", dir_okay=False)] = None,
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """Which rows a mart held on that day, told by the history of membership and compared with the mart's own version.

    Examples:

      [cyan]cdp audit rows email_marketing --on 2011-12-05 --ids members.csv[/]

      [cyan]cdp audit rows email_marketing --on 2011-12-05 --customer ann@example.com[/]   the row itself
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.document import print_document
    from cdp_pipelines.services.mart_audit import audit_rows

    store = dossier.open_lake(lake)
    whose = dossier.find_customer(store, customer, purpose) if customer else None
    print_document(
        dossier.sign_report(store, audit_rows(store, purpose, on.date(), whose, ids), "rows"), format_, output, out
    )


@app.command()
def purpose(
    key: Annotated[str, typer.Argument(metavar="PURPOSE", help="A purpose of the register.")],
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """A purpose: its basis, versions and recipients, whom it may process and why not, night by night.

    Example: [cyan]cdp audit purpose email_marketing --lake lake[/]
    """
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services.document import print_document
    from cdp_pipelines.services.mart_audit import audit_purpose

    store = dossier.open_lake(lake)
    print_document(dossier.sign_report(store, audit_purpose(store, key), "purpose"), format_, output, out)
