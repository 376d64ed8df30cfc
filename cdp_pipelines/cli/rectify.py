"""`cdp rectify`: correct a value of the golden record, or withdraw a correction.

Here belongs the parsing of the command. The work is done in `cdp_pipelines.services.rectification`.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli.options import DEFAULT_LAKE, AttributeArgument, ByOption, CustomerArgument, LakeOption
from cdp_pipelines.errors import CdpError


def rectify(
    customer: CustomerArgument,
    attribute: AttributeArgument,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="The right value; dates as 1970-12-31.", show_default=False),
    ] = None,
    *,
    by: ByOption = None,
    because: Annotated[
        str | None, typer.Option(metavar="REASON", help="Who requested it, and how it was checked.")
    ] = None,
    instead_of: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE", help="The wrong e-mail or phone. Default: that of the golden record.", show_default=False
        ),
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End the correction: the sources count again.")] = False,
    lake: LakeOption = DEFAULT_LAKE,
) -> None:
    """Correct a value of the golden record (GDPR Art. 16); it outranks every source until it is withdrawn.

    Attributes of one group (the parts of a name, of an address) are corrected together: the other parts keep their
    current values. Other e-mails and phones of the customer stay; every other attribute has one value.

    Examples:

      [cyan]cdp rectify ann@example.com birth_date 1970-12-31 --by carl --because "passport seen, ticket 17"[/]

      [cyan]cdp rectify ann@example.com birth_date --withdraw --by carl --because "wrong customer"[/]
    """
    from cdp_pipelines.cli.output import print_line
    from cdp_pipelines.services.rectification import check_attribute, rectify_value, withdraw_rectification
    from cdp_pipelines.services.signed_report import find_customer, open_lake

    check_attribute(attribute)
    if not by:
        raise CdpError("missing --by NAME: who made this correction?")
    if not because:
        raise CdpError("missing --because REASON: who requested it, and how was it checked?")
    if withdraw == (value is not None):
        raise CdpError("give the right value, or --withdraw")
    store = open_lake(lake)
    customer_id = find_customer(store, customer)
    if value is None:
        numbers = withdraw_rectification(store, customer_id, attribute, by=by, because=because)
    else:
        numbers = rectify_value(store, customer_id, attribute, value, by=by, because=because, instead_of=instead_of)
    verb = "withdrawn" if withdraw else "corrected"
    listed = ", ".join(map(str, numbers))
    print_line(f"{attribute} of {customer_id}: {verb}, as number {listed}, by {by}. Takes effect in the next run.")
