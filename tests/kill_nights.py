"""Kill nights at random instants, run each again, and compare the whole lake with one that was never killed.

    python -m tests.kill_nights --kills 100 --seed 1

Each kill is a SIGKILL of a process that runs the night, that has everything imported, so that its first second is the first of
its work: Dagster's databases, the first tables. A kill is drawn again where the night had ended before it.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from unittest import mock

from assets.definitions import defs
from assets.runtime.night import Progress, run_night
from cdp_pipelines.cli.main import app
from cdp_pipelines.services.sample_files import write_sample
from tests.compare_lakes import RENAMES, Renames, compared
from warehouse.sources.drop_folder import list_drop_dates

PEOPLE, NIGHTS = 8, 2
# Exports of few channels make a night short; they fill every layer.
FILES = ("crm_west.*", "webshop_orders.*", "unsubscribes.*", "privacy_requests.*")
# Lakes that are compared are signed with one key and name people alike. None of these is published anywhere.
KEYS = {"CDP_LEDGER_KEY": "07" * 32, "CDP_MART_SECRET": "0b" * 32}
# Shares of kills in the first second, and while the files are imported; the others come at any time of the night.
IN_FIRST_SECOND, IN_IMPORT = 0.25, 0.25
INGESTION = "ingest_"
# Statuses of a night: every check passed, or one failed.
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Start:
    """A lake from which nights are killed, and what one whole run makes of it."""

    name: str
    before: Path | None
    reference: Path
    seconds: float
    import_seconds: float


@dataclass(frozen=True)
class Kill:
    """One kill that hit a running night: when, in which step, after how many commits, and what differs afterwards."""

    start: str
    after_seconds: float
    step: str
    commit_count: int
    differences: list[str]


def write_drops(folder: Path, seed: int) -> Path:
    """Drop folders of few channels of the generated company."""
    write_sample(folder / "company", PEOPLE, NIGHTS, seed)
    drops = folder / "drops"
    for night in (folder / "company" / "drops").iterdir():
        (drops / night.name).mkdir(parents=True)
        for file in (path for pattern in FILES for path in night.glob(pattern)):
            shutil.copy(file, drops / night.name)
    return drops


class Nights:
    """Runs nights of one drop folder, each in a process of its own that has everything imported already."""

    def __init__(self, drops: Path) -> None:
        self.drops = drops
        # Processes that this one forked would lack the threads of Polars.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["great_expectations", "assets.definitions", "assets.runtime.night"])

    def start(self, lake: Path, until: date | None = None) -> BaseProcess:
        """The process of a night that begins its work now."""
        is_ready = self._context.Event()
        process = self._context.Process(target=run_child, args=(self.drops, lake, until, is_ready))
        process.start()
        is_ready.wait()
        return process

    def run(self, lake: Path, until: date | None = None) -> int | None:
        """The exit status of a night."""
        process = self.start(lake, until)
        process.join()
        return process.exitcode

    def command(self, *arguments: object, largest_file: int = resource.RLIM_INFINITY) -> tuple[int | None, str]:
        """Exit code and output of a command of `cdp`, none of whose files may have more bytes than `largest_file`."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output"
            process = self._context.Process(
                target=run_command, args=(arguments, output, largest_file, dict(os.environ))
            )
            process.start()
            process.join()
            return process.exitcode, output.read_text()


def run_command(arguments: tuple[object, ...], output: Path, largest_file: int, environment: dict[str, str]) -> None:
    """Run a command of `cdp` with another environment, and write what it prints into a file."""
    os.environ.clear()
    os.environ.update(environment)
    redirect_output(output)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
    code: object = 0
    try:
        app([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  as Python does at the end of a program
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The usual end of such a process waits for its children, and the reader of Parquet waits for its parent's end.
    os._exit(code if isinstance(code, int) else 1)


def redirect_output(file: Path) -> None:
    """Write what this process prints into a file."""
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)


def run_child(drops: Path, lake: Path, until: date | None, is_ready: Event) -> None:
    """Run a night as a group of processes of its own; each step that it begins goes into a file beside the lake."""
    os.setsid()
    redirect_output(lake.with_suffix(".output"))
    definitions = defs()
    with lake.with_suffix(".steps").open("w") as log, mock.patch("assets.definitions.defs", return_value=definitions):
        is_ready.set()
        began = time.monotonic()

        def note(progress: Progress) -> None:
            log.write(json.dumps([progress.step, time.monotonic() - began]) + "\n")
            log.flush()

        result = run_night(drops, lake, until, note)
    print(*result.steps.errors, *result.steps.failed_checks, sep="\n", flush=True)
    sys.exit(PASSED if result.is_passed else FAILED)


def read_steps(lake: Path) -> list[tuple[str, float]]:
    """The steps that the last night of a lake began, and the seconds until then."""
    lines = lake.with_suffix(".steps").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines if line.endswith("]")]


