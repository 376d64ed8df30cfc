"""What tests share: the companies that they run on, each brought into a lake once for all workers.

Shared lakes are only read: a test that writes takes a copy (`copy_lake`). What one file alone needs stands in that file.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.execution.context.system import StepExecutionContext
from rich.console import Console

from assets.definitions import defs
from assets.runtime.night import RunOptions
from cdp_pipelines.cli.run import run_nights
from cdp_pipelines.sample import canaries
from cdp_pipelines.services.sample_files import write_sample
from tests import postgres
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.verify.protection import compute_digest, compute_reference

ANYTOWN = Path(__file__).parents[2] / "shared" / "data" / "anytown"
SEED = 20240630


@dataclass(frozen=True)
class Company:
    """Raw exports, the truth beside them, and a lake."""

    drops: Path
    truth: Path
    lake: Lake

    def persons(self) -> pl.DataFrame:
        return pl.read_parquet(self.truth / "persons.parquet")

    def defects(self) -> pl.DataFrame:
        return pl.read_parquet(self.truth / "defects.parquet")

    def canaries(self) -> pl.DataFrame:
        """Scripted people and the marts that they must be in after each drop; none but the sample has any."""
        return (
            canaries.build_truth(list_drop_dates(self.drops))
            if (self.truth / "canaries.parquet").exists()
            else NO_CANARIES
        )


NO_CANARIES = canaries.build_truth([])


@pytest.fixture(scope="session", autouse=True)
def _one_ledger_key_and_mart_secret() -> Iterator[None]:
    """Lakes that are compared are signed with one key and name people alike; left alone, each makes its own.

    None is published anywhere.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CDP_LEDGER_KEY", "07" * 32)
        patched.setenv("CDP_MART_SECRET", "0b" * 32)
        patched.delenv("CDP_POSTGRES", raising=False)
        yield


def content(lake: Lake) -> dict[str, pl.DataFrame]:
    """Every table's rows, sorted."""
    found = {}
    for name in lake.tables():
        frame = pl.read_delta(str(lake.location(name)))
        found[name] = frame.sort([column for column, dtype in frame.schema.items() if not isinstance(dtype, pl.List)])
    return found


def lasting(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables without what depends on how many nights were run.

    Of decisions those in force, without when they were made; no histories; customers under the name of their smallest
    record, households under that of their smallest customer, because an id outlives the night in which it was made.
    Keys and references of a mart are replaced by the customers and evidence that they stand for.
    """
    names = (
        tables["identity/cluster"]
        .group_by("customer_id")
        .agg(pl.concat_str("channel", "source_record_id", separator=":").min().alias("name"))
    )
    named = dict(names.iter_rows())
    found = {}
    for name, frame in tables.items():
        if name in {"identity/history", "audit/membership", "audit/correction", "audit/version"}:
            continue
        if name == "audit/retention":
            frame = frame.drop("removed_at")
        if name == "identity/model":
            frame = frame.drop("table_versions")
        if name == "consent/decision":
            frame = frame.filter(pl.col("valid_to").is_null()).drop("valid_from", "ledger_position")
        if "subject_key" in frame.columns:
            frame = with_customers(frame, name.removeprefix("mart/"), tables["consent/decision"])
        if "customer_id" in frame.columns:
            frame = frame.with_columns(pl.col("customer_id").replace(named))
        if name == "golden/household":
            frame = frame.with_columns(pl.col("customer_id").min().over("household_id").alias("household_id"))
        order = [column for column, dtype in frame.schema.items() if not isinstance(dtype, pl.List)]
        found[name] = frame.sort(order)
    return found


def with_customers(frame: pl.DataFrame, purpose: str, decisions: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart with customer_id and evidence in place of their keyed digests, each digest computed by itself."""
    key = mart_key(Path(), purpose)
    in_force = decisions.filter(pl.col("valid_to").is_null(), purpose=purpose, is_allowed=True)
    digests = [
        (row["customer_id"], compute_digest(key.encode(), row["customer_id"]), row["evidence"],
         compute_reference(key.encode(), row["customer_id"], row["contact_point"], row["purpose_version"], row["evidence"]))
        for row in in_force.iter_rows(named=True)
    ]  # fmt: skip
    names = ["customer_id", "subject_key", "evidence", "evidence_reference"]
    dtypes = [pl.String, pl.String, pl.List(pl.String), pl.String]
    known = pl.DataFrame(digests, schema=dict(zip(names, dtypes, strict=True)), orient="row")
    found = frame.join(known, on=["subject_key", "evidence_reference"])
    assert found.height == frame.height
    return found.drop("subject_key", "evidence_reference").with_columns(pl.col("evidence").list.sort().list.join(","))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: workers take them one by one, and short tests fill the end.

    The nights of Anytown come before all, other long tests on its lake after those of the sample: so one worker builds
    Anytown while another builds the sample, and none waits.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    runs_nights = "run" in item.fixturenames
    if not runs_nights and item.get_closest_marker("long") is None:
        return 3
    if "anytown" not in item.name:
        return 1
    return 0 if runs_nights else 2


def build_once(folder: Path, build: Callable[[Path], object]) -> Path:
    """A folder that the first worker builds; the others wait until it is complete."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = folder.with_suffix(".complete")
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            complete.touch()
    return folder


def copy_lake(lake: Lake, folder: Path) -> Lake:
    """A lake of its own for a test that writes."""
    shutil.copytree(lake.path, folder)
    return Lake(folder)


@contextmanager
def read_only(lake: Lake) -> Iterator[Lake]:
    """A shared lake, of which no file may have changed in the end."""
    before = fingerprint(lake)
    yield lake
    assert fingerprint(lake) == before, f"a test wrote into the shared lake {lake.path}; it needs a copy (copy_lake)"


def fingerprint(lake: Lake) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file."""
    files = ((path, path.stat()) for path in lake.path.rglob("*") if path.is_file())
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in files}


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    """The code location, loaded once: it takes two seconds, of every night anew."""
    return defs()


