"""The generated company: the same seed the same bytes, files as the channels deliver them, a truth that is true."""

import csv
import gzip
import io
import json
from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.sample import generate

HEADERS = {
    "crm_west.csv": "customer_no,first_name,middle_initial,last_name,date_of_birth,street,city,state,zip,email,phone,loyalty_card,created_at,privacy_notice",
    "crm_east.csv": "id_client;nume_complet;adresa;oras;judet;cod_postal;email;telefon;inregistrat;nota_informare",
    "pos_receipts.csv": "Receipt No,Store,Date,Time,Loyalty Card,E-mail for receipt,Amount,Items",
    "call_centre.tsv": "ticket\topened\tcaller_number\tcaller_name\ttopic\tminutes\tnotes",
    "surveys.csv": "response_id,submitted,respondent,nps,comment,kind",
    "beacons.csv.gz": "ping_id,ad_id,store,lat,lon,dwell_s,at",
    "unsubscribes.csv": "id,contact,list,reason,ts",
    "preferences.csv": "id,email,preferred_channel,language,quiet_hours,max_per_week,updated",
}
KEYS = {
    "webshop_customers.ndjson": {
        "id",
        "created_at",
        "email",
        "phone",
        "first_name",
        "last_name",
        "accepts_marketing",
        "default_address",
        "tags",
    },
    "webshop_orders.ndjson": {
        "id",
        "customer",
        "email",
        "created_at",
        "currency",
        "total_price",
        "units",
        "kind",
        "ship_to_country",
    },
    "app_events.ndjson.gz": {
        "messageId",
        "type",
        "anonymousId",
        "userId",
        "timestamp",
        "receivedAt",
        "channel",
        "context",
        "name",
        "event",
        "properties",
        "traits",
    },
    "consent_receipts.ndjson": {
        "receipt_id",
        "subject",
        "purpose",
        "status",
        "event_time",
        "recorded_at",
        "notice_version",
        "collection_point",
        "jurisdiction",
        "expires_at",
    },
    "privacy_requests.ndjson": {"request_id", "kind", "subject", "received_at", "detail"},
    "social.json": {"post_id", "network", "handle", "display_name", "posted_at", "text", "likes"},
}


@pytest.fixture(scope="module")
def drops():
    return list(generate(400, 5, 7))


def text(name, data):
    data = gzip.decompress(data) if name.endswith(".gz") else data
    if name == "crm_east.csv":
        return data.decode("latin-1")
    assert data.startswith(b"\xef\xbb\xbf") == (name == "pos_receipts.csv")
    return data.decode("utf-8-sig")


def objects(name, data):
    if name.endswith(".json"):
        return json.loads(data)
    found = []
    for line in text(name, data).splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            assert name == "app_events.ndjson.gz"
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(drops):
    assert [drop.files for drop in generate(400, 5, 7)] == [drop.files for drop in drops]
    assert next(generate(400, 5, 8)).files != drops[0].files


def test_drops_are_the_history_and_the_nights_after_it(drops):
    assert [drop.drop_date for drop in drops] == [date(2024, 6, 26) + timedelta(days=n) for n in range(5)]
    assert len(drops[0].files) == 15
    assert sum(drop.n_records for drop in drops) / 400 == pytest.approx(20, abs=2)


@pytest.mark.parametrize(("name", "header"), HEADERS.items())
def test_csv(name, header, drops):
    rows = list(
        csv.reader(
            io.StringIO(text(name, drops[0].files[name]), newline=""),
            delimiter={"crm_east.csv": ";", "call_centre.tsv": "\t"}.get(name, ","),
        )
    )
    assert rows[0] == header.replace(";", "," if name != "crm_east.csv" else ";").split(
        {"crm_east.csv": ";", "call_centre.tsv": "\t"}.get(name, ",")
    )
    assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize(("name", "keys"), KEYS.items())
