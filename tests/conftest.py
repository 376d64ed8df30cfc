"""What tests share: the companies that they run on, each brought into a lake once."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

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
    """Every table's rows, in an order of their own."""
    found = {}
    for name in lake.tables():
        frame = pl.read_delta(str(lake.location(name)))
        found[name] = frame.sort([column for column, dtype in frame.schema.items() if not isinstance(dtype, pl.List)])
    return found


def lasting(held: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What does not tell of nights that were not run.

    Of decisions those that stand, without when they were made; no histories; and customers under the name of their
    smallest record, households under that of their smallest customer, for an id that was born in a night lives on.
    What stands for a customer and their evidence in a mart is put back.
    """
    names = (
        held["identity/cluster"]
        .group_by("customer_id")
        .agg(pl.concat_str("channel", "source_record_id", separator=":").min().alias("name"))
    )
    named = dict(names.iter_rows())
    found = {}
    for name, frame in held.items():
        if name in {"identity/history", "audit/membership", "audit/correction", "audit/version"}:
            continue
        if name == "audit/retention":
            frame = frame.drop("removed_at")
        if name == "identity/model":
            frame = frame.drop("versions")
        if name == "consent/decision":
            frame = frame.filter(pl.col("valid_to").is_null()).drop("valid_from", "ledger_position")
        if "subject_key" in frame.columns:
            frame = put_back(frame, name.removeprefix("mart/"), held["consent/decision"])
        if "customer_id" in frame.columns:
            frame = frame.with_columns(pl.col("customer_id").replace(named))
        if name == "golden/household":
            frame = frame.with_columns(pl.col("customer_id").min().over("household_id").alias("household_id"))
        order = [column for column, dtype in frame.schema.items() if not isinstance(dtype, pl.List)]
        found[name] = frame.sort(order)
    return found


def put_back(frame: pl.DataFrame, purpose: str, decisions: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart with customer_id and evidence in place of what stands for them, each name computed by itself."""
    key = mart_key(Path(), purpose)
    standing = decisions.filter(pl.col("valid_to").is_null(), purpose=purpose, is_allowed=True)
    told = [
        (row["customer_id"], compute_digest(key.encode(), row["customer_id"]), row["evidence"],
         compute_reference(key.encode(), row["customer_id"], row["contact_point"], row["purpose_version"], row["evidence"]))
        for row in standing.iter_rows(named=True)
    ]  # fmt: skip
    names = ["customer_id", "subject_key", "evidence", "evidence_reference"]
    dtypes = [pl.String, pl.String, pl.List(pl.String), pl.String]
    known = pl.DataFrame(told, schema=dict(zip(names, dtypes, strict=True)), orient="row")
    found = frame.join(known, on=["subject_key", "evidence_reference"])
    assert found.height == frame.height
    return found.drop("subject_key", "evidence_reference").with_columns(pl.col("evidence").list.sort().list.join(","))


def bring_up(drops: Path, lake: Path, until=None, memory=None) -> int:
    """`cdp run`, quietly."""
    return run_nights(drops, lake, until, Console(quiet=True), memory)


@pytest.fixture(scope="session")
def run() -> Callable[..., int]:
    """`cdp run` with Dagster's memory of it in this process alone, which takes a third of a small night's time less."""

    def forgetful(drops: Path, lake: Path, until=None) -> int:
        return bring_up(drops, lake, until, dg.DagsterInstance.ephemeral())

    return forgetful


@pytest.fixture(scope="session")
def anytown_data() -> Path:
    if not ANYTOWN.exists():
        pytest.skip(f"Anytown is not on this machine: there is no {ANYTOWN}")
    return ANYTOWN


@pytest.fixture(scope="session")
def anytown(anytown_data, tmp_path_factory) -> Company:
    """Anytown, all ten nights at once."""
    lake = tmp_path_factory.mktemp("anytown") / "lake"
    assert bring_up(anytown_data / "drops", lake) == 0
    return Company(anytown_data / "drops", anytown_data / "truth", Lake(lake))


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory) -> Path:
    """The generated company, small."""
    folder = tmp_path_factory.mktemp("sample") / "company"
    print(f"sample seed {SEED}")
    write_sample(folder, 300, 4, SEED)
    return folder


@pytest.fixture(scope="session")
def sample(sample_data, tmp_path_factory) -> Company:
    """The generated company, all nights at once."""
    lake = tmp_path_factory.mktemp("sample") / "lake"
    assert bring_up(sample_data / "drops", lake) == 0
    return Company(sample_data / "drops", sample_data / "truth", Lake(lake))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server; without Debian's package tests that need one are skipped, but fail in CI."""
    if missing := postgres.missing():
        told = f"no PostgreSQL server can be started: {missing}"
        (pytest.fail if {"CI", "CDP_NO_SKIP"} & set(os.environ) else pytest.skip)(told)
    with postgres.server() as started:
        yield started


def gates(lake: Lake) -> dict[str, dict]:
    """The kept result of every gate, by table."""
    kept = (json.loads(path.read_text()) for path in (lake.path / "reports" / "checks").glob("*.json"))
    results = (json.loads(each["result"]) for each in kept)
    return {result["table"]: result for result in results}
