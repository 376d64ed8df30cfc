"""`cdp verify`: whether what the lake holds is what was sealed; each check is a command of its own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

verify = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Check what the lake holds, trusting nothing.")


@verify.command()
def ledger(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
    head: Annotated[
        Path | None, typer.Option(help="Signed head kept elsewhere. Default: LAKE/audit/ledger_head.json.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="The only keys that may have signed: PEM or hex. Default: that of the head.")
    ] = None,
    proof: Annotated[
        str | None, typer.Option(metavar="EVENT_ID", help="Prove that this event is in the ledger.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write the proof. Default: print it.")] = None,
    check_proof: Annotated[Path | None, typer.Option(help="Check a proof; needs no lake.")] = None,
) -> None:
    """Recompute every hash and signature of the ledger, with no code of the pipeline.

    Names every event and batch that was changed, dropped, inserted, moved or cut off. The exit code is 0 where all is
    as it was sealed, 1 where it is not, 2 where it cannot be told.

    Examples:

      [cyan]cdp verify ledger --lake lake --head /elsewhere/ledger_head.json[/]

      [cyan]cdp verify ledger --lake lake --proof crm_west:W000017 --output proof.json[/]

      [cyan]cdp verify ledger --check-proof proof.json --public-key ledger_key.pem[/]
    """
    from warehouse.verify import ledger as verify_ledger

    raise typer.Exit(verify_ledger.run_check(lake, head, public_key, proof, output, check_proof))


@verify.command()
def marts(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
    purpose: Annotated[list[str] | None, typer.Option(help="Only the mart of this purpose; may be repeated.")] = None,
    as_of: Annotated[datetime | None, typer.Option(help="Decide as of this instant, UTC, and compare.")] = None,
    known_at: Annotated[datetime | None, typer.Option(help="By what was recorded until this instant, UTC.")] = None,
) -> None:
    """Work out every decision and every row of every mart anew, by brute force, and compare.

    The brute force is plain Python that shares no code with the engine but the register's YAML. With `--as-of` or
    `--known-at` the engine decides for those clocks first. The exit code is 0 without a difference, else 1.

    Example: [cyan]cdp verify marts --lake lake --as-of 2011-12-01 --known-at 2011-12-01[/]
    """
    from cdp_pipelines.cli.verify_marts import check

    clocks = [moment and moment.replace(tzinfo=moment.tzinfo or UTC) for moment in (as_of, known_at)]
    raise typer.Exit(check(lake, tuple(purpose or ()), *clocks))


@verify.command()
def joins(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")] = Path("lake"),
) -> None:
    """Attack the published marts: join each pseudonymous one with every other, on every column that both have.

    Counts who would be identified by it, keys that two marts share, and rows that say what too few others say. The exit
    code is 0 where there is none, else 1.

    Example: [cyan]cdp verify joins --lake lake[/]
    """
    from cdp_pipelines.cli.verify_joins import check

    raise typer.Exit(check(lake))
