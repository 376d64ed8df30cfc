"""`cdp verify`: whether the lake holds what was sealed, whether its marts are right, and whether they protect people.

Here belongs the parsing of these commands. The checks are in `warehouse.verify` and `cdp_pipelines.services`.
"""

from pathlib import Path
from typing import Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    AsOfOption,
    DropsOption,
    FormatOption,
    KnownAtOption,
    LakeOption,
    OutputOption,
    PurposesOption,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check what the lake holds without trusting it. Exit code 0: no difference, 1: differences, 2: not checked.",
)


@app.command()
def ledger(
    lake: LakeOption = DEFAULT_LAKE,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Signed head kept elsewhere. Default: LAKE/audit/ledger_head.json.", show_default=False
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The only keys that may have signed, PEM or hex. Default: the head's key.",
            show_default=False,
        ),
    ] = None,
    proof: Annotated[
        str | None, typer.Option(metavar="EVENT", help="Prove that this event id is in the ledger.")
    ] = None,
    output: OutputOption = None,
    check_proof: Annotated[Path | None, typer.Option(metavar="FILE", help="Check a proof; needs no lake.")] = None,
) -> None:
    """Recompute every hash and signature of the ledger, with no code of the pipeline.

    Names every event and seal that was changed, dropped, inserted, moved or cut off. Exit code 0: the ledger is as it
    was sealed; 1: it is not; 2: it cannot be checked.

    Examples:

      [cyan]cdp verify ledger --head /elsewhere/ledger_head.json[/]

      [cyan]cdp verify ledger --proof crm_west:W000017 --output proof.json[/]

      [cyan]cdp verify ledger --check-proof proof.json --public-key ledger_key.pem[/]
    """
    from cdp_pipelines.cli.output import STDOUT
    from warehouse.verify import ledger as verify_ledger

    proof_file = None if output == STDOUT else output
    raise typer.Exit(verify_ledger.run_check(lake, head, public_key, proof, proof_file, check_proof))


@app.command()
def marts(
    lake: LakeOption = DEFAULT_LAKE,
    purposes: PurposesOption = None,
    as_of: AsOfOption = None,
    known_at: KnownAtOption = None,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Recompute every decision and every row of every mart by brute force, and compare.

    The brute force is plain Python that shares only the register's YAML with the engine. With --as-of or --known-at
    the engine first decides for those clocks. Exit code 0: no difference; 1: differences.

    Example: [cyan]cdp verify marts --as-of 2011-12-01 --known-at 2011-12-01[/]

    JSON keys: marts, differences.
    """
    from cdp_pipelines.cli.output import show_document, show_progress
    from cdp_pipelines.services.mart_verification import verify_marts
    from cdp_pipelines.services.signed_report import open_lake

    with show_progress("reading") as step:
        verification = verify_marts(open_lake(lake), tuple(purposes or ()), as_of, known_at, step)
    show_document(verification.document, format_, output, lake, "verification_marts", is_personal=True)
    raise typer.Exit(0 if verification.is_equal else 1)


@app.command()
def consent(
    drops: DropsOption,
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Account for every consent event and every request of the drop files, with readers that the pipeline does not use.

    Each is obeyed, superseded by a later one, listed as unresolved, refused with a reason, or waiting because its file
    may be half-written; anything else is unaccounted. Also found: grants that no drop record states, and people who are
    allowed after their denial. Exit code 0: nothing is unaccounted and there is no difference; 1: something is.

    Example: [cyan]cdp verify consent --drops drops[/]

    JSON keys: outcomes, unaccounted, differences.
    """
    from cdp_pipelines.cli.output import show_document, show_progress
    from cdp_pipelines.services.consent_verification import verify_consent_of_drops
    from cdp_pipelines.services.signed_report import open_lake

    with show_progress("reading") as step:
        verification = verify_consent_of_drops(open_lake(lake), drops, step)
    show_document(verification.document, format_, output, lake, "verification_consent", is_personal=True)
    raise typer.Exit(0 if verification.is_accounted else 1)


@app.command()
def joins(
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Attack the published marts: join each pseudonymous mart with every other mart, on every column of both.

    Counts people who would be identified, keys that two marts share, and rows in groups that are too small. Exit code
    0: there is none; 1: there are some.

    Example: [cyan]cdp verify joins[/]

    JSON keys: marts, identifying_joins.
    """
    from cdp_pipelines.cli.output import show_document
    from cdp_pipelines.services.join_verification import verify_joins
    from cdp_pipelines.services.signed_report import open_lake

    verification = verify_joins(open_lake(lake))
    show_document(verification.document, format_, output, lake, "verification_joins")
    raise typer.Exit(0 if verification.is_safe else 1)


@app.command()
def incremental(
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
) -> None:
    """Compute a copy of the lake again from its raw rows, as of its last night, and compare every row of every table.

    A night computes only what has changed; this shows that nothing is missed. The copy lies beside the lake, takes as
    much space, and is removed. Exit code 0: no difference; 1: differences.

    Example: [cyan]cdp verify incremental[/]

    JSON keys: differences, tables.
    """
    from assets.runtime.night import recompute_lake
    from cdp_pipelines.cli.output import show_document, show_progress
    from cdp_pipelines.services.incremental_verification import verify_incremental
    from cdp_pipelines.services.signed_report import open_lake

    with show_progress("reading") as step:
        verification = verify_incremental(open_lake(lake), recompute_lake, step)
    show_document(verification.document, format_, output, lake, "verification_incremental")
    raise typer.Exit(0 if verification.is_equal else 1)
