"""Files of a channel: half-written ones wait, and one that has grown replaces its earlier content."""

from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.channels.completeness import Completeness
from cdp_pipelines.schema import FILE
from cdp_pipelines.services import file_accounting, ingestion
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.file_accounting import drop_replaced, find_unaccounted_files, find_unclaimed_files
from cdp_pipelines.services.ingestion import COMPLETE, ingest_files, stage_files
from warehouse.delta.lake import Lake
from warehouse.sources.arrival import Observation

NIGHT = date(2024, 6, 30)
HEADER = "id,list,reason,ts,contact\n"
CHANNEL = load_all_contracts()["unsubscribes"]


def row(number: int, contact: str = "ann@shop.example") -> str:
    return f"u{number},email,STOP,{NIGHT} 0{number}:00:00,{contact}\n"


class Night:
    """A drop folder and a lake with one channel."""

    def __init__(self, folder, contract=CHANNEL) -> None:
        self.drops, self.lake, self.contract = folder / "drops", Lake(folder / "lake"), contract

    def deliver(self, text: str, name: str = "unsubscribes.csv", night: date = NIGHT) -> None:
        path = self.drops / str(night) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stage(self):
        (staged,) = stage_files(self.lake, Observation.take(self.drops), self.contract, NIGHT)
        return staged

    def run(self):
        return ingest_files(self.lake, Observation.take(self.drops), self.contract, NIGHT)

    def raw(self) -> pl.DataFrame:
        return self.lake.read(self.contract.raw)

    def quarantine(self) -> pl.DataFrame:
        return self.lake.read(self.contract.quarantine)


@pytest.fixture
def night(tmp_path):
    return Night(tmp_path)


def assert_as_at_once(night: Night, tmp_path) -> None:
    """The lake has what it would have if the whole files had come first."""
    fresh = Night(tmp_path / "fresh", night.contract)
    fresh.drops = night.drops
    fresh.run()
    assert night.raw().equals(fresh.raw())
    assert night.quarantine().equals(fresh.quarantine())
    files = night.lake.read(FILE)
    assert drop_replaced(files).drop("replaced_sha256").equals(fresh.lake.read(FILE).drop("replaced_sha256"))
    assert find_unaccounted_files(night.lake, files).is_empty()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(HEADER + row(1), HEADER + row(1) + row(2), id="a_row_more"),
        pytest.param(HEADER + row(1) + row(2)[:9], HEADER + row(1) + row(2), id="cut_within_a_field"),
        pytest.param(HEADER + row(1) + row(2)[:-4], HEADER + row(1) + row(2), id="cut_in_the_last_field"),
        pytest.param(HEADER + row(1)[:-1], HEADER + row(1), id="only_the_end_of_the_line"),
        pytest.param(HEADER + "u1,x", HEADER + "u1,xx\n" + row(2), id="a_refused_row"),
        pytest.param(HEADER, HEADER + row(1), id="a_header_alone"),
    ],
)
def test_a_file_that_grew_replaces_its_earlier_content(night, tmp_path, before, after):
    night.deliver(before)
    night.run()
    night.deliver(after)
    night.run()
    if before != HEADER:
        assert_as_at_once(night, tmp_path)
    assert night.raw().height + night.quarantine().height == after.count("\n") - 1
    assert night.raw().height > 0
    assert night.raw()["source_record_id"].is_unique().all()
    assert not night.raw()["is_duplicate"].any()
    assert "conflicting_id" not in night.quarantine()["rule"].to_list()
    versions = night.lake.tables()
    night.run()
    assert night.lake.tables() == versions


def test_a_file_that_grows_again_and_again_is_one_file(night, tmp_path):
    for count in range(1, 5):
        night.deliver(HEADER + "".join(map(row, range(1, count + 1))))
        night.run()
    assert_as_at_once(night, tmp_path)
    assert night.raw()["source_record_id"].to_list() == ["u1", "u2", "u3", "u4"]
    files = night.lake.read(FILE)
    assert files["replaced_sha256"].count() == 3
    assert drop_replaced(files)["received_count"].to_list() == [4]


def test_records_stay_first_though_another_file_repeats_them(night):
    """Else every row of the id would be a duplicate, and the record would be lost."""
    night.deliver(HEADER + row(1))
    night.run()
    night.deliver(HEADER + row(1) + row(3), night=NIGHT - timedelta(days=1))
    night.run()
    night.deliver(HEADER + row(1) + row(2))
    night.run()
    first = night.raw().filter(~pl.col("is_duplicate"))
    assert sorted(first["source_record_id"]) == ["u1", "u2", "u3"]
    assert first.filter(source_record_id="u1")["drop_date"].to_list() == [NIGHT]


def test_values_that_retention_removed_do_not_come_back(night):
    night.deliver(HEADER + row(1))
    night.run()
    removed = night.raw().with_columns(contact=pl.lit(None, pl.String), record=pl.lit(None, pl.String))
    night.lake.replace(CHANNEL.raw, removed)
    night.deliver(HEADER + row(1) + row(2))
    night.run()
    assert night.raw().sort("row_number")["contact"].to_list() == [None, "ann@shop.example"]


