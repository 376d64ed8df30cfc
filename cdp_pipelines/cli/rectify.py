"""`cdp rectify`: a value that a data subject or a clerk puts right; it outranks every source from the next night on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cdp_pipelines.errors import CdpError
from cdp_pipelines.services import signed_report as dossier
from cdp_pipelines.services.rectification import check_attribute, rectify_value, withdraw_rectification

out = Console()


def rectify(
    customer: Annotated[str, typer.Argument(help="A customer id, or an e-mail, phone, card, device or account.")],
    attribute: Annotated[str, typer.Argument(help="A column of golden/customer.")],
    value: Annotated[str | None, typer.Argument(help="The right value; dates as 1970-12-31.")] = None,
    *,
    by: Annotated[str | None, typer.Option(help="Who takes it down.", envvar="USER")] = None,
    because: Annotated[str | None, typer.Option(help="Who asked for it, and how it was checked.")] = None,
    instead_of: Annotated[
        str | None, typer.Option(help="Which e-mail or phone is wrong. Default: that of the golden record.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End what was put right: sources count again.")] = False,
    lake: Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
) -> None:
    """Put a value of the golden record right (GDPR Art. 16); it outranks every source until it is withdrawn.

    What survives together (the parts of a name, of an address) is put right together: the other parts stay as they are
    now. Other e-mails and phones of the customer stay; of all other attributes there is one.

    Examples:

      [cyan]cdp rectify ann@example.com birth_date 1970-12-31 --by carl --because "passport seen, ticket 17"[/]

      [cyan]cdp rectify ann@example.com birth_date --withdraw --by carl --because "wrong customer"[/]
    """
    check_attribute(attribute)
    if not by or not because:
        raise CdpError("a rectification says who took it down and why: --by NAME --because REASON")
    if withdraw == (value is not None):
        raise CdpError("give the right value, or --withdraw")
    store = dossier.open_lake(lake)
    of = dossier.find_customer(store, customer)
    if value is None:
        numbers = withdraw_rectification(store, of, attribute, by=by, because=because)
    else:
        numbers = rectify_value(store, of, attribute, value, by=by, because=because, instead_of=instead_of)
    what = "withdrawn" if withdraw else "rectified"
    listed = ", ".join(map(str, numbers))
    out.print(f"{attribute} of {of}: {what} (number {listed}) by {by}. Takes effect in the next run.", highlight=False)
