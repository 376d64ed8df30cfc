"""Dagster's databases of a lake: whole or not at all, and made anew where they are damaged."""

import shutil
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import pytest
import yaml

from assets.runtime.instance import find_damaged_databases, prepare_databases, prepare_instance, show_in_timeline


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name in ("DAGSTER_HOME", "CDP_LAKE", "CDP_DROPS", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")  # So that what is set below is undone afterwards.
    prepare_instance(tmp_path / "lake", tmp_path / "drops")
    return tmp_path / "lake" / ".dagster"


def add_and_read_partitions(name: str) -> list[str]:
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("drops", [name])
        return list(instance.get_dynamic_partitions("drops"))


def test_databases_that_are_whole_stay(home, caplog):
    prepare_databases(home.parent)
    assert add_and_read_partitions("one") == ["one"]
    prepare_databases(home.parent)
    assert add_and_read_partitions("two") == ["one", "two"]
    assert not caplog.records
    assert not (home / "damaged").exists()
    assert not (home / "new").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _overwrite(path: Path) -> None:
    path.write_bytes(b"no database" * 999)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("history/runs.db", _overwrite),
        ("history/runs/index.db", _cut),
        ("history/runs/index.db", _empty),
        ("schedules/schedules.db", Path.unlink),
    ],
)
def test_damaged_databases_are_kept_aside_and_made_anew(home, caplog, name, damage):
    prepare_databases(home.parent)
    damage(home / name)
    left = (home / name).exists()
    prepare_databases(home.parent)
    assert (home / "damaged" / name).exists() == left
    assert "damaged" in caplog.text
    assert add_and_read_partitions("one") == ["one"]


@pytest.mark.parametrize(
    ("code", "is_damage"),
    [
        (sqlite3.SQLITE_IOERR_SHMSIZE, False),  # What SQLite says of a disk without room.
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_READONLY_CANTINIT, False),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_CORRUPT, True),
    ],
)
def test_sound_databases_on_a_disk_that_fails_are_not_set_aside(home, monkeypatch, code, is_damage):
    prepare_databases(home.parent)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    with monkeypatch.context() as failing:
        failing.setattr(sqlite3, "connect", Mock(side_effect=error))
        if is_damage:
            assert len(find_damaged_databases(home.parent)) == 3
        else:
            with pytest.raises(sqlite3.OperationalError):
                prepare_databases(home.parent)
    assert not (home / "damaged").exists()


def test_a_start_that_was_cut_short_begins_again(home, caplog):
    shutil.copytree(home, home / "new")  # What a kill leaves while the databases are made.
    prepare_databases(home.parent)
    assert not caplog.records
    assert add_and_read_partitions("one") == ["one"]


def test_a_run_in_this_process_is_found_by_the_timeline_as_one_of_the_workspace():
    workspace = yaml.safe_load((Path(__file__).parents[3] / "workspace.yaml").read_text())["load_from"][0][
        "python_module"
    ]

    @dg.op
    def work() -> None: ...

    @dg.job
    def nightly() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as opened:
        with show_in_timeline(opened, "nightly"):
            shown = nightly.execute_in_process(instance=opened)
        hidden = nightly.execute_in_process(instance=opened)
        origin = opened.get_run_by_id(shown.run_id).remote_job_origin
        assert opened.get_run_by_id(hidden.run_id).remote_job_origin is None
    location = origin.repository_origin.code_location_origin
    assert (origin.job_name, location.location_name) == ("nightly", workspace["location_name"])
    assert location.loadable_target_origin.module_name == workspace["module_name"]