@pytest.mark.parametrize(
    ("second", "night_of_second"),
    [
        pytest.param(HEADER + row(1, "bob@shop.example") + row(2), NIGHT, id="other_bytes"),
        pytest.param(HEADER + row(1) + row(2), NIGHT - timedelta(days=1), id="another_night"),
    ],
)
def test_a_file_that_does_not_begin_with_the_earlier_content_replaces_nothing(night, second, night_of_second):
    night.deliver(HEADER + row(1))
    night.run()
    night.deliver(second, night=night_of_second)
    night.run()
    assert night.lake.read(FILE)["replaced_sha256"].null_count() == 2
    assert night.raw().height + night.quarantine().height == 3


def test_a_run_that_was_killed_after_the_rows_and_before_the_file_is_completed(night, tmp_path, monkeypatch):
    night.deliver(HEADER + row(1) + "u9\n")
    night.run()
    night.deliver(HEADER + row(1) + "u9\n" + row(2))
    append = Lake.append

    def append_until_killed(lake, table, rows):
        if table is FILE:
            raise KeyboardInterrupt
        return append(lake, table, rows)

    with monkeypatch.context() as killed:
        killed.setattr(Lake, "append", append_until_killed)
        with pytest.raises(KeyboardInterrupt):
            night.run()
    night.run()
    assert_as_at_once(night, tmp_path)


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """The channel declares a marker for each file."""
    contract = CHANNEL.model_copy(update={"complete_when": Completeness(marker="{file}.done")})
    monkeypatch.setattr(file_accounting, "load_all_contracts", lambda: {contract.name: contract})
    return Night(tmp_path, contract)


def test_a_file_that_waits_is_reported_and_taken_in_once_by_the_run_that_finds_it_whole(marked):
    marked.deliver(HEADER + row(1))
    (check,) = [check for check in marked.run().checks if check.name == COMPLETE]
    assert check.is_warning
    assert not check.is_passed
    assert check.description == f"{NIGHT}/unsubscribes.csv: its marker unsubscribes.csv.done does not stand beside it"
    assert marked.lake.read(FILE).is_empty()
    assert marked.raw().is_empty()
    marked.deliver("", "unsubscribes.csv.done")
    for _ in range(2):
        (check,) = [check for check in marked.run().checks if check.name == COMPLETE]
        assert check.is_passed
    assert marked.lake.read(FILE)["outcome"].to_list() == ["loaded"]
    assert marked.raw().height == 1
    assert find_unclaimed_files(marked.lake, marked.drops, NIGHT).unclaimed.is_empty()


def test_a_file_that_was_taken_in_needs_no_second_look(marked, monkeypatch):
    marked.deliver(HEADER + row(1))
    marked.deliver("", "unsubscribes.csv.done")
    marked.run()
    monkeypatch.setattr(ingestion, "read_whole", lambda *_: pytest.fail("looked at again"))
    assert marked.stage().files.is_empty()


def test_each_of_many_records_has_its_own_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ingestion, "_FILES_IN_ONE", 3)
    many = Night(tmp_path, CHANNEL.model_copy(update={"files": "*.csv"}))
    for number in range(8):
        many.deliver(
            HEADER + "".join(f"u{number}-{n},email,STOP,{NIGHT} 01:00:00,a@b.example\n" for n in range(number)),
            f"{number}.csv",
        )
    many.run()
    raw = many.raw()
    assert raw.height == sum(range(8))
    assert raw["file"].to_list() == [f"{each[1]}.csv" for each in raw["source_record_id"]]
    files = many.lake.read(FILE).sort("file")
    assert files["raw_count"].to_list() == list(range(8))
    assert dict(raw.select("file", "file_sha256").iter_rows()) == dict(
        files.filter(pl.col("raw_count") > 0).select("file", "file_sha256").iter_rows()
    )
    assert set(raw["drop_date"]) == {NIGHT}


@pytest.mark.parametrize(("files_at_once", "rows_at_once"), [(2, 1000), (1000, 2), (1, 1)])
def test_batches_give_what_all_files_at_once_give(night, tmp_path, monkeypatch, files_at_once, rows_at_once):
    for day in range(5):
        # Each repeats a record of the day before, and the last is broken.
        text = HEADER + row(day) + row(day + 1) + "u9,x\n"
        night.deliver(text, night=NIGHT - timedelta(days=4 - day))
    with monkeypatch.context() as patched:
        patched.setattr(ingestion, "FILES_AT_ONCE", files_at_once)
        patched.setattr(ingestion, "ROWS_AT_ONCE", rows_at_once)
        report = night.run()
    assert_as_at_once(night, tmp_path)
    assert report.writes[0].metadata["files loaded"] == 5
    assert report.writes[0].metadata["rows received"] == 15
    assert report.writes[0].written.row_count == night.raw().height
    assert [check.is_passed for check in report.checks] == [True, True]
    assert night.run().writes[0].metadata["files loaded"] == 0