def test_json(name, keys, drops):
    found = objects(name, drops[0].files[name])
    assert set().union(*found) == keys
    if name == "app_events.ndjson.gz":
        assert {each["type"] for each in found} == {"track", "page", "screen", "identify", "banana"}
        assert {tuple(each["context"]["consent"]["categoryPreferences"]) for each in found} == {
            ("Analytics", "Advertising", "Functional")
        }
        assert {each["context"].get("gpc") for each in found} == {None, True}


def test_parquet(drops):
    found = pl.read_parquet(io.BytesIO(drops[0].files["iot.parquet"]))
    assert dict(found.schema) == {
        "reading_id": pl.String,
        "serial": pl.String,
        "owner_email": pl.String,
        "at": pl.Datetime("ns"),
        "metric": pl.String,
        "value": pl.Float64,
    }


def test_events_lie_within_their_drop(drops):
    for drop in drops:
        for each in objects("consent_receipts.ndjson", drop.files.get("consent_receipts.ndjson", b"")):
            if each["event_time"] != "soon":
                day = date.fromisoformat(each["event_time"][:10])
                assert day == drop.drop_date or (
                    drop is drops[0] and drop.drop_date - timedelta(days=365) < day <= drop.drop_date
                )


def test_ids_are_unique_save_for_planted_duplicates_and_truth_names_them_all(drops):
    ids = [
        each["receipt_id"]
        for drop in drops
        for each in objects("consent_receipts.ndjson", drop.files.get("consent_receipts.ndjson", b""))
    ]
    twice = {key for key in ids if ids.count(key) > 1}
    defects = pl.concat([drop.defects for drop in drops])
    assert twice == set(defects.filter(kind="duplicate")["source_record_id"])
    persons = pl.concat([drop.persons for drop in drops])
    assert set(persons.filter(channel="consent_receipts")["source_record_id"]) == set(ids)
    assert persons.select("channel", "source_record_id").is_unique().all()


def test_every_kind_of_defect_is_planted_and_really_there(drops):
    defects = pl.concat([drop.defects for drop in drops])
    assert set(defects["kind"]) == {
        "bad_date",
        "broken_json",
        "missing_id",
        "unknown_type",
        "duplicate",
        "missing_subject",
        "unknown_purpose",
        "unknown_status",
        "future",
        "bad_amount",
        "out_of_range",
    }
    everything = {
        name: b"".join(
            gzip.decompress(drop.files[name]) if name.endswith(".gz") else drop.files[name]
            for drop in drops
            if name in drop.files
        )
        for name in {*HEADERS, *KEYS}
    }
    for name, mark, n in (
        ("pos_receipts.csv", b"#REF!", defects.filter(channel="pos_receipts", kind="bad_amount").height),
        ("consent_receipts.ndjson", b"world_domination", defects.filter(kind="unknown_purpose").height),
        ("app_events.ndjson.gz", b"banana", defects.filter(kind="unknown_type").height),
        ("crm_west.csv", b"01/01/2091", defects.filter(kind="future").height),
        ("webshop_orders.ndjson", b'"id":null', defects.filter(channel="webshop_orders", kind="missing_id").height),
    ):
        assert everything[name].count(mark) == n > 0, name


def test_people_are_as_people_are(drops):
    """Households, diacritics, nicknames, shared contact points: what record linkage has to cope with is there."""
    east = list(
        csv.DictReader(io.StringIO(text("crm_east.csv", drops[0].files["crm_east.csv"]), newline=""), delimiter=";")
    )
    west = list(csv.DictReader(io.StringIO(text("crm_west.csv", drops[0].files["crm_west.csv"]), newline="")))
    assert any("," in row["nume_complet"] for row in east)
    assert any(not row["nume_complet"].isascii() for row in east)
    assert any(row["email"].isupper() for row in [*east, *west])
    streets = [row["street"] for row in west]
    assert len(set(streets)) < len(streets)
    assert len({row["phone"] for row in west if row["phone"]}) > len(west) / 3


@pytest.mark.parametrize("people", [1, 2, 17])
def test_a_company_may_be_tiny(people):
    assert sum(drop.n_records for drop in generate(people, 2, 1)) >= people
