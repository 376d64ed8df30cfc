"""`cdp sample`: write the generated company to disk."""

import shutil
import time
from datetime import date
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cdp_pipelines.errors import LakeError
from cdp_pipelines.sample import canaries, generate


def write_sample(folder: Path, people: int, nights: int, seed: int, out: Console) -> None:
    """Write OUT/drops/<date>/<file> and OUT/truth/*.parquet; an OUT with anything else in it is left alone."""
    drops, truth = folder / "drops", folder / "truth"
    if folder.exists() and any(path.name not in {"drops", "truth"} for path in folder.iterdir()):
        raise LakeError(f"{folder} holds something else than a sample; choose another folder")
    for old in (drops, truth):
        shutil.rmtree(old, ignore_errors=True)
    started, persons, defects, record_count = time.perf_counter(), [], [], 0
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True
    ) as bar:
        task = bar.add_task("imagining people")
        for drop in generate(people, nights, seed):
            bar.update(task, description=f"writing {drop.drop_date}")
            night = drops / str(drop.drop_date)
            night.mkdir(parents=True)
            for name, data in drop.files.items():
                (night / name).write_bytes(data)
            persons.append(drop.persons)
            defects.append(drop.defects)
            record_count += drop.record_count
    truth.mkdir(parents=True)
    pl.concat(persons).write_parquet(truth / "persons.parquet")
    pl.concat(defects).write_parquet(truth / "defects.parquet")
    canaries.build_truth([date.fromisoformat(path.name) for path in sorted(drops.iterdir())]).write_parquet(
        truth / "canaries.parquet"
    )
    seconds = time.perf_counter() - started
    out.print(
        f"{record_count:,} records of {people:,} people in {nights} drops under {drops}, {seconds:.1f} s; "
        f"truth in {truth}",
        highlight=False,
        soft_wrap=True,
    )
