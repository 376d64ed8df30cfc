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


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one", "two"]))
def purchases() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("first"))


def ask(log):
    """Each question that a step asks of the assets that it depends on, with its answer."""
    keys = [purchases.key, customers.key, dg.AssetKey("unknown")]
    records = {record.asset_entry.asset_key: record for record in log.get_asset_records(keys)}
    tags = log.get_latest_tags_by_partition(
        purchases.key, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"], ["one", "two"]
    )
    return records, tags


def test_answers_are_kept_until_anybody_writes_about_the_asset(instance, monkeypatch):
    asked = []
    for name in ("get_asset_records", "get_latest_tags_by_partition"):
        plain_method = getattr(SqliteEventLogStorage, name)
        monkeypatch.setattr(
            SqliteEventLogStorage, name,
            lambda log, *words, plain_method=plain_method: (asked.append(words[0]), plain_method(log, *words))[1],
        )  # fmt: skip
    log, plain = instance.event_log_storage, SqliteEventLogStorage(str(instance.event_log_storage._base_dir))
    dg.materialize([purchases], instance=instance, partition_key="one")
    dg.materialize([customers], instance=instance)
    assert ask(log) == ask(log) == ask(plain)
    assert ask(log)[1] == {"one": {"dagster/data_version": "first"}}
    asked.clear()
    ask(log)
    assert asked == []

    dg.materialize([customers], instance=instance)
    asked.clear()
    assert ask(log) == ask(plain)
    assert [customers.key] in asked
    assert [purchases.key] not in asked
    dg.materialize([purchases], instance=instance, partition_key="two")
    assert ask(log) == ask(plain)
    assert set(ask(log)[1]) == {"one", "two"}

    add = "import dagster as dg; dg.DagsterInstance.get().report_runless_asset_event(dg.AssetMaterialization('customers', metadata={'n': 7}))"
    subprocess.run([sys.executable, "-c", add], check=True)
    assert ask(log) == ask(plain)
    newest = ask(log)[0][customers.key].asset_entry.last_materialization.asset_materialization
    assert newest.metadata["n"].value == 7
    instance.wipe_assets([customers.key])
    assert ask(log) == ask(plain)
    assert customers.key not in ask(log)[0] or ask(log)[0][customers.key].asset_entry.last_materialization is None
