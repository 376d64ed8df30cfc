"""Retention on a whole lake: what ended leaves no byte, what was decided stays to be proven, a crash is made good."""

import gzip
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.consent.history import HIDDEN_PREFIX
from cdp_pipelines.retention.rules import RemovalLimit
from cdp_pipelines.schema import CLUSTER, DECISION, LEDGER, RETENTION, RUN, Table
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services import retention
from cdp_pipelines.services.declarations import load_all_contracts, load_retention
from tests.conftest import copy_lake
from warehouse.delta.lake import Lake
from warehouse.keys import keyed_digest, ledger_key
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.verify.ledger import verify_ledger

# Each stands in one record alone: a device that a beacon saw, who answered a survey, a tag that ends before its row.
AD_ID, EMAIL, TAG = "7f3ecanary", "canary.bird@yellow.example", "canary-tag"
PING, ANSWER, ACCOUNT = "b9999999", "R9999999", "gid://shop/Customer/99999999"


def places(lake: Path, value: str) -> list[str]:
    """Files below the lake that hold a value: Parquet with its pages decoded, and every file byte by byte."""
    files = (path for path in lake.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(lake)) for path in files if _holds(path, value))


def _holds(path: Path, value: str) -> bool:
    data = path.read_bytes()
    if value.encode() in data:
        return True
    if data[:4] != b"PAR1":
        return False
    # Pages are decoded by the reader; a list or a struct is searched as its text.
    return any(value in str(chunk.to_pylist()) for column in pq.read_table(path).columns for chunk in column.chunks)


def deliver(drop: Path, at: datetime) -> None:
    """A night's files, with one record for each canary."""
    drop.mkdir()
    ping = f"ping_id,ad_id,store,lat,lon,dwell_s,at\n{PING},{AD_ID},S01,47.6,-122.3,60,{at.timestamp() * 1000:.0f}\n"
    (drop / "beacons.csv.gz").write_bytes(gzip.compress(ping.encode()))
    answer = f"response_id,submitted,respondent,nps,comment,kind\n{ANSWER},{at:%d/%m/%Y %H:%M},{EMAIL},7,,visit\n"
    (drop / "surveys.csv").write_text(answer)
    account = {"id": ACCOUNT, "created_at": f"{at:%Y-%m-%dT%H:%M:%S.000Z}", "email": "ann@yellow.example", "tags": TAG}
    (drop / "webshop_customers.ndjson").write_text(json.dumps(account) + "\n")


@pytest.mark.long
def test_what_ended_leaves_no_byte_and_what_was_decided_can_still_be_proven(sample, run, tmp_path, monkeypatch):
    drops, lake = tmp_path / "drops", copy_lake(sample.lake, tmp_path / "lake")
    shutil.copytree(sample.drops, drops)
    night = list_drop_dates(drops)[-1] + timedelta(days=1)
    deliver(drops / str(night), datetime(night.year, night.month, night.day, 9, tzinfo=UTC))
    assert run(drops, lake.path) == 0
    for value, table in ((AD_ID, "raw/beacons"), (EMAIL, "raw/surveys"), (TAG, "raw/webshop_customers")):
        assert [place for place in places(lake.path, value) if place.startswith(table)], value
    assert [place for place in places(lake.path, EMAIL) if place.startswith("consent/decision")]
    mine = lake.scan(CLUSTER).filter(pl.col("source_record_id") == ANSWER).collect()["customer_id"].item()
    ledger = lake.read(LEDGER)

    # A beacon may be used for thirty days, a survey a year, a tag three, and the account of the tag five; the hold is
    # thirty days. The night is cut short when all is counted and nothing is gone yet.
    tag_is_gone = night.replace(year=night.year + 3) + timedelta(days=30)
    insist = {"accepted_nights": [tag_is_gone], "is_removal_confirmed": True}
    with monkeypatch.context() as patched:
        patched.setattr(retention, "_keep_rows", lambda *_: 1 / 0)
        assert run(drops, lake.path, tag_is_gone, **insist) == 1
    counted = lake.read(RETENTION)
    assert all(places(lake.path, value) for value in (AD_ID, EMAIL, TAG))
    assert run(drops, lake.path, tag_is_gone, **insist) == 0
    assert lake.read(RETENTION).equals(counted)
    assert [place for value in (AD_ID, EMAIL, TAG) for place in places(lake.path, value)] == []
    account = (
        lake.scan(load_all_contracts()["webshop_customers"].raw).filter(pl.col("source_record_id") == ACCOUNT).collect()
    )
    assert account.select("email", "tags", "record").row(0) == ("ann@yellow.example", None, None)

    left = lake.read(RETENTION).group_by("table", "field", "rule").agg(pl.col("removed_count").sum())
    assert {("raw/beacons", "", "channel"), ("raw/webshop_customers", "tags", "customer_service")} <= {
        row[:3] for row in left.rows()
    }
    assert verify_ledger(lake.path).findings == []
    assert lake.read(LEDGER).equals(ledger)
    # In or out of the mart on that day, and by which decision, is answered as before.
    # Who asks has the e-mail at hand; the lake has a keyed digest of it.
    asked = ["audit", "mart", "surveys_reviews", "--on", str(night), "--customer", EMAIL, "--lake", str(lake.path)]
    answer = CliRunner().invoke(app, asked)
    assert answer.exit_code == 0, answer.output
    assert f"{mine} in the mart surveys_reviews on {night}" in answer.output
    assert f"as of the night of {night}" in " ".join(answer.output.split())
    hidden = HIDDEN_PREFIX + keyed_digest(ledger_key(lake.path), EMAIL)
    decided = lake.scan(DECISION).filter(pl.col("contact_point") == hidden).collect()
    assert set(decided["customer_id"]) == {mine}
    assert "surveys_reviews" in set(decided["purpose"])


