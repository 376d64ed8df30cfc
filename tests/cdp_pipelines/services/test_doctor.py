"""`cdp doctor`: every fault of a disk or a process is found, with what heals it, and a repair damages nothing."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.errors import LakeError
from cdp_pipelines.services.doctor import examine_lake, repair_lake
from cdp_pipelines.services.lake_tables import RESTORE
from cdp_pipelines.services.ledger import update_ledger
from tests.conftest import content, copy_lake
from warehouse.delta.lake import Lake
from warehouse.keys import HEAD, PUBLIC
from warehouse.serving.mart_file import FILE as SERVED
from warehouse.sources.drop_folder import list_drop_dates

DOCTOR = ["doctor", "--lake"]


@pytest.fixture
def lake(sample, tmp_path) -> Lake:
    return copy_lake(sample.lake, tmp_path / "lake")


def newest_file(lake: Lake, table: str) -> Path:
    return max(lake.location(table).glob("*.parquet"), key=lambda path: path.stat().st_size)


def findings(lake: Lake) -> dict[str, str]:
    return {each.part: each.problem for each in examine_lake(lake.path).findings}


def test_nothing_is_wrong_with_a_lake_that_just_ran(lake):
    diagnosis = examine_lake(lake.path)
    assert diagnosis.findings == []
    assert {row["table"]: row["version"] for row in diagnosis.tables} == lake.tables()
    tables = content(lake)
    assert all(row["row_count"] == tables[str(row["table"])].height for row in diagnosis.tables)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _overwrite(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(_cut, "bytes instead of"), (_overwrite, "is damaged"), (Path.unlink, "is missing")],
)
def test_a_damaged_file_is_found_and_what_cannot_be_made_again_stays(lake, damage, problem):
    can_be_made = {"golden/customer", "mart/email_marketing"}
    lasting = {"consent/ledger", "raw/webshop_orders"}
    for table in can_be_made | lasting:
        damage(newest_file(lake, table))
    before = {table: set(lake.location(table).rglob("*")) for table in lasting}
    diagnosis = examine_lake(lake.path)
    found = {each.part: each for each in diagnosis.findings}
    assert set(found) == can_be_made | lasting
    assert all(problem in each.problem for each in found.values())
    assert {part for part, each in found.items() if each.remedy == RESTORE} == lasting
    assert set(repair_lake(diagnosis)) == can_be_made
    assert not any(lake.location(table).exists() for table in can_be_made)
    assert all(set(lake.location(table).rglob("*")) == files for table, files in before.items())


def test_a_log_that_cannot_be_read_is_found(lake):
    for entry in (lake.location("golden/household") / "_delta_log").glob("*.json"):
        entry.write_text("{broken")
    assert "log cannot be read" in findings(lake)["golden/household"]


def test_tables_that_are_gone_are_found(lake):
    gone = {"consent/ledger", "golden/customer", "raw/crm_west"}
    for table in gone:
        shutil.rmtree(lake.location(table))
    assert {part for part, problem in findings(lake).items() if problem == "the table is gone"} == gone


def test_files_of_no_version_are_deleted(lake):
    left = lake.location("golden/customer") / "part-of-a-killed-run.parquet"
    left.write_bytes(b"1234")
    before = content(lake)
    diagnosis = examine_lake(lake.path)
    assert [(each.part, each.problem) for each in diagnosis.findings] == [
        ("golden/customer", "1 files of 4 bytes belong to no version")
    ]
    assert repair_lake(diagnosis) == ["golden/customer"]
    assert not left.exists()
    assert examine_lake(lake.path).is_sound
    assert all(before[name].equals(frame) for name, frame in content(lake).items())


def test_a_table_of_another_version_of_the_code_and_one_of_nobody_are_named(lake):
    folder = lake.location("golden/household")
    frame = pl.read_delta(str(folder)).rename({"household_id": "household_number"})
    frame.write_delta(str(folder), mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
    frame.write_delta(str(lake.path / "golden" / "unknown"))
    lake.forget_versions("golden/household")
    found = findings(lake)
    assert found["golden/household"].endswith("without household_id and with household_number")
    assert found["golden/unknown"] == "no declaration names this table"


def test_rows_that_are_gone_from_raw_are_counted(lake):
    folder = lake.location("raw/webshop_orders")
    pl.read_delta(str(folder)).head(-3).write_delta(str(folder), mode="overwrite")
    lake.forget_versions("raw/webshop_orders")
    assert "other rows in raw and quarantine" in findings(lake)["audit/file"]


def test_an_event_that_was_changed_is_found(lake):
    folder = lake.location("consent/ledger")
    ledger = pl.read_delta(str(folder)).with_columns(source_record_id=pl.col("source_record_id") + "x")
    ledger.write_delta(str(folder), mode="overwrite")
    lake.forget_versions("consent/ledger")
    assert "differs from what was sealed" in findings(lake)["consent/ledger"]


def test_a_served_file_that_cannot_be_read_is_removed(lake):
    (lake.path / SERVED).write_bytes(b"no database")
    diagnosis = examine_lake(lake.path)
    assert repair_lake(diagnosis) == [SERVED]
    assert not (lake.path / SERVED).exists()


def test_what_is_open_to_others_is_closed(lake):
    lake.path.chmod(0o755)
    diagnosis = examine_lake(lake.path)
    assert [(each.part, each.problem[-10:]) for each in diagnosis.findings] == [("the lake's folder", "(mode 755)")]
    assert repair_lake(diagnosis) == ["the lake's folder"]
    assert examine_lake(lake.path).is_sound


def test_a_lake_that_had_keys_never_gets_new_ones_by_itself(lake, monkeypatch):
    monkeypatch.delenv("CDP_LEDGER_KEY")
    monkeypatch.delenv("CDP_MART_SECRET")
    problems = [each.problem for each in examine_lake(lake.path).findings]
    assert [part in problem for part, problem in zip(("ledger.pem", "marts.key"), problems, strict=True)] == [True] * 2
    assert not list((lake.path / "keys").glob("*"))
    with pytest.raises(LakeError, match=r"ledger\.pem is missing, and this lake was sealed with it"):
        update_ledger(lake, date(2024, 7, 1), datetime(2024, 7, 2, tzinfo=UTC))


@pytest.mark.parametrize("gone", [("consent/ledger",), ("consent/seal",), ("consent/ledger", HEAD, PUBLIC)])
def test_a_ledger_that_is_gone_is_not_begun_anew(lake, gone):
    for name in gone:
        path = lake.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = lake.tables()
    with pytest.raises(LakeError, match=r"was removed or cut off\. Restore"):
        update_ledger(lake, date(2024, 7, 1), datetime(2024, 7, 2, tzinfo=UTC))
    assert lake.tables() == before


def test_a_folder_that_is_no_lake_is_refused(tmp_path):
    done = CliRunner().invoke(app, [*DOCTOR, str(tmp_path)])
    assert done.exit_code == 2
    assert "is not a lake" in done.output


def test_damaged_databases_of_dagster_are_named(lake):
    database = lake.path / ".dagster" / "history" / "runs.db"
    database.write_bytes(b"no database" * 99)
    done = CliRunner().invoke(app, [*DOCTOR, str(lake.path)])
    assert done.exit_code == 1
    assert ".dagster/history/runs.db" in done.output


@pytest.mark.long
def test_a_repaired_lake_runs_to_the_same_tables(lake, sample, run):
    for table in ("standardised/party", "identity/cluster", "golden/customer", "mart/email_marketing"):
        _cut(newest_file(lake, table))
    assert CliRunner().invoke(app, [*DOCTOR, str(lake.path), "--repair"]).exit_code == 1
    assert run(sample.drops, lake.path) == 0
    assert CliRunner().invoke(app, [*DOCTOR, str(lake.path), "--repair"]).exit_code == 0
    expected, found = content(sample.lake), content(lake)
    # Tables that were made again count their versions from the beginning.
    assert [name for name in expected if not found[name].equals(expected[name]) and name != "audit/version"] == []


@pytest.mark.slow
def test_a_lake_of_several_nights_is_sound_and_runs_on_after_a_repair(tmp_path, sample, run):
    lake, nights = Lake(tmp_path / "lake"), list_drop_dates(sample.drops)
    for night in nights[:3]:
        assert run(sample.drops, lake.path, night) == 0
    assert examine_lake(lake.path).findings == []
    files = list(lake.location("mart/email_marketing").glob("*.parquet"))
    assert len(files) > 1  # Those of earlier nights, which audits read, among them.
    for file in files:
        _cut(file)
    assert repair_lake(examine_lake(lake.path)) == ["mart/email_marketing"]
    assert run(sample.drops, lake.path, nights[3]) == 0
    assert examine_lake(lake.path).findings == []
