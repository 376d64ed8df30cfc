"""A step runs only if something has changed that it rests on, and else reports what it did."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.schema import CLUSTER, PARTY
from cdp_pipelines.services import step_memory
from cdp_pipelines.services.checked_write import StagedWrite, TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.step_memory import describe_environment, run_or_recall
from warehouse.delta.lake import Lake

NIGHT, AS_OF = date(2011, 11, 30), datetime(2011, 12, 1, tzinfo=UTC)


def rows(table, ids):
    """A few rows of records; what is not named is null."""
    named = {"channel": "crm", "customer_id": "c_0000000000000001", "is_exact": True}
    frame = pl.DataFrame([{**named, "source_record_id": each} for each in ids])
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items() if name not in frame.columns]
    return table.conform(frame.lazy().with_columns(missing)).collect()


class Step:
    """Reads standardised/party and writes identity/cluster."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.count = lake, 0

    def run(self, as_of: datetime = AS_OF) -> WriteReport:
        return run_or_recall(self.lake, "step", NIGHT, describe_environment(self.lake, as_of), self._work)

    def _work(self) -> WriteReport:
        self.count += 1
        found = rows(CLUSTER, self.lake.read(PARTY)["source_record_id"])
        staged = StagedWrite(CLUSTER, found, lambda: self.lake.replace(CLUSTER, found), {"customers": {"new": 3}})
        return check_and_write(self.lake, NIGHT, staged)


@pytest.fixture
def step(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.replace(PARTY, rows(PARTY, "abc"))
    return Step(lake)


def test_a_recalled_step_reports_what_it_did_and_writes_nothing(step):
    first, version = step.run(), step.lake.version(CLUSTER.name)
    again = step.run()
    assert step.count == 1
    assert step.lake.version(CLUSTER.name) == version
    assert [(each.table.name, each.name, each.is_passed, each.result) for each in again.checks] == [
        (each.table.name, each.name, each.is_passed, each.result) for each in first.checks
    ]
    (write,) = again.writes
    assert first.writes[0].written.is_changed
    assert not write.written.is_changed
    assert write.written.row_count == first.writes[0].written.row_count == 3
    assert write.metadata == {"customers": {"new": 3}}
    assert write.is_recalled
    assert not first.writes[0].is_recalled


def other_rows(step, monkeypatch):
    step.lake.replace(PARTY, rows(PARTY, "ab"))


def other_output(step, monkeypatch):
    step.lake.replace(CLUSTER, rows(CLUSTER, "a"))


def other_declarations(step, monkeypatch):
    monkeypatch.setattr(step_memory, "digest_declarations", lambda: "others")


def other_code(step, monkeypatch):
    monkeypatch.setattr(step_memory, "code_version", lambda: "other")


def other_key(step, monkeypatch):
    monkeypatch.setenv("CDP_MART_SECRET", "0c" * 32)


def broken_memory(step, monkeypatch):
    (path,) = (step.lake.path / ".state").glob("step.*.json")
    path.write_text("{")


@pytest.mark.parametrize("change", [other_rows, other_output, other_declarations, other_code, other_key, broken_memory])
def test_a_step_runs_again_where_something_changed(step, monkeypatch, change):
    step.run()
    change(step, monkeypatch)
    step.run()
    step.run()
    assert step.count == 2


def test_a_step_runs_again_as_of_another_instant(step):
    step.run()
    step.run(datetime(2011, 12, 2, tzinfo=UTC))
    assert step.count == 2


def test_a_failed_check_is_not_remembered(step):
    failed = WriteReport(NIGHT, (TableCheck(CLUSTER, "gate", is_passed=False),), ())
    for count in (1, 2):
        assert (
            run_or_recall(step.lake, "other", NIGHT, describe_environment(step.lake, AS_OF), lambda: failed) is failed
        ), count
    warned = WriteReport(NIGHT, (TableCheck(CLUSTER, "complete", is_passed=False, is_warning=True),), ())
    run_or_recall(step.lake, "warned", NIGHT, describe_environment(step.lake, AS_OF), lambda: warned)
    recalled = run_or_recall(
        step.lake, "warned", NIGHT, describe_environment(step.lake, AS_OF), lambda: pytest.fail("ran again")
    )
    assert [each.is_passed for each in recalled.checks] == [False]


def test_a_table_that_did_not_exist_counts_from_when_it_does(step):
    def count_rows() -> WriteReport:
        step.count += 1
        step.lake.scan(PARTY).collect()
        step.lake.scan(CLUSTER).collect()
        return WriteReport(NIGHT, (), ())

    run_or_recall(step.lake, "other", NIGHT, describe_environment(step.lake, AS_OF), count_rows)
    run_or_recall(step.lake, "other", NIGHT, describe_environment(step.lake, AS_OF), count_rows)
    step.lake.replace(CLUSTER, pl.DataFrame(schema=CLUSTER.schema))
    run_or_recall(step.lake, "other", NIGHT, describe_environment(step.lake, AS_OF), count_rows)
    assert step.count == 2
