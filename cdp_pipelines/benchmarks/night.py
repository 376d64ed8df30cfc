"""`cdp bench night`: whole nights that bring few records, beside the full build and a plain scan of the same files.

Each night is measured in a process of its own, from loading the job to its summary; making the sample and copying lakes
is not. What a night does belongs in `assets`.
"""

import gzip
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from cdp_pipelines.benchmarks.isolated_run import run_isolated
from cdp_pipelines.schema import LAYERS
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.sample_files import write_sample
from warehouse.sources.drop_folder import list_drop_dates

SEED = 1
FULL = "full build"
# Nights after the history that one run brings; a night of the sample has about 0.3 % of its records.
NIGHTS = {"nothing new": 0, "0.3 % more": 1, "1 % more": 4, "10 % more": 36}


class Night(NamedTuple):
    """One run: rows that it took in, seconds, peak memory in GiB, and seconds by layer."""

    label: str
    received_count: int
    seconds: float
    gib: float
    layers: dict[str, float]


def measure(people: Sequence[int], step: Callable[[str], None]) -> Document:
    """The nights of each number of people, their ratios to the full build and to the scan, and the growth."""
    nights, layers, builds = [], [], []
    for count in people:
        with tempfile.TemporaryDirectory() as name:
            scan, runs = _measure_company(Path(name), count, step)
        full = runs[0]
        builds.append(full)
        for run in runs:
            nights.append(
                {
                    "people": count,
                    "night": run.label,
                    "received_count": run.received_count,
                    "seconds": round(run.seconds, 1),
                    "percent_of_full": round(100 * run.seconds / full.seconds, 1),
                    "ratio_to_scan": round(run.seconds / scan, 1),
                    "peak_gib": round(run.gib, 1),
                }
            )
            layers.append(
                {"people": count, "night": run.label, **{layer: round(run.layers.get(layer, 0), 1) for layer in LAYERS}}
            )
        nights.append(
            {
                "people": count, "night": "plain scan", "received_count": full.received_count,
                "seconds": round(scan, 1), "percent_of_full": round(100 * scan / full.seconds, 1), "ratio_to_scan": 1.0,
                "peak_gib": None,
            }
        )  # fmt: skip
    return Document(
        "Whole nights",
        f"Nights of {', '.join(f'{count:,}' for count in people)} people, beside a plain scan of the same files.",
        [
            Section("nights", nights, bar="seconds"),
            Section("layers", layers, title="Seconds of each layer"),
            Section("growth", _compare_sizes(builds), empty="name two numbers of people to see it"),
        ],
    )


def _compare_sizes(builds: Sequence[Night]) -> list[dict[str, object]]:
    """How the full build grows from the smallest to the largest company."""
    least, most = min(builds, key=lambda each: each.received_count), max(builds, key=lambda each: each.received_count)
    if least.received_count == most.received_count:
        return []
    exponent = math.log(most.seconds / least.seconds) / math.log(most.received_count / least.received_count)
    return [
        {
            "from_count": least.received_count,
            "to_count": most.received_count,
            "exponent": round(exponent, 2),
        }
    ]


def _measure_company(folder: Path, people: int, step: Callable[[str], None]) -> tuple[float, list[Night]]:
    """Seconds of the plain scan, and the runs: the full build first."""
    drops = write_sample(folder / "sample", people, 1 + max(NIGHTS.values()), SEED, step).drops
    history = list_drop_dates(drops)[0]
    step("plain scan")
    run_isolated(_leave_out_broken_lines, drops / str(history), folder / "whole")
    seconds, _, _ = run_isolated(_scan_plainly, folder / "whole", folder / "scan")
    base = folder / "lake"
    step(FULL)
    runs = [_measure_night(FULL, drops, base, history)]
    for label, count in NIGHTS.items():
        step(label)
        lake = folder / "night"
        shutil.copytree(base, lake)
        runs.append(_measure_night(label, drops, lake, history + timedelta(days=count)))
        shutil.rmtree(lake)
    return seconds, runs


def _measure_night(label: str, drops: Path, lake: Path, until: date) -> Night:
    seconds, gib, answer = run_isolated(_run_night, drops, lake, until)
    received_count, layers = json.loads(answer)
    return Night(label, received_count, seconds, gib, layers)


def _run_night(drops: Path, lake: Path, until: date) -> str:
    from assets.runtime.night import run_night

    result = run_night(drops, lake, until)
    if not result.is_passed:
        raise RuntimeError(f"the night failed: {result.steps.errors + result.steps.failed_checks}")
    return json.dumps([int(result.new_files["received_count"].sum()), result.seconds_by_layer])


def _scan_plainly(drop: Path, folder: Path) -> str:
    """Read, parse and write every file of a drop folder once, without looking at a value."""
    for path in sorted(drop.iterdir()):
        frame = _read_plainly(path)
        frame = frame.cast({name: _give_type(dtype) for name, dtype in frame.schema.items()})
        frame.write_delta(str(folder / path.name.partition(".")[0]))
    return ""


def _give_type(dtype: pl.DataType) -> pl.DataType:
    """The type with texts where JSON shows none, because every value is null: Delta needs one."""
    match dtype:
        case pl.Null():
            return pl.String()
        case pl.List():
            return pl.List(_give_type(dtype.inner))
        case pl.Struct():
            return pl.Struct({field.name: _give_type(field.dtype) for field in dtype.fields})
        case _:
            return dtype


def _read_plainly(path: Path) -> pl.DataFrame:
    if ".parquet" in path.suffixes:
        return pl.read_parquet(path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffixes[0] in {".csv", ".tsv"}:
        separator = max(",;\t", key=data.partition(b"\n")[0].decode("utf-8-sig").count)
        return pl.read_csv(
            data, separator=separator, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True,
            encoding="utf8-lossy",
        )  # fmt: skip
    if ".ndjson" in path.suffixes:
        return pl.read_ndjson(data, infer_schema_length=None)
    return pl.DataFrame(json.loads(data), infer_schema_length=None, strict=False)


def _leave_out_broken_lines(drop: Path, folder: Path) -> str:
    """Copy a drop folder without the planted lines that are no JSON, which would stop the plain scan."""
    shutil.copytree(drop, folder)
    for path in folder.glob("*.ndjson*"):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            lines = [line for line in file if _is_json(line)]
        with opened(path, "wb") as file:
            file.writelines(lines)
    return ""


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
