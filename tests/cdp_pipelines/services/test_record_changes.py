"""Standard tables, and the ledger, read what is new: the same rows as reading everything, whatever happened between."""

import shutil
from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.schema import (
    CONSENT_EVENT,
    LEDGER,
    PARTY,
    RESOLUTION,
    UNNAMED_STATEMENT,
)
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services import record_changes, standardisation
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.ingestion import ingest_files
from cdp_pipelines.services.ledger import update_ledger
from cdp_pipelines.services.retention import apply_retention
from cdp_pipelines.services.standardisation import STANDARD_TABLES, update_standard_table
from tests.conftest import build_once, copy_lake
from warehouse.delta.lake import Lake
from warehouse.sources.arrival import Observation
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.state_file import forget_states

TABLES = [CONSENT_EVENT, UNNAMED_STATEMENT, *(each.table for each in STANDARD_TABLES)]


def load(lake: Lake, drops, night: date) -> None:
    look = Observation.take(drops)
    for contract in load_all_contracts().values():
        ingest_files(lake, look, contract, night)


def build(lake: Lake, night: date, *, is_first: bool = True) -> None:
    """The ledger, retention and the standard tables of a night, in their order."""
    update_ledger(lake, night, end_of_night(night))
    if is_first:
        apply_retention(lake, night, end_of_night(night), is_confirmed=True)
    for standard in STANDARD_TABLES:
        update_standard_table(lake, standard, night, end_of_night(night))


def assert_as_if_all_were_read(lake: Lake, night: date, folder) -> None:
    """A copy without cursors and standard tables, built again, has the same rows and finds no event that is missing."""
    anew = copy_lake(lake, folder)
    forget_states(anew.path)
    shutil.rmtree(anew.path / "standardised")
    build(anew, night, is_first=False)
    for table in TABLES:
        assert lake.read(table).equals(anew.read(table)), table.name
    assert lake.read(LEDGER).equals(anew.read(LEDGER))
    shutil.rmtree(folder)


def channels_read_whole(lake: Lake, night: date, tables=(PARTY,)) -> set[str]:
    contracts = [each for each in load_all_contracts().values() if each.party]
    changes = record_changes.find_record_changes(lake, tables, contracts, end_of_night(night))
    return {each.contract.name for each in changes if each.added is None}


@pytest.fixture(scope="session")
def first_night(sample_data, shared):
    """The standard tables and the ledger after the first night; only to be read."""

    def make(folder) -> None:
        night = list_drop_dates(sample_data / "drops")[0]
        load(Lake(folder), sample_data / "drops", night)
        build(Lake(folder), night)

    return Lake(build_once(shared / "first_standard_night", make))


@pytest.fixture
def lake(first_night, tmp_path):
    return copy_lake(first_night, tmp_path / "lake")


@pytest.mark.long
def test_nights_expiry_removal_and_clerks_give_what_reading_everything_gives(sample_data, lake, tmp_path):
    drops, again = sample_data / "drops", tmp_path / "again"
    assert lake.read(UNNAMED_STATEMENT).height > 0
    for night in list_drop_dates(drops)[1:3]:
        before = lake.read(PARTY).height
        load(lake, drops, night)
        assert channels_read_whole(lake, night) == set()
        build(lake, night)
        assert lake.read(PARTY).height > before
        assert_as_if_all_were_read(lake, night, again)
    # Values end, rows end, and a late night removes at once what no night before it stopped to use.
    for days in (40, 2000):
        before, night = lake.read(PARTY).height, night + timedelta(days=days)
        build(lake, night)
        assert lake.read(PARTY).height < before
        assert_as_if_all_were_read(lake, night, again)


def test_a_night_without_news_leaves_every_version(lake, sample_data):
    night = list_drop_dates(sample_data / "drops")[0]
    before = lake.tables()
    build(lake, night)
    assert lake.tables() == before


