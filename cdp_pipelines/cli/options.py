"""The options and arguments that commands share, each defined once.

Here belongs every option that two commands have. Options of a single command stand with that command.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

DEFAULT_LAKE = Path("lake")
# One instant in UTC: a day stands for its beginning.
_INSTANTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S")

Format = Literal["text", "json", "html"]
RowFormat = Literal["text", "json", "csv"]


def read_instant(moment: datetime | None) -> datetime | None:
    """What was typed is in UTC."""
    return moment and moment.replace(tzinfo=UTC)


LakeOption = Annotated[
    Path, typer.Option("--lake", metavar="LAKE", help="Folder of the lake.", envvar="CDP_LAKE", file_okay=False)
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="text for a terminal, json for programs, html for a page."),
]
RowFormatOption = Annotated[
    RowFormat, typer.Option("--format", help="text for a terminal, json for programs, csv for a spreadsheet.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="File to write; - prints. Default: html goes to LAKE/reports/, everything else is printed.",
        dir_okay=False,
        allow_dash=True,
        show_default=False,
    ),
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        formats=[*_INSTANTS],
        callback=read_instant,
        help="Instant of the processing, UTC: 2011-12-31 or 2011-12-31T18:00:00. Default: the latest.",
        show_default=False,
    ),
]
KnownAtOption = Annotated[
    datetime | None,
    typer.Option(
        "--known-at",
        metavar="DATE",
        formats=[*_INSTANTS],
        callback=read_instant,
        help="Use only what was recorded until this instant, UTC. Default: everything.",
        show_default=False,
    ),
]
OnOption = Annotated[
    datetime, typer.Option("--on", metavar="DATE", formats=["%Y-%m-%d"], help="The night, as 2011-12-31.")
]
DropsOption = Annotated[
    Path,
    typer.Option(
        "--drops", metavar="FOLDER", help="Drop folder: one folder per night, named by its date.", envvar="CDP_DROPS"
    ),
]
PurposesOption = Annotated[
    list[str] | None,
    typer.Option("--purpose", metavar="PURPOSE", help="Only this purpose; can be given several times."),
]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who made the decision.", envvar="USER", show_default=False)
]
CustomerOption = Annotated[
    str,
    typer.Option(
        "--customer",
        metavar="CUSTOMER",
        help="A customer id, an identifier, or a subject_key or evidence_reference of the mart.",
    ),
]
IdsOption = Annotated[
    Path | None,
    typer.Option(
        "--ids", metavar="FILE", help="Also write the customers to this file, as CSV.", dir_okay=False,
        show_default=False,
    ),
]  # fmt: skip
TruthOption = Annotated[
    Path,
    typer.Option(
        "--truth", metavar="FOLDER", help="Folder with persons.parquet (channel, source_record_id, person)."
    ),
]  # fmt: skip

CustomerArgument = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="A customer id, or an e-mail, phone, loyalty card, device or account.")
]
PurposeArgument = Annotated[str, typer.Argument(metavar="PURPOSE", help="Key of a purpose.")]
MartArgument = Annotated[str, typer.Argument(metavar="PURPOSE", help="Key of a purpose that has a mart.")]
AttributeArgument = Annotated[str, typer.Argument(metavar="ATTRIBUTE", help="A column of golden/customer.")]
RecordArgument = Annotated[
    str, typer.Argument(metavar="RECORD", help="A record as CHANNEL:ID, for example crm_west:W000017.")
]
