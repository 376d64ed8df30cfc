"""`cdp simulate`: who would drop out or come in under a changed register.

Here belongs the parsing of these commands. The answers are made in `cdp_pipelines.services`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdp_pipelines.cli.options import (
    DEFAULT_LAKE,
    FormatOption,
    IdsOption,
    LakeOption,
    OutputOption,
    PurposeArgument,
)

if TYPE_CHECKING:
    from cdp_pipelines.purposes import Register

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Count who would drop out or come in under a changed register. Nothing is published or written to the lake.",
)


@app.command()
def notice(
    purpose: PurposeArgument,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The oldest version of the notice that would count.")
    ],
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
    ids: IdsOption = None,
) -> None:
    """Simulate that consents under a notice older than VERSION no longer count.

    Example: [cyan]cdp simulate notice email_marketing 2011-06[/]

    JSON keys: changes.
    """
    from cdp_pipelines.services.simulation import register_with_notice
    from warehouse.delta.lake import Lake

    register = register_with_notice(Lake(lake), purpose, version)
    _show(register, f"If {purpose} accepted no notice older than {version}", f"simulation_{purpose}_notice", lake,
          format_, output, ids)  # fmt: skip


@app.command()
def purpose(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A purpose, as purposes/KEY/defs.yaml or KEY.yaml declares it.")
    ],
    lake: LakeOption = DEFAULT_LAKE,
    format_: FormatOption = "text",
    output: OutputOption = None,
    ids: IdsOption = None,
) -> None:
    """Simulate that a purpose were in force, in place of the purpose of the same key or beside the others.

    Example: [cyan]cdp simulate purpose new/email_marketing.yaml --ids changed.csv[/]

    JSON keys: changes.
    """
    from cdp_pipelines.services.simulation import register_with_purpose

    register = register_with_purpose(file)
    name = file.parent.name if file.name == "defs.yaml" else file.stem
    _show(register, f"If {file} were in force", f"simulation_{name}", lake, format_, output, ids)


def _show(
    register: "Register", title: str, name: str, lake: Path, format_: str, output: Path | None, ids: Path | None
) -> None:
    from cdp_pipelines.cli.output import show_document, write_file
    from cdp_pipelines.services.signed_report import open_lake
    from cdp_pipelines.services.simulation import simulate_register

    document, changes = simulate_register(open_lake(lake), register, title)
    show_document(document, format_, output, lake, name)
    if ids is not None:
        write_file(changes.write_csv(), ids)
