"""`cdp simulate`: who would drop out or come in, before anything is published."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Say who would drop out or come in under a changed register, before anything is published or written.",
)
out = Console()
LakeFolder = Annotated[Path, typer.Option("--lake", help="Folder of the lake.", envvar="CDP_LAKE")]
Format = Annotated[Literal["text", "json", "html"], typer.Option("--format")]
Output = Annotated[Path | None, typer.Option("--output", help="Where to write it. Default: print it.")]
Ids = Annotated[Path | None, typer.Option("--ids", help="Write who it is, as CSV: ids and reasons.")]


@app.command()
def notice(
    purpose: Annotated[str, typer.Argument(help="A purpose that rests on consent.")],
    version: Annotated[str, typer.Argument(help="The oldest version of the notice that would still count.")],
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
    ids: Ids = None,
) -> None:
    """If consents under an older notice than VERSION counted no more.

    Example: [cyan]cdp simulate notice email_marketing 2011-06 --lake lake[/]
    """
    from cdp_pipelines.services import simulation as whatif

    register = whatif.register_with_notice(purpose, version)
    _give(register, f"If {purpose} took no notice older than {version}", lake, format_, output, ids)


@app.command()
def purpose(
    file: Annotated[
        Path, typer.Argument(help="A purpose as in assets/defs/demonstration/purposes/<key>/defs.yaml, or <key>.yaml.")
    ],
    lake: LakeFolder = Path("lake"),
    format_: Format = "text",
    output: Output = None,
    ids: Ids = None,
) -> None:
    """If this purpose were in force, in place of the one of its key or beside the others.

    Example: [cyan]cdp simulate purpose /tmp/email_marketing.yaml --lake lake --ids changed.csv[/]
    """
    from cdp_pipelines.services import simulation as whatif

    _give(whatif.register_with_purpose(file), f"If {file} were in force", lake, format_, output, ids)


def _give(register: object, what: str, lake: Path, format_: str, output: Path | None, ids: Path | None) -> None:
    from cdp_pipelines.services import signed_report as dossier
    from cdp_pipelines.services import simulation as whatif
    from cdp_pipelines.services.document import print_document

    document, found = whatif.simulate_register(dossier.open_lake(lake), register, what)
    print_document(document, format_, output, out)
    if ids is not None:
        found.write_csv(ids)
