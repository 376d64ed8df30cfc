"""Dagster's event log with connections that stay open: the same events, for threads and other processes alike."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from assets.runtime.event_log import EventLog
from assets.runtime.instance import prepare_databases, prepare_instance

COUNT = "import dagster as dg; print(len(dg.DagsterInstance.get().get_dynamic_partitions('drops')))"


@pytest.fixture
def instance(tmp_path, monkeypatch):
    for name in ("DAGSTER_HOME", "CDP_LAKE", "CDP_DROPS", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")  # So that what is set below is undone afterwards.
    lake = tmp_path / "a {lake} of 50%"
    prepare_instance(lake, tmp_path / "drops")
    prepare_databases(lake)
    with dg.DagsterInstance.get() as opened:
        assert isinstance(opened.event_log_storage, EventLog)
        yield opened


@dg.asset
def customers() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 3})


def test_the_events_of_a_run_are_those_that_dagster_itself_reads(instance):
    run_id = dg.materialize([customers], instance=instance).run_id
    plain = SqliteEventLogStorage(str(instance.event_log_storage._base_dir))
    ours, theirs = (log.get_logs_for_run(run_id) for log in (instance.event_log_storage, plain))
    assert ours == theirs
    assert {"RUN_START", "ASSET_MATERIALIZATION", "RUN_SUCCESS"} <= {each.dagster_event_type.name for each in ours}
    assert instance.get_latest_materialization_event(customers.key).run_id == run_id


def test_threads_take_turns_and_another_process_reads_what_they_wrote(instance):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: instance.add_dynamic_partitions("drops", [str(number)]), range(40)))
    other = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    assert json.loads(other.stdout) == len(instance.get_dynamic_partitions("drops")) == 40


def test_what_another_process_wrote_is_read(instance):
    assert instance.get_dynamic_partitions("drops") == []
    add = "import dagster as dg; dg.DagsterInstance.get().add_dynamic_partitions('drops', ['one'])"
    subprocess.run([sys.executable, "-c", add], check=True)
    assert instance.get_dynamic_partitions("drops") == ["one"]


def test_tables_that_are_missing_are_not_taken_for_there(instance):
    assert instance.event_log_storage.has_table("dynamic_partitions")
    assert not instance.event_log_storage.has_table("no_such_table")


def test_a_log_that_was_closed_opens_again(instance):
    instance.add_dynamic_partitions("drops", ["one"])
    instance.event_log_storage.dispose()
    assert instance.get_dynamic_partitions("drops") == ["one"]
