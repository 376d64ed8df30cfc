"""The generated company on disk: drop folders, and the truth beside them.

Here belongs writing the files. What they contain is generated in `cdp_pipelines.sample`.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from cdp_pipelines.errors import LakeError
from cdp_pipelines.sample import canaries, generate


@dataclass(frozen=True)
class SampleFiles:
    """Where the drops and the truth are, and how many records the drops have."""

    drops: Path
    truth: Path
    record_count: int


def write_sample(
    folder: Path, people: int, nights: int, seed: int, progress: Callable[[str], None] = lambda _: None
) -> SampleFiles:
    """Write FOLDER/drops/<date>/<file> and FOLDER/truth/*.parquet; `LakeError` where the folder has anything else.

    `progress` receives the current step.
    """
    drops, truth = folder / "drops", folder / "truth"
    if folder.exists() and any(path.name not in {"drops", "truth"} for path in folder.iterdir()):
        raise LakeError(f"{folder} has files that are not of a sample; choose another folder")
    for old in (drops, truth):
        shutil.rmtree(old, ignore_errors=True)
    persons, defects, record_count = [], [], 0
    progress("generating people")
    for drop in generate(people, nights, seed):
        progress(f"writing {drop.drop_date}")
        night = drops / str(drop.drop_date)
        night.mkdir(parents=True)
        for name, content in drop.files.items():
            (night / name).write_bytes(content)
        persons.append(drop.persons)
        defects.append(drop.defects)
        record_count += drop.record_count
    truth.mkdir(parents=True)
    pl.concat(persons).write_parquet(truth / "persons.parquet")
    pl.concat(defects).write_parquet(truth / "defects.parquet")
    dates = [date.fromisoformat(path.name) for path in sorted(drops.iterdir())]
    canaries.build_truth(dates).write_parquet(truth / "canaries.parquet")
    return SampleFiles(drops, truth, record_count)
