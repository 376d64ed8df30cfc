"""`cdp link`: why two records are one person or not, which pairs a clerk should look at, and what the clerk decided."""

from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import typer
from rich.console import Console

from cdp_pipelines.errors import CdpError, LakeError
from cdp_pipelines.schema import CLUSTER, PARTY, Table
from cdp_pipelines.services.document import Document, Section, print_document
from cdp_pipelines.services.review import record_review
from warehouse.delta.lake import Lake

app = typer.Typer(no_args_is_help=True, help="Why two records are one person, and what a clerk says of it.")
out = Console()
LakeOption = Annotated[Path, typer.Option(help="Folder of the lake.", envvar="CDP_LAKE")]
Format = Annotated[Literal["text", "json", "html"], typer.Option("--format", help="html draws it.")]
Output = Annotated[Path | None, typer.Option(help="File to write instead of printing.", dir_okay=False)]
Record = tuple[str, str]
# A chart of so many pixels, of which names take their share; each bar so high.
WIDTH, NAMES, HEIGHT = 720, 250, 26


@app.command()
def explain(
    left: Annotated[str, typer.Argument(metavar="A", help="A record: channel:id, as identity/crosswalk has it.")],
    right: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    lake: LakeOption = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """Print the match weight of two records as a waterfall: what each comparison adds or takes off, in bits.

    Example: [cyan]cdp link explain crm_west:W000017 call_centre:CALL-000042 --format html --output pair.html[/]
    """
    store = _lake(lake)
    together = _together(store, [_record(left), _record(right)])
    from cdp_pipelines.identity.explain import build_waterfall
    from cdp_pipelines.services.declarations import load_identity_policy
    from cdp_pipelines.services.identity_resolution import weigh_records

    distinct, model = weigh_records(store, load_identity_policy(), [_record(left), _record(right)])
    if distinct.count == 1:
        print_document(Document(f"{left} and {right}", f"They say the same: {together}.", []), format_, output, out)
        return
    steps = build_waterfall(distinct, model, load_identity_policy(), 0, 1)
    odds = steps["total"][-1]
    rows = [
        {**step, "weight": f"{step['weight']:+.2f}", "total": f"{step['total']:+.2f}"}
        for step in steps.iter_rows(named=True)
    ]
    build_identity_document = Document(
        f"{left} and {right}",
        f"Log odds {odds:+.1f}: a probability of {1 / (1 + 2.0**-odds):.4f} of being one person; from "
        f"{load_identity_policy().threshold:g} on they are linked. "
        f"They are {together}, for the links of others count too.",
        [
            Section(
                "Match weight", rows, "In bits: log2 of how much likelier it is in one person", picture=_drawn(steps)
            )
        ],
    )
    print_document(build_identity_document, format_, output, out)


@app.command()
def review(
    left: Annotated[
        str | None, typer.Argument(metavar="A", help="A record of the pair decided on: channel:id.")
    ] = None,
    right: Annotated[str | None, typer.Argument(metavar="B", help="The other record.")] = None,
    decision: Annotated[str | None, typer.Argument(metavar="same|different", help="What the clerk decided.")] = None,
    by: Annotated[str | None, typer.Option(help="Who decided.", envvar="USER")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Pairs to list.")] = 20,
    lake: LakeOption = Path("lake"),
    format_: Format = "text",
    output: Output = None,
) -> None:
    """List the pairs that are least certain, or take down what a clerk decided on one; the next night obeys.

    Examples:

      [cyan]cdp link review --limit 50[/]

      [cyan]cdp link review crm_west:W000017 call_centre:CALL-000042 different --by ann[/]
    """
    store = _lake(lake)
    if left is None:
        _list(store, limit, format_, output)
        return
    if right is None or decision not in {"same", "different"}:
        raise CdpError("a decision is two records and `same` or `different`: cdp link review A B same")
    if not by:
        raise CdpError("nobody is named who decided: --by NAME")
    pair = sorted((_record(left), _record(right)))
    _held(store, PARTY, pair)
    record_review(store, *pair, is_same=decision == "same", by=by)
    out.print(f"{left} and {right}: {decision}, by {by}. Takes effect in the next run.", highlight=False)


@app.command()
def report(lake: LakeOption = Path("lake"), format_: Format = "text", output: Output = None) -> None:
    """Print match weights, customers by size, blocking and the model over all records, by the last night's weights.

    The nightly page, reports/identity.html, is about the records that the night resolved.

    Example: [cyan]cdp link report --format html --output identity.html[/]
    """
    store = _lake(lake)
    from cdp_pipelines.reports.identity import build_identity_document
    from cdp_pipelines.services.declarations import load_identity_policy
    from cdp_pipelines.services.identity_resolution import resolve_lake

    found = resolve_lake(store, load_identity_policy(), all_records=True)
    sizes = found.cluster.group_by("customer_id").len("size")
    print_document(build_identity_document(found, sizes, load_identity_policy(), "all records"), format_, output, out)


def _list(store: Lake, limit: int, format_: str, output: Path | None) -> None:
    from cdp_pipelines.identity.explain import find_least_certain_pairs
    from cdp_pipelines.services.declarations import load_identity_policy
    from cdp_pipelines.services.identity_resolution import resolve_lake

    rows = [
        {
            "A": f"{row['left_channel']}:{row['left_source_record_id']}",
            "B": f"{row['right_channel']}:{row['right_source_record_id']}",
            "probability": f"{row['probability']:.3f}",
            "linked": "yes" if row["is_linked"] else "no",
            "evidence": row["evidence"],
        }
        for row in find_least_certain_pairs(
            resolve_lake(store, load_identity_policy(), all_records=True), limit
        ).iter_rows(named=True)
    ]
    about = "Nearest to even odds first; cdp link explain A B shows why, cdp link review A B same|different decides"
    print_document(Document("Pairs to review", about, [Section("Least certain", rows)]), format_, output, out)


def _lake(path: Path) -> Lake:
    store = Lake(path.absolute())
    if store.read(PARTY).is_empty():
        raise LakeError(f"{path} has no records; `cdp run` takes them in")
    return store


def _record(named: str) -> Record:
    channel, _, record = named.partition(":")
    if not record:
        raise CdpError(f"{named!r} is not a record; a record is channel:id")
    return channel, record


def _held(store: Lake, table: Table, records: list[Record]) -> pl.DataFrame:
    """The rows of a table about these records; an error where there is none about one."""
    rows = []
    for channel, record in records:
        here = pl.col("channel") == channel, pl.col("source_record_id") == record
        rows.append(store.scan(table).filter(*here).collect())
        if rows[-1].is_empty():
            raise LakeError(f"{store.path} has no record {channel}:{record} in {table.name}")
    return pl.concat(rows)


def _together(store: Lake, records: list[Record]) -> str:
    """Whether the last night held them to be one customer."""
    held = _held(store, CLUSTER, records)
    return "one customer" if held["customer_id"].n_unique() == 1 else "two customers"


def _drawn(steps: pl.DataFrame) -> str:
    """The waterfall as SVG: each bar begins where the one before ended."""
    ends = [0.0, *steps["total"]]
    low, high = min(ends), max(ends)
    scale = (WIDTH - NAMES - 70) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return NAMES + (value - low) * scale

    drawn = []
    for at, (start, row) in enumerate(zip(ends, steps.iter_rows(named=True), strict=False)):
        total, weight, top = row["total"], row["weight"], at * HEIGHT
        colour = "#2e7d32" if weight > 0 else "#b3261e"
        drawn += [
            _text(0, top, f"{row['comparison']} {row['level']}"),
            f'<rect x="{x(min(start, total)):.1f}" y="{top + 4}" width="{max(1.0, abs(weight) * scale):.1f}" ',
            f'height="{HEIGHT - 8}" fill="{colour}"/>',
            _text(x(max(start, total)) + 6, top, f"{weight:+.1f}"),
        ]
    tall = steps.height * HEIGHT
    zero = f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{tall}" stroke="currentColor" stroke-dasharray="3"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {tall + 4}" role="img" style="max-width:100%" '
        f'font-family="sans-serif">{zero}{"".join(drawn)}</svg>'
    )


def _text(left: float, top: float, said: str) -> str:
    return f'<text x="{left:.1f}" y="{top + 17}" font-size="13" fill="currentColor">{said}</text>'
