"""The generated company: the same seed the same bytes, files as the channels deliver them, a truth that is true."""

import csv
import gzip
import io
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cdp_pipelines.sample import generate

PEOPLE, NIGHTS, SEED = 2000, 5, 7

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
MESSAGE = "messageId type anonymousId userId timestamp receivedAt channel context"
RECEIPT = "receipt_id subject purpose status event_time recorded_at notice_version collection_point jurisdiction"
KEYS = {
    "webshop_customers.ndjson": {
        "id created_at email phone first_name last_name accepts_marketing default_address tags"
    },
    "webshop_orders.ndjson": {"id customer email created_at currency total_price units kind ship_to_country"},
    "app_events.ndjson.gz": {f"{MESSAGE} name", f"{MESSAGE} event properties", f"{MESSAGE} traits"},
    "consent_receipts.ndjson": {RECEIPT, f"{RECEIPT} expires_at"},
    "privacy_requests.ndjson": {"request_id kind subject received_at detail"},
    "social.json": {"post_id network handle display_name posted_at text likes"},
}
NESTED = {
    ("app_events.ndjson.gz", "context"): {"device ip locale consent", "device ip locale consent gpc"},
    ("app_events.ndjson.gz", "context.device"): {"id advertisingId adTrackingEnabled"},
    ("app_events.ndjson.gz", "context.consent"): {"categoryPreferences"},
    ("app_events.ndjson.gz", "context.consent.categoryPreferences"): {"Analytics Advertising Functional"},
    ("app_events.ndjson.gz", "properties"): {"sku price"},
    ("app_events.ndjson.gz", "traits"): {"email firstName lastName phone"},
    ("webshop_orders.ndjson", "customer"): {"id"},
    ("webshop_customers.ndjson", "default_address"): {"address1 city province_code zip country_code"},
    ("consent_receipts.ndjson", "subject"): {"type value"},
    ("privacy_requests.ndjson", "subject"): {"type value"},
}
PARQUET = {
    "reading_id": pl.String,
    "serial": pl.String,
    "owner_email": pl.String,
    "at": pl.Datetime("ns"),
    "metric": pl.String,
    "value": pl.Float64,
}
VOCABULARIES = {
    ("webshop_orders.ndjson", "kind"): "sale refund",
    ("webshop_orders.ndjson", "currency"): "GBP",
    ("app_events.ndjson.gz", "type"): "track identify page screen banana",
    ("app_events.ndjson.gz", "channel"): "browser mobile",
    ("app_events.ndjson.gz", "name"): "Home Category Product Checkout Help",
    ("consent_receipts.ndjson", "subject.type"): "email phone device_id loyalty_card",
    (
        "consent_receipts.ndjson",
        "purpose",
    ): "email_marketing sms_marketing advertising analytics personalisation profiling location_services third_party_sharing world_domination",
    ("consent_receipts.ndjson", "status"): "granted denied withdrawn maybe",
    ("consent_receipts.ndjson", "notice_version"): "2009-01 2010-06 2011-06",
    (
        "consent_receipts.ndjson",
        "collection_point",
    ): "web_form call_centre double_opt_in_link app_settings store_tablet",
    ("consent_receipts.ndjson", "jurisdiction"): "EU UK US-WA US-CA",
    ("unsubscribes.csv", "list"): "email sms",
    ("preferences.csv", "preferred_channel"): "email sms push post social",
    ("preferences.csv", "language"): "en es ro",
    ("surveys.csv", "nps"): "0 1 2 3 4 5 6 7 8 9 10 42",
    ("social.json", "network"): "facebook x instagram",
    ("crm_east.csv", "nota_informare"): "2010-06 2011-06",
}
# Per channel: file, key, fields of the event time and their format ("s" and "ms" since the epoch, "" a time already).
READ = "%Y-%m-%dT%H:%M:%SZ"
CHANNELS = {
    "crm_west": ("crm_west.csv", "customer_no", ["created_at"], "%m/%d/%Y %I:%M %p"),
    "crm_east": ("crm_east.csv", "id_client", ["inregistrat"], "%d.%m.%Y %H:%M"),
    "webshop_customers": ("webshop_customers.ndjson", "id", ["created_at"], READ),
    "webshop_orders": ("webshop_orders.ndjson", "id", ["created_at"], READ),
    "pos_receipts": ("pos_receipts.csv", "Receipt No", ["Date", "Time"], "%Y%m%d %H%M"),
    "app_events": ("app_events.ndjson.gz", "messageId", ["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ"),
    "call_centre": ("call_centre.tsv", "ticket", ["opened"], "%Y-%m-%dT%H:%M:%S+02:00"),
    "social": ("social.json", "post_id", ["posted_at"], "s"),
    "surveys": ("surveys.csv", "response_id", ["submitted"], "%d/%m/%Y %H:%M"),
    "iot": ("iot.parquet", "reading_id", ["at"], ""),
    "beacons": ("beacons.csv.gz", "ping_id", ["at"], "ms"),
    "consent_receipts": ("consent_receipts.ndjson", "receipt_id", ["event_time"], READ),
    "unsubscribes": ("unsubscribes.csv", "id", ["ts"], "%Y-%m-%d %H:%M:%S"),
    "preferences": ("preferences.csv", "id", ["updated"], "%Y-%m-%dT%H:%M:%S"),
    "privacy_requests": ("privacy_requests.ndjson", "request_id", ["received_at"], READ),
}
# What each planted defect leaves in its row.
SPOILT = {
    ("app_events", "bad_date"): lambda row: row["timestamp"] == "0000-00-00",
    ("app_events", "unknown_type"): lambda row: row["type"] == "banana",
    ("app_events", "broken_json"): lambda row: "_broken" in row,
    ("call_centre", "bad_date"): lambda row: row["opened"] == "n/a",
    ("consent_receipts", "bad_date"): lambda row: row["event_time"] == "soon",
    ("consent_receipts", "missing_subject"): lambda row: row["subject"] is None,
    ("consent_receipts", "unknown_purpose"): lambda row: row["purpose"] == "world_domination",
    ("consent_receipts", "unknown_status"): lambda row: row["status"] == "maybe",
    ("crm_east", "bad_date"): lambda row: row["inregistrat"] == "2011/13/45",
    ("crm_west", "bad_date"): lambda row: row["created_at"] == "31/31/2011",
    ("crm_west", "future"): lambda row: row["created_at"].startswith("01/01/2091"),
    ("pos_receipts", "bad_amount"): lambda row: row["Amount"] == "#REF!",
    ("pos_receipts", "bad_date"): lambda row: row["Date"] == "20111399",
    ("surveys", "out_of_range"): lambda row: row["nps"] == "42",
    ("webshop_orders", "bad_amount"): lambda row: row["total_price"] == "twelve",
    ("webshop_orders", "bad_date"): lambda row: row["created_at"] == "yesterday",
} | {
    (channel, "missing_id"): lambda row, key=CHANNELS[channel][1]: not row[key]
    for channel in ("app_events", "call_centre", "crm_east", "crm_west", "pos_receipts", "surveys", "webshop_orders")
}


def text(name, data):
    data = gzip.decompress(data) if name.endswith(".gz") else data
    return data.decode("latin-1" if name == "crm_east.csv" else "utf-8")


def read(name, data):
    """The rows of one file, by readers that know nothing of ours; a line that is no JSON comes as `_broken`."""
    if name.endswith(".parquet"):
        return pl.read_parquet(io.BytesIO(data)).to_dicts()
    if name.endswith(".json"):
        return json.loads(data)
    if ".ndjson" not in name:
        delimiter = {"crm_east.csv": ";", "call_centre.tsv": "\t"}.get(name, ",")
        return list(
            csv.DictReader(io.StringIO(text(name, data).removeprefix("\ufeff"), newline=""), delimiter=delimiter)
        )
    rows = []
    for line in text(name, data).splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            rows.append({"_broken": line})
    return rows


def at(row, path):
    """What a dotted path leads to; None where there is nothing."""
    for key in path.split("."):
        row = row.get(key) if isinstance(row, dict) else None
    return row


def instant(channel, row):
    """When what a row tells happened, in UTC."""
    _, _, fields, form = CHANNELS[channel]
    if not form:
        return row[fields[0]]
    if form in {"s", "ms"}:
        return datetime.fromtimestamp(int(row[fields[0]]) / (1000 if form == "ms" else 1), UTC)
    moment = datetime.strptime(" ".join(row[field] for field in fields), form).replace(tzinfo=UTC)
    return moment - timedelta(hours=2) if form.endswith("+02:00") else moment


@pytest.fixture(scope="module")
def drops():
    print(f"sample seed {SEED}")
    return list(generate(PEOPLE, NIGHTS, SEED))


@pytest.fixture(scope="module")
def files(drops):
    """File name to (drop date, row) of all nights."""
    return {
        name: [(drop.drop_date, row) for drop in drops if name in drop.files for row in read(name, drop.files[name])]
        for name, *_ in CHANNELS.values()
    }


@pytest.fixture(scope="module")
def defects(drops):
    return pl.concat([drop.defects for drop in drops])


@pytest.fixture(scope="module")
def persons(drops):
    return pl.concat([drop.persons for drop in drops])


def named(frame, channel, **where):
    return frame.filter(channel=channel, **where)["source_record_id"].to_list()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others():
    one, same, other = (list(generate(150, 3, seed)) for seed in (SEED, SEED, SEED + 1))
    for left, right in zip(one, same, strict=True):
        assert left.files == right.files
        assert left.persons.equals(right.persons)
        assert left.defects.equals(right.defects)
    assert all(one[0].files[name] != other[0].files[name] for name in one[0].files)


@pytest.mark.parametrize("people", [1, 2, 17, 60])
def test_a_company_may_be_tiny_and_its_nights_empty(people):
    found = list(generate(people, 3, SEED, date(2023, 3, 1)))
    assert [drop.drop_date for drop in found] == [date(2023, 2, 27), date(2023, 2, 28), date(2023, 3, 1)]
    assert sum(drop.record_count for drop in found) >= people
    assert {drop.persons.schema == found[0].persons.schema for drop in found} == {True}
    assert {drop.defects.schema == found[0].defects.schema for drop in found} == {True}


def test_the_history_alone_is_one_drop():
    (only,) = generate(30, 1, SEED)
    assert only.drop_date == date(2024, 6, 30)


def test_drops_are_the_history_and_the_nights_after_it(drops, files):
    assert [drop.drop_date for drop in drops] == [date(2024, 6, 26) + timedelta(days=n) for n in range(NIGHTS)]
    assert set(drops[0].files) == {name for name, *_ in CHANNELS.values()}
    assert sum(drop.record_count for drop in drops) == sum(len(rows) for rows in files.values())
    assert sum(drop.record_count for drop in drops) / PEOPLE == pytest.approx(20, abs=2)
    assert all(drop.record_count / PEOPLE == pytest.approx(20 / 365, rel=0.5) for drop in drops[1:])


@pytest.mark.parametrize(("name", "header"), HEADERS.items())
def test_tables(name, header, drops, files):
    whole = text(name, drops[0].files[name])
    assert whole.startswith("\ufeff") == (name == "pos_receipts.csv")
    assert whole.removeprefix("\ufeff").split("\r\n", 1)[0] == header
    assert whole.endswith("\r\n")
    # A row too short or too long would bring a None, as a value or as a key.
    assert all(None not in row and None not in row.values() for _, row in files[name])


@pytest.mark.parametrize(("name", "keys"), KEYS.items())
def test_json_keys(name, keys, files):
    assert {" ".join(row) for _, row in files[name] if "_broken" not in row} == keys


@pytest.mark.parametrize(("name", "path"), NESTED)
def test_json_nested_keys(name, path, files):
    assert {" ".join(inner) for _, row in files[name] if (inner := at(row, path)) is not None} == NESTED[name, path]


@pytest.mark.parametrize(("name", "path"), VOCABULARIES)
def test_vocabularies(name, path, files):
    assert {value for _, row in files[name] if (value := at(row, path)) is not None} == set(
        VOCABULARIES[name, path].split()
    )


def test_parquet(drops):
    assert dict(pl.read_parquet_schema(io.BytesIO(drops[0].files["iot.parquet"]))) == PARQUET


def test_texts_that_readers_trip_over(files):
    assert {row["notes"] for _, row in files["call_centre.tsv"]} >= {
        "called about order\nwill ring back",
        'angry, "third time"',
        "warranty claim; photo sent",
        "",
    }
    assert {row["comment"] for _, row in files["surveys.csv"]} >= {
        '=HYPERLINK("http://x")',
        '"good" value; will buy',
        "Fast, but\nbroken box",
        "",
    }
    amounts = {row["Amount"] for _, row in files["pos_receipts.csv"]} - {"#REF!"}
    assert all(re.fullmatch(r"-?(\d{1,3},)?\d{1,3}\.\d\d", amount) for amount in amounts)
    assert any("," in amount for amount in amounts)
    assert any(amount.startswith("-") for amount in amounts)


@pytest.mark.parametrize("channel", CHANNELS)
def test_events_lie_within_their_drop(channel, drops, files):
    spoilt = [SPOILT[key] for key in SPOILT if key[0] == channel and key[1] in {"bad_date", "future"}]
    first = drops[0].drop_date
    for drop_date, row in files[CHANNELS[channel][0]]:
        if "_broken" in row or any(is_spoilt(row) for is_spoilt in spoilt):
            continue
        day = instant(channel, row).date()
        assert day == drop_date or (drop_date == first and first - timedelta(days=365) < day < first)


@pytest.mark.parametrize("channel", CHANNELS)
def test_truth_names_the_records_of_the_files_and_no_others(channel, files, persons, defects):
    name, key, *_ = CHANNELS[channel]
    occurrences = Counter(row[key] for _, row in files[name] if row.get(key))
    # Rows whose id cannot be read are known to the truth by the id that they would have had.
    occurrences.update(named(defects, channel, kind="missing_id") + named(defects, channel, kind="broken_json"))
    assert {ident for ident, times in occurrences.items() if times > 1} == set(
        named(defects, channel, kind="duplicate")
    )
    known = named(persons, channel)
    assert len(set(known)) == len(known)
    if channel == "pos_receipts":
        with_card = {row[key] for _, row in files[name] if row["Loyalty Card"] and row[key]}
        assert set(known) - with_card <= set(named(defects, channel, kind="missing_id"))
        assert set(known) >= with_card
        assert len(known) / len(occurrences) == pytest.approx(0.54, abs=0.05)
    else:
        assert set(known) == set(occurrences)


@pytest.mark.parametrize(("channel", "kind"), SPOILT)
def test_defects_are_in_the_bytes_and_nowhere_else(channel, kind, files, defects):
    name, key, *_ = CHANNELS[channel]
    planted = defects.filter(channel=channel, kind=kind)
    found = [
        (str(drop_date), row)
        for drop_date, row in files[name]
        if ("_broken" in row) == (kind == "broken_json") and SPOILT[channel, kind](row)
    ]
    assert Counter(night for night, _ in found) == Counter(planted["drop"])
    assert planted.height > 0
    if kind == "broken_json":
        assert {re.search(r'"messageId": "([^"]+)"', row["_broken"])[1] for _, row in found} == set(
            planted["source_record_id"]
        )
    elif kind != "missing_id":
        assert {row[key] for _, row in found} == set(planted["source_record_id"])


def test_no_row_has_two_defects_and_no_other_kinds_are_planted(defects):
    assert set(defects.select("channel", "kind").iter_rows()) == {*SPOILT, ("consent_receipts", "duplicate")}
    assert defects.select("channel", "source_record_id").is_unique().all()
    assert defects["source_record_id"].str.len_chars().min() > 0


def test_duplicates_are_the_same_in_every_field(files, defects):
    twice = set(named(defects, "consent_receipts", kind="duplicate"))
    rows = [json.dumps(row) for _, row in files["consent_receipts.ndjson"] if row["receipt_id"] in twice]
    assert set(Counter(rows).values()) == {2}


def test_most_refunds_repeat_an_earlier_order_of_the_same_customer(files):
    rows = [row for _, row in files["webshop_orders.ndjson"] if row["id"] and row["created_at"] != "yesterday"]
    sold = {
        (row["customer"]["id"], row["total_price"]): row["created_at"]
        for row in reversed(rows)
        if row["kind"] == "sale"
    }
    refunds = [row for row in rows if row["kind"] == "refund"]
    assert all(row["id"].rsplit("/", 1)[1].startswith("C") == (row["kind"] == "refund") for row in rows)
    assert all(float(row["total_price"]) > 0 for row in rows if row["total_price"] != "twelve")
    whole = [row for row in refunds if sold.get((row["customer"]["id"], row["total_price"]), "z") < row["created_at"]]
    assert len(whole) / len(refunds) > 0.75
    assert len(refunds) / len(rows) == pytest.approx(0.16, abs=0.05)


def test_people_are_as_people_are(files, persons):
    """What record linkage has to cope with is there: families, namesakes, accents, changes, errors, gaps."""
    who = {(channel, ident): person for channel, ident, person in persons.iter_rows()}
    west = [row for _, row in files["crm_west.csv"] if row["customer_no"]]
    east = [row for _, row in files["crm_east.csv"] if row["id_client"]]
    names = Counter((row["first_name"], row["last_name"]) for row in west)
    families = Counter(row["last_name"] for row in west)
    assert names.most_common(1)[0][1] > 1
    assert families.most_common(1)[0][1] > 5
    assert len(families) > len(west) / 4
    assert Counter((row["last_name"], row["street"], row["zip"]) for row in west).most_common(1)[0][1] > 1
    assert len({row["city"] for row in west}) > 30
    assert any(not row["nume_complet"].isascii() for row in east)
    assert not any("?" in row["nume_complet"] for row in east)
    assert any(", " in row["nume_complet"] for row in east)
    assert any(row["email"].isupper() for row in east)
    assert {re.sub(r"\d+", "9", row["phone"]) for row in west} == {
        "",
        "9",
        "(9) 9-9",
        "9-9-9",
        "9.9.9",
        "9 9 9 9",
        "+9",
    }
    of_east = {}
    for row in east:
        of_east.setdefault(who["crm_east", row["id_client"]], row)
    both = [(row, other) for row in west if (other := of_east.get(who["crm_west", row["customer_no"]]))]
    same_email = [one["email"] == two["email"].lower() for one, two in both if one["email"] and two["email"]]
    same_street = [one["street"] == two["adresa"] for one, two in both]
    assert 0.7 < sum(same_email) / len(same_email) < 1
    assert 0.4 < sum(same_street) / len(same_street) < 0.9
    phones = {}
    for row in west:
        if row["phone"]:
            phones.setdefault(re.sub(r"\D", "", row["phone"])[-10:], set()).add(who["crm_west", row["customer_no"]])
    assert any(len(people) > 1 for people in phones.values())
