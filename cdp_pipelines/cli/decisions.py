"""Commands about decisions and the golden record: why, funnel, conflicts, evaluate.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    AsOfOption,
    CustomerArgument,
    FormatOption,
    KnownAtOption,
    LakeOption,
    OutputOption,
    PurposeArgument,
    TruthOption,
)


def why(
    customer: CustomerArgument,
    purpose: PurposeArgument,
    lake: LakeOption = DEFAULT_LAKE,
    as_of: AsOfOption = None,
    known_at: KnownAtOption = None,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Explain why a customer may be processed for a purpose, or may not: each check, consent event and identity path.

    Example: [cyan]cdp why ann@example.com email_marketing --as-of 2011-12-01[/]

    JSON keys: checks, consent_events, identity_paths.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.decision_explanation import explain_decision
    from cdp_pipelines.services.signed_report import find_customer, open_lake

    store = open_lake(lake)
    document = explain_decision(store, find_customer(store, customer), purpose, as_of, known_at)
    show_document(document, format_, output, lake, f"why_{purpose}", is_personal=True)


def funnel(
    purpose: PurposeArgument,
    lake: LakeOption = DEFAULT_LAKE,
    as_of: AsOfOption = None,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Show the audience funnel of a purpose: from all customers to those in its mart, with the count at each step.

    For an instant after the last night the lake is decided anew, so that what expires until then is out.

    Example: [cyan]cdp funnel email_marketing[/]

    JSON keys: steps.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.funnel import report_funnel
    from cdp_pipelines.services.signed_report import open_lake

    show_document(report_funnel(open_lake(lake), purpose, as_of), format_, output, lake, f"funnel_{purpose}")


def conflicts(
    attribute: Annotated[
        str | None,
        typer.Argument(metavar="ATTRIBUTE", help="A column of golden/customer. Default: all.", show_default=False),
    ] = None,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Count where sources disagree: which channel provides the golden value, and which channel loses against which.

    Example: [cyan]cdp conflicts email[/]

    JSON keys: winners, losers.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.conflicts import report_conflicts
    from cdp_pipelines.services.signed_report import open_lake

    name = f"conflicts_{attribute}" if attribute else "conflicts"
    show_document(report_conflicts(open_lake(lake), attribute), format_, output, lake, name)


def evaluate(
    truth: TruthOption,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Measure the crosswalk against the truth: pairwise precision, recall and F1.

    Example: [cyan]cdp evaluate --truth sample/truth[/]

    JSON keys: crosswalks.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.evaluation import report_evaluation
    from warehouse.delta.lake import Lake

    show_document(report_evaluation(Lake(lake.absolute()), truth), format_, output, lake, "evaluation")