@pytest.fixture(scope="session")
def run_logged(definitions: dg.Definitions) -> Callable[..., int]:
    """`cdp run`, quietly, with its definitions loaded already and Dagster's memory of the run in the lake."""

    def run_quietly(drops: Path, lake: Path, until=None, memory=None, **options) -> int:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("assets.definitions.defs", lambda: definitions)
            return run_nights(drops, lake, until, Console(quiet=True), memory, RunOptions(**options))

    return run_quietly


@pytest.fixture(scope="session")
def run(run_logged: Callable[..., int]) -> Callable[..., int]:
    """`cdp run` with Dagster's memory in this process alone, without the versions of inputs that its page compares.

    That takes a third of a small night's time less. Shared lakes are built with both.
    """

    def run_in_memory(drops: Path, lake: Path, until=None, **options) -> int:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(StepExecutionContext, "fetch_external_input_asset_version_info", lambda _: None)
            return run_logged(drops, lake, until, dg.DagsterInstance.ephemeral(), **options)

    return run_in_memory


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this test run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def anytown_data() -> Path:
    if not ANYTOWN.exists():
        pytest.skip(f"Anytown is not on this machine: there is no {ANYTOWN}")
    return ANYTOWN


@pytest.fixture(scope="session")
def anytown(anytown_data: Path, run_logged: Callable[..., int], shared: Path) -> Iterator[Company]:
    """Anytown, all ten nights at once; only to be read."""

    def build(lake: Path) -> None:
        assert run_logged(anytown_data / "drops", lake) == 0

    with read_only(Lake(build_once(shared / "anytown", build))) as lake:
        yield Company(anytown_data / "drops", anytown_data / "truth", lake)


@pytest.fixture(scope="session")
def sample_data(shared: Path) -> Path:
    """The generated company, small; only to be read."""
    print(f"sample seed {SEED}")
    return build_once(shared / "sample_data", lambda folder: write_sample(folder, 300, 4, SEED))


@pytest.fixture(scope="session")
def sample(sample_data: Path, run_logged: Callable[..., int], shared: Path) -> Iterator[Company]:
    """The generated company, all nights at once; only to be read."""

    def build(lake: Path) -> None:
        assert run_logged(sample_data / "drops", lake) == 0

    with read_only(Lake(build_once(shared / "sample", build))) as lake:
        yield Company(sample_data / "drops", sample_data / "truth", lake)


@pytest.fixture(scope="session")
def sample_first_night(sample_data: Path, run: Callable[..., int], shared: Path) -> Iterator[Lake]:
    """The generated company after its first night, the history of all years; only to be read."""
    drops = sample_data / "drops"

    def build(lake: Path) -> None:
        assert run(drops, lake, list_drop_dates(drops)[0]) == 0

    with read_only(Lake(build_once(shared / "sample_first_night", build))) as lake:
        yield lake


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server; without Debian's package tests that need one are skipped, but fail in CI."""
    if missing := postgres.missing():
        reason = f"no PostgreSQL server can be started: {missing}"
        (pytest.fail if {"CI", "CDP_NO_SKIP"} & set(os.environ) else pytest.skip)(reason)
    with postgres.server() as started:
        yield started


def gates(lake: Lake) -> dict[str, dict]:
    """The stored result of every gate, by table."""
    stored = (json.loads(path.read_text()) for path in (lake.path / "reports" / "checks").glob("*.json"))
    results = (json.loads(each["result"]) for each in stored)
    return {result["table"]: result for result in results}
