"""`cdp doctor`: what is wrong with a lake, and what heals it.

Here belongs the parsing of this command. The work is done in `cdp_pipelines.services.doctor`.
"""

from typing import Annotated

import typer

from cdp_pipelines.cli.options import DEFAULT_LAKE, FormatOption, LakeOption, OutputOption


def doctor(
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
    *,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Remove damaged tables that the next run makes again, and files of no version; close what is open "
            "to others. Nothing else is changed.",
        ),
    ] = False,
) -> None:
    """Read every file of a lake and check it: tables, versions, keys, seals, file counts, served marts, databases.

    Each finding names what heals it. Exit codes: 0: nothing is wrong; 1: something is. After a repair, a removed table
    counts as missing until the next run has made it again.

    Examples:

      [cyan]cdp doctor --lake lake[/]

      [cyan]cdp doctor --lake lake --repair[/]   then run the night again

    JSON keys: findings, tables.
    """
    from assets.runtime.instance import find_damaged_databases
    from cdp_pipelines.cli.output import print_line, show_document, show_progress
    from cdp_pipelines.services.doctor import examine_lake, repair_lake

    with show_progress("reading") as step:
        diagnosis = examine_lake(lake, find_damaged_databases(lake), step)
        repaired = repair_lake(diagnosis) if repair else []
        if repaired:
            diagnosis = examine_lake(lake, find_damaged_databases(lake), step)
    if repaired and output is None and format_ == "text":
        print_line(f"repaired: {', '.join(repaired)}")
    show_document(diagnosis.document, format_, output, lake, "doctor")
    raise typer.Exit(0 if diagnosis.is_sound else 1)