def prepare(nights: Nights, folder: Path) -> list[Start]:
    """A new lake and a lake after its first night, each with the lake that one whole run makes of it."""
    first = folder / "first"
    require_passed(nights, first, list_drop_dates(nights.drops)[0])
    return [build_start(nights, folder, "new lake", None), build_start(nights, folder, "first night", first)]


def build_start(nights: Nights, folder: Path, name: str, before: Path | None) -> Start:
    """Run once without a kill, and measure it."""
    reference = folder / f"reference_of_{name}".replace(" ", "_")
    if before:
        shutil.copytree(before, reference)
    began = time.monotonic()
    require_passed(nights, reference)
    seconds = time.monotonic() - began
    imported = max(at for step, at in read_steps(reference) if step.startswith(INGESTION))
    return Start(name, before, reference, seconds, imported)


def require_passed(nights: Nights, lake: Path, until: date | None = None) -> None:
    """Run a night; `AssertionError` with its output where it does not pass."""
    status = nights.run(lake, until)
    assert status == PASSED, f"exit status {status}\n{lake.with_suffix('.output').read_text()}"


def draw_second(rng: random.Random, start: Start, number: int) -> float:
    """When to kill; the first kill of all comes within the first second."""
    share = rng.random() if number else 0
    if share < IN_FIRST_SECOND:
        return rng.random()
    return rng.random() * (start.import_seconds if share < IN_FIRST_SECOND + IN_IMPORT else start.seconds)


def kill_once(nights: Nights, start: Start, lake: Path, seconds: float) -> Kill | None:
    """Kill a night, run it again and compare; None where the night had ended before."""
    if start.before:
        shutil.copytree(start.before, lake)
    process = nights.start(lake)
    process.join(seconds)
    if process.exitcode is not None:
        return None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    if process.exitcode != -signal.SIGKILL:
        return None
    commit_count = sum(1 for _ in lake.glob("*/*/_delta_log/*.json"))
    step, _ = (read_steps(lake) or [("", 0)])[-1]
    status = nights.run(lake)
    differences = compare(start.reference, lake)
    if status != PASSED:
        differences.append(f"the second run ended with {status}: {lake.with_suffix('.output').read_text()}")
    return Kill(start.name, seconds, step, commit_count, differences)


def compare(reference: Path, lake: Path) -> list[str]:
    """Every difference between two lakes."""
    outcomes = compared(reference, lake, Renames.read(RENAMES))
    return [difference for outcome in outcomes for difference in outcome.differences]


def kill_nights(count: int, seed: int, folder: Path, report: Callable[[str], None] = print) -> list[Kill]:
    """Kill nights until `count` kills hit a running one."""
    os.environ.update(KEYS)
    os.environ.pop("CDP_POSTGRES", None)
    nights = Nights(write_drops(folder, seed))
    starts = prepare(nights, folder)
    for start in starts:
        report(f"{start.name}: {start.seconds:.1f} s, files imported after {start.import_seconds:.1f} s")
    kills: list[Kill] = []
    drawn = 0
    while len(kills) < count:
        rng = random.Random(f"{seed}-{drawn}")  # noqa: S311  the seed repeats a failure
        start = starts[drawn % len(starts)]
        with lake_folder(folder / "killed") as lake:
            kill = kill_once(nights, start, lake, draw_second(rng, start, drawn))
        drawn += 1
        if kill is None:
            report(f"{seed}-{drawn - 1}: the night had ended before the kill, which is drawn again")
            continue
        kills.append(kill)
        report(
            f"{seed}-{drawn - 1}: {kill.start} killed after {kill.after_seconds:6.3f} s, {kill.commit_count:3} commits, "
            f"{kill.step or 'before the first step'}: {len(kill.differences)} differences"
        )
        for difference in kill.differences:
            report(f"  {difference}")
    return kills


@contextmanager
def lake_folder(folder: Path) -> Iterator[Path]:
    """An empty place for a lake, which is removed afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def summarise(kills: list[Kill]) -> list[str]:
    """Counts of kills by layer, of those in the first second, and of differences."""
    layers = Counter(kill.step.split("__")[0] or "before the first step" for kill in kills)
    listed = ", ".join(f"{layer} {count}" for layer, count in sorted(layers.items()))
    early = sum(kill.after_seconds < 1 for kill in kills)
    different = sum(bool(kill.differences) for kill in kills)
    return [
        f"steps hit: {listed}",
        f"{len(kills)} kills hit a running night, {early} of them within its first second; {different} lakes differ",
    ]


def main() -> int:
    """Print a line for each kill, and the counts; 1 where a lake differs."""
    parser = argparse.ArgumentParser(description="Kill nights at random instants, and compare the lakes after a rerun.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_nights(options.kills, options.seed, Path(folder), lambda line: print(line, flush=True))
    print(*summarise(kills), sep="\n")
    return 1 if any(kill.differences for kill in kills) else 0


if __name__ == "__main__":
    sys.exit(main())
