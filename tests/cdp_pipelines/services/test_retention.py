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
from cdp_pipelines.schema import CLUSTER, DECISION, LEDGER, RETENTION
from cdp_pipelines.services import retention
from cdp_pipelines.services.declarations import load_all_contracts
from tests.conftest import copy_lake
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
    with monkeypatch.context() as patched:
        patched.setattr(retention, "_keep_rows", lambda *_: 1 / 0)
        assert run(drops, lake.path, tag_is_gone) == 1
    counted = lake.read(RETENTION)
    assert all(places(lake.path, value) for value in (AD_ID, EMAIL, TAG))
    assert run(drops, lake.path, tag_is_gone) == 0
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
