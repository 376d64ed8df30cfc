"""Channels of a lake with a gap: found from the files that were taken in, empty and repeated ones included."""

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cdp_pipelines.channels.continuity import Continuity
from cdp_pipelines.schema import FILE, LEDGER
from cdp_pipelines.services import silence
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.file_accounting import find_unaccounted_files
from cdp_pipelines.services.ingestion import ingest_files
from cdp_pipelines.services.silence import find_silent_channels
from warehouse.delta.lake import Lake
from warehouse.sources.arrival import Observation
from warehouse.verify.marts import find_silent

FIRST = date(2024, 6, 1)
HEADER = b"id,contact,list,reason,ts\n"


def declare(monkeypatch, **declared):
    """The channel of unsubscribes with a declared continuity."""
    contracts = dict(load_all_contracts())
    contract = contracts["unsubscribes"].model_copy(update={"continuity": Continuity(**declared)})
    monkeypatch.setattr(silence, "load_all_contracts", lambda: {**contracts, "unsubscribes": contract})
    return contract


def end_of(night: date) -> datetime:
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)


def write_files(lake: Lake, rows: list[tuple[date, str, str]]) -> None:
    counts = dict.fromkeys(("byte_count", "received_count", "raw_count", "quarantined_count", "duplicate_count"), 0)
    files = [
        {"channel": "unsubscribes", "drop_date": night, "file": file, "file_sha256": f"{number:064x}",
         "outcome": outcome, "detail": None, "ingested_at": end_of(night), **counts}
        for number, (night, file, outcome) in enumerate(rows)
    ]  # fmt: skip
    lake.replace(FILE, pl.DataFrame(files, schema=FILE.schema))


def test_a_file_that_was_refused_as_a_whole_closes_no_gap(tmp_path, monkeypatch):
    declare(monkeypatch, heartbeat_days=1)
    lake, nights = Lake(tmp_path), [FIRST + timedelta(days=n) for n in range(3)]
    for outcome, since in (("empty", []), ("loaded_with_warnings", []), ("refused", [nights[1]])):
        write_files(
            lake, [(nights[0], "u.csv", "loaded"), (nights[1], "u.csv", outcome), (nights[2], "u.csv", "loaded")]
        )
        assert [each.since for each in find_silent_channels(lake, end_of(nights[2]))] == since


def test_a_line_for_people_counts_the_grants(tmp_path, monkeypatch):
    declare(monkeypatch, sequence=r"u_(\d+)\.csv")
    lake, night = Lake(tmp_path), FIRST + timedelta(days=3)
    write_files(lake, [(FIRST, "u_1.csv", "loaded"), (night, "u_3.csv", "loaded")])
    events = [
        {"position": n, "event_id": f"e{n}", "channel": channel, "status": status, "drop_date": when, "purpose": "p"}
        for n, (channel, status, when) in enumerate(
            [
                ("unsubscribes", "granted", night),
                ("unsubscribes", "granted", FIRST),
                ("unsubscribes", "denied", night),
                ("crm_west", "granted", night),
            ],
            start=1,
        )
    ]
    lake.append(LEDGER, LEDGER.conform(pl.DataFrame(events).lazy().with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in LEDGER.schema.items() if name not in events[0]
    )).collect())  # fmt: skip
    (found,) = find_silent_channels(lake, end_of(night))
    assert found.describe(lake) == (
        "unsubscribes: file 2 is missing; 1 grants since 2024-06-04 do not count until it is closed"
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_independent_checker_finds_the_same_gaps(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)  # noqa: S311  a seed repeats a failure
    declared = rng.choice([{"heartbeat_days": 1}, {"heartbeat_days": 3}, {"sequence": r"u_(\d+)\.csv"},
                           {"heartbeat_days": 2, "sequence": r"u_(\d+)\.csv"}])  # fmt: skip
    declare(monkeypatch, **declared)
    rows = [
        (FIRST + timedelta(days=rng.randrange(14)), f"u_{rng.randrange(12):02}.csv", rng.choice(["loaded"] * 4 + ["refused", "empty", "repeated"]))
        for _ in range(rng.randrange(20))
    ]  # fmt: skip
    lake = Lake(tmp_path)
    write_files(lake, rows)
    for day in (3, 9, 15):
        known_at = end_of(FIRST + timedelta(days=day))
        expected = find_silent(lake.read(FILE).to_dicts(), {"unsubscribes": {"continuity": declared}}, known_at)
        assert {each.channel: each.since for each in find_silent_channels(lake, known_at)} == expected


def test_the_same_empty_file_every_night_is_a_heartbeat(tmp_path, monkeypatch):
    contract = declare(monkeypatch, heartbeat_days=1)
    lake, last, drops = Lake(tmp_path / "lake"), FIRST + timedelta(days=3), tmp_path / "drops"
    for day in range(4):
        folder = drops / str(FIRST + timedelta(days=day))
        folder.mkdir(parents=True)
        (folder / "unsubscribes.csv").write_bytes(HEADER)
    for night in (FIRST, last, last):
        ingest_files(lake, Observation.take(drops), contract, night)
    files = lake.read(FILE)
    assert files["outcome"].to_list() == ["empty", "repeated", "repeated", "repeated"]
    assert find_silent_channels(lake, end_of(last)) == []
    assert find_unaccounted_files(lake, files).is_empty()


def test_repeated_files_of_other_channels_are_not_noted(tmp_path):
    contract, lake = load_all_contracts()["unsubscribes"], Lake(tmp_path / "lake")
    drops = tmp_path / "drops"
    for day in range(2):
        folder = drops / str(FIRST + timedelta(days=day))
        folder.mkdir(parents=True)
        (folder / "unsubscribes.csv").write_bytes(HEADER)
    assert contract.continuity is None
    night = FIRST + timedelta(days=1)
    ingest_files(lake, Observation.take(drops), contract, night)
    assert lake.read(FILE)["outcome"].to_list() == ["empty"]