LIMIT = RemovalLimit(share=0.2, row_count=10)
AS_OF = datetime(2024, 6, 30, 22, tzinfo=UTC)


def write_beacons(lake: Lake, ages: list[timedelta]) -> Table:
    """Rows of a channel that is kept for thirty days, and thirty more with its hold; their ages at `AS_OF`."""
    table = load_all_contracts()["beacons"].raw
    rows = pl.DataFrame(
        {
            "source_record_id": [str(each) for each in range(len(ages))],
            "file_sha256": ["0" * 64] * len(ages),
            "at": [str(int((AS_OF - age).timestamp() * 1000)) for age in ages],
            "ingested_at": [AS_OF - age for age in ages],
        },
        schema_overrides={"ingested_at": table.schema["ingested_at"]},
    )
    lake.replace(table, pl.concat([table.empty(), rows], how="diagonal"))
    return table


@pytest.mark.parametrize(
    ("old_count", "new_count", "has_night", "is_confirmed", "is_removed"),
    [
        pytest.param(20, 80, True, False, True, id="as_much_as_the_share"),
        pytest.param(21, 79, True, False, False, id="more_than_the_share"),
        pytest.param(100, 0, True, False, False, id="all"),
        pytest.param(100, 0, True, True, True, id="all_confirmed"),
        pytest.param(10, 0, True, False, True, id="all_of_a_small_table"),
        pytest.param(100, 0, False, False, True, id="all_in_the_first_night"),
    ],
)
def test_more_than_the_share_of_a_table_is_removed_only_with_confirmation(
    tmp_path, monkeypatch, old_count, new_count, has_night, is_confirmed, is_removed
):
    policy = load_retention().model_copy(update={"unconfirmed_removal": LIMIT})
    monkeypatch.setattr(retention, "load_retention", lambda: policy)
    lake = Lake(tmp_path)
    old = [timedelta(days=90 + each) for each in range(old_count)]
    table = write_beacons(lake, [*old, *[timedelta(days=1)] * new_count])
    if has_night:
        lake.replace(RUN, pl.concat([RUN.empty(), pl.DataFrame({"night": [AS_OF.date()]})], how="diagonal"))
    report = retention.apply_retention(lake, AS_OF.date(), AS_OF, is_confirmed=is_confirmed)
    check = report.checks[-1]
    assert (check.name, check.is_passed) == (retention.CONFIRMED, is_removed)
    assert lake.read(table).height == new_count + (0 if is_removed else old_count)
    assert lake.read(RETENTION).filter(table=table.name, field="")["removed_count"].sum() == is_removed * old_count
    if not is_removed:
        assert check.description.startswith(f"{table.name}: {old_count} of {old_count + new_count} rows")


def test_what_ends_on_a_day_is_removed_at_its_end_whatever_runs_there_were_within_it(tmp_path):
    lake, midnight = Lake(tmp_path), end_of_night(AS_OF.date())
    ends = [midnight - timedelta(hours=hours) for hours in (1, 5, 14)]
    table = write_beacons(lake, [AS_OF - (end - timedelta(days=60)) for end in ends])
    remaining = []
    for as_of in (midnight - timedelta(hours=12), midnight - timedelta(hours=3), midnight):
        retention.apply_retention(lake, AS_OF.date(), as_of, is_confirmed=True)
        remaining.append(lake.read(table).height)
    assert remaining == [3, 3, 0]
    assert lake.read(RETENTION).select("removed_count", "removed_at").rows() == [(3, midnight)]