@pytest.mark.parametrize("table", [UNNAMED_STATEMENT, CONSENT_EVENT])
def test_a_resolution_reaches_the_ledger_once_whatever_was_read_before(lake, sample_data, tmp_path, table):
    """It names the person of everything that its record denies, of what names somebody else too."""
    night = list_drop_dates(sample_data / "drops")[0]
    stated = lake.read(table).filter(~pl.col("status").is_in(["granted", "verified"]))
    row = stated.row(0, named=True)
    resolution = {
        "resolution_number": 1, "channel": row["channel"], "source_record_id": row["source_record_id"],
        "subject_kind": "email", "subject_value": "ann@shop.example", "resolved_by": "clerk", "reason": "she called",
        "resolved_at": end_of_night(night),
    }  # fmt: skip
    events = lake.read(LEDGER).height
    lake.append(RESOLUTION, pl.DataFrame([resolution], schema=RESOLUTION.schema))
    build(lake, night)
    named = lake.read(LEDGER).filter(subject_value="ann@shop.example")
    assert set(named["source_record_id"]) == {row["source_record_id"]}
    assert lake.read(LEDGER).height == events + named.height
    build(lake, night)
    assert lake.read(LEDGER).height == events + named.height
    assert_as_if_all_were_read(lake, night, tmp_path / "again")


def test_a_changed_contract_is_read_whole_and_no_other(lake, sample_data, tmp_path, monkeypatch):
    night, contracts = list_drop_dates(sample_data / "drops")[0], load_all_contracts()
    west = contracts["crm_west"]
    changed = west.model_copy(update={"party": west.party.model_copy(update={"first_name": None})})
    monkeypatch.setattr(standardisation, "load_all_contracts", lambda: {**contracts, "crm_west": changed})
    other = lake.read(PARTY).filter(pl.col("channel") != "crm_west")
    build(lake, night)
    rows = lake.read(PARTY)
    assert rows.filter(channel="crm_west")["first_name"].null_count() == rows.filter(channel="crm_west").height > 0
    assert rows.filter(pl.col("channel") != "crm_west").equals(other)
    assert_as_if_all_were_read(lake, night, tmp_path / "again")


def test_a_channel_that_is_declared_no_more_leaves(lake, sample_data, monkeypatch):
    night, contracts = list_drop_dates(sample_data / "drops")[0], load_all_contracts()
    monkeypatch.setattr(
        standardisation, "load_all_contracts", lambda: {key: each for key, each in contracts.items() if key != "social"}
    )
    assert "social" in set(lake.read(PARTY)["channel"])
    build(lake, night)
    assert "social" not in set(lake.read(PARTY)["channel"])


@pytest.mark.parametrize(
    ("fault", "read_whole"),
    [
        ("written_by_another", None),
        ("cursor_gone", None),
        ("raw_replaced", {"crm_west"}),
        ("raw_restored", {"crm_west"}),
    ],
)
def test_what_cannot_be_told_is_read_whole(lake, sample_data, tmp_path, fault, read_whole):
    night, raw = list_drop_dates(sample_data / "drops")[0], load_all_contracts()["crm_west"].raw
    rows, version = lake.read(raw), lake.version(raw.name)
    if fault == "written_by_another":
        lake.replace(PARTY, lake.read(PARTY).head(3))
    elif fault == "cursor_gone":
        forget_states(lake.path)
    elif fault == "raw_replaced":
        lake.replace(raw, rows.head(rows.height - 1))
    else:
        # As many versions as before, and other rows.
        shutil.rmtree(lake.location(raw.name))
        for count in range(version + 1):
            lake.replace(raw, rows.head(rows.height - 5 - version + count))
        assert lake.version(raw.name) == version
    every = {each.name for each in load_all_contracts().values() if each.party}
    assert channels_read_whole(lake, night) == (read_whole or every)
    build(lake, night)
    assert_as_if_all_were_read(lake, night, tmp_path / "again")
