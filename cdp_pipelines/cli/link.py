"""`cdp link`: why two records are one person or not, which pairs need a review, and what a clerk decided.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
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
    help="Explain why two records are one person, list pairs to review, and record a clerk's decision.",
)


@app.command()
def explain(
    left: RecordArgument,
    right: RecordArgument,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Show the match weight of two records as a waterfall: the bits that each comparison adds or takes off.

    Example: [cyan]cdp link explain crm_west:W000017 call_centre:CALL-000042 --format html[/]

    JSON keys: match_weight.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.link_explanation import explain_link, open_records, read_record
    from warehouse.delta.lake import Lake

    document = explain_link(open_records(Lake(lake.absolute())), read_record(left), read_record(right))
    show_document(document, format_, output, lake, "link_explanation", is_personal=True)


@app.command()
def review(
    left: Annotated[
        str | None,
        typer.Argument(metavar="RECORD", help="A record of the pair, as CHANNEL:ID.", show_default=False),
    ] = None,
    right: Annotated[str | None, typer.Argument(metavar="RECORD", help="The other record.", show_default=False)] = None,
    decision: Annotated[
        str | None, typer.Argument(metavar="same|different", help="What the clerk decided.", show_default=False)
    ] = None,
    by: ByOption = None,
    limit: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Pairs to list.")] = 20,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """List the least certain pairs; or record a clerk's decision on a pair, which takes effect in the next run.

    Examples:

      [cyan]cdp link review --limit 50[/]

      [cyan]cdp link review crm_west:W000017 call_centre:CALL-000042 different --by ann[/]

    JSON keys: pairs.
    """
    from cdp_pipelines.cli.output import print_line, show_document
    from cdp_pipelines.services.link_explanation import check_records, list_reviews, open_records, read_record
    from cdp_pipelines.services.review import record_review
    from warehouse.delta.lake import Lake

    store = open_records(Lake(lake.absolute()))
    if left is None:
        show_document(list_reviews(store, limit), format_, output, lake, "link_review", is_personal=True)
        return
    if right is None or decision not in {"same", "different"}:
        raise CdpError("a decision is two records and same or different: cdp link review RECORD RECORD same")
    if not by:
        raise CdpError("missing --by NAME: who made this decision?")
    pair = [read_record(left), read_record(right)]
    check_records(store, pair)
    record_review(store, *pair, is_same=decision == "same", by=by)
    print_line(f"{left} and {right}: {decision}, by {by}. Takes effect in the next run.")


@app.command()
def report(
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Report match weights, customers by size, blocking and the model over all records, by the last night's weights.

    The nightly page, LAKE/reports/identity.html, is about the records that the night resolved.

    Example: [cyan]cdp link report --format html[/]

    JSON keys: match_weights, cluster_sizes, over_shared_identifiers, blocking, model.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.reports.identity import build_identity_document
    from cdp_pipelines.services.declarations import load_identity_policy
    from cdp_pipelines.services.identity_resolution import resolve_lake
    from cdp_pipelines.services.link_explanation import open_records
    from warehouse.delta.lake import Lake

    resolution = resolve_lake(open_records(Lake(lake.absolute())), load_identity_policy(), all_records=True)
    sizes = resolution.cluster.group_by("customer_id").len("size")
    document = build_identity_document(resolution, sizes, load_identity_policy(), "all records")
    show_document(document, format_, output, lake, "identity_all_records")
