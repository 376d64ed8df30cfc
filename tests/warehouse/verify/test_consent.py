"""Every statement of the drop files has its outcome; a loss that the pipeline plants is found."""

import ast
import csv
import gzip
import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import warehouse.verify
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.cli import app
from cdp_pipelines.consent import extend_ledger, find_unresolved
from cdp_pipelines.schema import LEDGER, RESOLUTION
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.declarations import COMPANY, load_all_contracts
from cdp_pipelines.standardise import (
    build_consent_event,
    build_party,
    build_privacy_request,
    find_unnamed_events,
    select_latest,
)
from cdp_pipelines.standardise.admission import admit_records
from tests.cdp_pipelines.standardise.test_consent_statement import (
    ALL_BITS,
    TCF,
    VENDOR_CASES,
    core,
    publisher,
)
from warehouse.verify.consent import Tables, account, read_channels, read_tables, verify_consent
from warehouse.verify.drop_files import read_drops, read_file
from warehouse.verify.statements import find_opt_outs, read_status, read_tcf

PACKAGE = Path(warehouse.verify.__file__).parent
CHANNELS = read_channels(COMPANY)
FIRST, SECOND, THIRD = (f"2024-01-0{day}" for day in (1, 2, 3))


@pytest.mark.parametrize("name", ["consent", "drop_files", "statements"])
def test_the_verifier_imports_nothing_of_the_pipeline(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text())
    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported & {"cdp_pipelines", "assets", "expectations", "polars", "orjson", "pydantic"} == set()


def take_in(drops, files):
    """Write drop files, (night, file name) to content, and take them in night by night as the pipeline does."""
    for (night, name), content in files.items():
        (drops / night).mkdir(parents=True, exist_ok=True)
        (drops / night / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    contracts = {name: load_all_contracts()[name] for name in CHANNELS}
    raw = {name: contract.raw.empty() for name, contract in contracts.items()}
    refused = {name: contract.quarantine.empty() for name, contract in contracts.items()}
    ledger = LEDGER.empty()
    for night in sorted({night for night, _ in files}):
        for path in sorted((drops / night).iterdir()):
            for name, contract in contracts.items():
                if path.name == contract.files:
                    data, day = path.read_bytes(), date.fromisoformat(night)
                    admitted = admit_records(
                        read_records(data, contract).frame.with_columns(
                            pl.lit(path.name).alias("file"),
                            pl.lit(hashlib.sha256(data).hexdigest()).alias("file_sha256"),
                            pl.lit(day).alias("drop_date"),
                            pl.lit(end_of_night(day)).alias("ingested_at"),
                        ),
                        raw[name],
                        contract,
                    )
                    raw[name] = pl.concat([raw[name], admitted.accepted])
                    refused[name] = pl.concat([refused[name], admitted.refused])
        current = {name: (select_latest(raw[name].lazy(), contract), contract) for name, contract in contracts.items()}
        events = pl.concat([build_consent_event(*each).collect() for each in current.values()])
        ledger = pl.concat([ledger, extend_ledger(ledger, events)])
    requests = pl.concat([build_privacy_request(*each).collect() for each in current.values()])
    party = pl.concat([build_party(*each).collect() for each in current.values()])
    unresolved = find_unresolved(
        pl.concat([find_unnamed_events(*each) for each in current.values()]),
        events.lazy(),
        requests.lazy(),
        party.lazy(),
        ledger.lazy(),
        RESOLUTION.empty().lazy(),
    ).collect()
    return Tables(
        ledger=ledger.to_dicts(),
        unresolved=unresolved.to_dicts(),
        consent_event=events.to_dicts(),
        privacy_request=requests.to_dicts(),
        party=party.to_dicts(),
        quarantine={name: rows.to_dicts() for name, rows in refused.items()},
        raw={name: rows.to_dicts() for name, rows in raw.items()},
    )


def verify(drops, tables):
    return account(list(read_drops(drops, CHANNELS)), CHANNELS, tables)


def to_lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def account_box(number, accepts, day=1, email=None):
    return {
        "id": f"W{number}", "created_at": f"2023-06-0{day}T00:00:00.0Z", "email": email or f"w{number}@post.example",
        "accepts_marketing": accepts,
    }  # fmt: skip


def receipt(number, status, value, kind="email", purpose="email_marketing"):
    return {
        "receipt_id": f"R{number}", "subject": {"type": kind, "value": value}, "purpose": purpose, "status": status,
        "event_time": "2023-06-05T00:00:00.0Z", "recorded_at": "2023-06-05T00:00:00.0Z", "notice_version": "2023-01",
        "collection_point": "checkout",
    }  # fmt: skip


def page(number, **context):
    return {
        "messageId": f"M{number}", "type": "page", "anonymousId": f"device-{number}", "context": context,
        "timestamp": "2023-06-05T00:00:00.0Z", "receivedAt": "2023-06-05T00:00:00.0Z",
    }  # fmt: skip


def desk_request(number, kind, value, subject_kind="email"):
    return {
        "request_id": f"Q{number}", "kind": kind, "subject": {"type": subject_kind, "value": value},
        "received_at": "2023-06-05T00:00:00.0Z",
    }  # fmt: skip


TC_DENIAL = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
BANNER = {"consent": {"categoryPreferences": {"Analytics": "FALSE", "Advertising": "maybe"}}}
CSV = """id,contact,list,reason,ts
U1,w1@post.example,email,unsubscribe link,2023-06-05 00:00:00
U2,mailto:W2@post.example,email,STOP,2023-06-05 00:00:00
U3,"Ann, née Bell
 <w3@post.example>",email,asked agent,2023-06-05 00:00:00
U4,(206) 555-0100,sms,STOP,2023-06-05 00:00:00
U5,"w4@post.example; w5@post.example",email,spam complaint,2023-06-05 00:00:00
U6,nobody at all,email,unsubscribe link,2023-06-05 00:00:00
U7,w1@post.example,carrier pigeon,STOP,2023-06-05 00:00:00
U8,w1@post.example,email,STOP
U9,w6@post.example,email,hard bounce,2023-06-05 00:00:00"""
FILES = {
    (FIRST, "webshop_customers.ndjson"): to_lines(
        account_box(1, True), account_box(2, "False"), account_box(3, "perhaps"), account_box(4, 0),
        account_box(5, None), account_box(6, True), account_box(7, False), account_box(8, False),
    ),
    (SECOND, "webshop_customers.ndjson"): to_lines(account_box(7, True, 2), account_box(8, False, 2, "new@post.example")),
    (THIRD, "webshop_customers.ndjson"): to_lines(account_box(7, False, 3)),
    (FIRST, "unsubscribes.csv"): CSV,
    (SECOND, "consent_receipts.ndjson"): to_lines(
        receipt(1, "granted", "w6@post.example"), receipt(2, "Withdrawn", "w6@post.example"), receipt(3, "granted", "W1@post.example"),
        receipt(4, "granted", "w1@post.example, w2@post.example"), receipt(5, "maybe", "w1@post.example"), receipt(6, "denied", "none@post.example"),
    ) + '{"receipt_id": "R7", "status": "denied"\n',
    (SECOND, "app_events.ndjson.gz"): gzip.compress(to_lines(
        page(1, **BANNER), page(2, gpc=True), page(3, consent={"tcf": TC_DENIAL}), page(4, gpp="DBABTA~1YYN"),
        page(5, gpp=f"DBABMA~{TC_DENIAL}"), page(6, gpp="DBABBg~BVqqqqpY.YA"), page(7),
    ).encode()),
    (SECOND, "call_centre.tsv"): (
        "ticket\topened\tcaller_number\tcaller_name\ttopic\tminutes\tnotes\n"
        "C1\t2023-06-05T00:00:00.0Z\t206 555 0100\tAnn\tUnsubscribe me\t1\t\n"
        "C2\t2023-06-05T00:00:00.0Z\twithheld\tBob\tunsubscribe me\t1\t\n"
    ),
    (SECOND, "privacy_requests.ndjson"): to_lines(
        desk_request(1, "Erasure", "<w1@post.example>"), desk_request(2, "access", "w2@post.example"),
        desk_request(3, "objection", "somebody"), desk_request(4, "restriction", "2065550100", "phone"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    drops = tmp_path_factory.mktemp("drops")
    return drops, take_in(drops, FILES)


OUTCOMES = {
    ("app_events", "obeyed", "in the ledger"): 13,
    ("call_centre", "obeyed", "in the ledger"): 4,
    ("call_centre", "unresolved", "listed"): 4,
    ("consent_receipts", "obeyed", "in the ledger"): 2,
    ("consent_receipts", "refused", "broken_json"): 1,
    ("consent_receipts", "refused", "unknown_status"): 1,
    ("consent_receipts", "superseded", "by a later event"): 2,
    ("consent_receipts", "unresolved", "listed"): 1,
    ("privacy_requests", "obeyed", "a request"): 3,
    ("privacy_requests", "obeyed", "in the ledger"): 2,
    ("privacy_requests", "unresolved", "listed"): 12,
    ("unsubscribes", "obeyed", "in the ledger"): 10,
    ("unsubscribes", "refused", "unknown_list"): 1,
    ("unsubscribes", "refused", "wrong_field_count"): 2,
    ("unsubscribes", "unresolved", "listed"): 2,
    ("webshop_customers", "obeyed", "in the ledger"): 3,
    ("webshop_customers", "refused", "a grant without notice or method"): 2,
    ("webshop_customers", "refused", "bad_boolean"): 1,
    ("webshop_customers", "superseded", "by a later event"): 1,
    ("webshop_customers", "superseded", "by a newer state of the record"): 3,
}


def test_every_statement_of_every_format_has_its_outcome(taken):
    report = verify(*taken)
    assert report.unaccounted == report.differences == []
    assert report.outcomes == OUTCOMES


# As mail programs, spreadsheets and people write them; some name nobody for certain.
EMAILS = [
    "mailto:ann@post.example", '"Ann" <ann@post.example>', "<ann@post.example>", "ann@\u200bpost.example",
    "ann@post.example;", "ann@post.example.", "ANN@POST.EXAMPLE", "ann@post.example (home)", "'ann@post.example'",
    "mailto:ann@post.example?subject=stop", "ann\uff20post.example", "ann @ post.example", "ann%40post.example",
    "ann&#64;post.example", "ann@post.example, bob@post.example", "ann@post.example / bob@post.example",
    "Bell, Ann <ann@post.example>", "o'hara@post.example", "ann@post", "ann@@post.example", "ann(at)post.example",
    "*ann@post.example*", "_ann_@post.example", "\u202aann@post.example\u202c", "bob@home.example <ann@post.example>",
]  # fmt: skip
PHONES = [
    "+1 206-555-0100", "(206) 555-0100", "2065550100.0", "2.065550100E+09", "2.06E+09", '="2065550100"', "'2065550100",
    "tel:+12065550100", "001 206 555 0100", "206 555 0100 ext. 12", "\uff12065550100", "206 555 0100 / 206 555 0101",
    "2,065,550,100", "5550100", "206\u00a0555\u00a00100", "2065550100 or 2065550101", "206555010",
]  # fmt: skip


def test_an_opt_out_in_an_odd_form_is_obeyed_or_listed(tmp_path):
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["id", "contact", "list", "reason", "ts"])
    for number, contact in enumerate([*EMAILS, *PHONES]):
        rows.writerow([f"U{number}", contact, "email", "unsubscribe link", "2023-06-05 00:00:00"])
    tables = take_in(tmp_path, {(FIRST, "unsubscribes.csv"): text.getvalue()})
    report = verify(tmp_path, tables)
    assert report.unaccounted == report.differences == []
    outcomes = {outcome: count for (_, outcome, _), count in report.outcomes.items()}
    # Of each form two statements. Listed are six that nobody can read, and four with a second subject that is unknown.
    assert outcomes == {"obeyed": 64, "unresolved": 20}


def without(rows, **values):
    kept = [row for row in rows if any(row[name] != value for name, value in values.items())]
    assert len(kept) < len(rows)
    return kept


def changed(rows, changes, **values):
    found = [row for row in rows if all(row[name] == value for name, value in values.items())]
    assert found
    return [row | changes if row in found else row for row in rows]


# Table, what is wrong with its rows, and the statement that is reported with its problem.
LOSSES = [
    pytest.param("ledger", lambda rows: without(rows, source_record_id="U2", purpose="email_marketing"), "line 3: withdrawn email_marketing: the ledger does not have it", id="event_lost"),
    pytest.param("ledger", lambda rows: without(rows, event_id="unsubscribes:U5#2"), "line 7: complained *: the ledger has it for some of its subjects alone", id="second_subject_lost"),
    pytest.param("ledger", lambda rows: changed(rows, {"status": "granted"}, event_id="webshop_customers:W2"), "line 2: denied email_marketing: the ledger does not have it", id="denial_as_grant"),
    pytest.param("ledger", lambda rows: changed(rows, {"subject_value": "other@post.example"}, source_record_id="U1"), "line 2: withdrawn email_marketing: the ledger has it for another subject", id="other_e_mail"),
    pytest.param("ledger", lambda rows: changed(rows, {"subject_value": "+12065550199"}, source_record_id="C1"), "line 2: withdrawn email_marketing: the ledger has it for another subject", id="other_phone"),
    pytest.param("ledger", lambda rows: changed(rows, {"subject_value": "device-22"}, source_record_id="M2"), "line 2: objected advertising: the ledger has it for another subject", id="other_device"),
    pytest.param("ledger", lambda rows: without(rows, event_id="webshop_customers:W7@2"), "line 1: denied email_marketing: the ledger has an earlier one alone, before a grant of the same record", id="renewed_denial_lost"),
    pytest.param("ledger", lambda rows: without(rows, event_id="webshop_customers:W8@2"), "line 2: denied email_marketing: the ledger has it for another subject", id="denial_of_new_address_lost"),
    pytest.param("ledger", lambda rows: without(rows, source_record_id="M3", purpose="analytics"), "line 3: denied analytics: the ledger does not have it", id="tc_string_lost"),
    pytest.param("ledger", lambda rows: without(rows, source_record_id="M6", purpose="advertising"), "line 6: objected advertising: the ledger does not have it", id="gpp_string_lost"),
    pytest.param("unresolved", lambda rows: without(rows, source_record_id="C2"), "line 3: withdrawn email_marketing: the ledger does not have it", id="unresolved_record_lost"),
    pytest.param("unresolved", lambda rows: without(rows, source_record_id="U6"), "line 8: withdrawn email_marketing: it reaches nobody, and is not listed as unresolved", id="unreadable_subject_not_listed"),
    pytest.param("privacy_request", lambda rows: without(rows, source_record_id="Q2"), "line 2: access request: there is no request", id="request_lost"),
    pytest.param("privacy_request", lambda rows: changed(rows, {"subject_value": "x@post.example"}, source_record_id="Q2"), "line 2: access request: the request is about another subject", id="request_of_another"),
    pytest.param("quarantine", lambda tables: tables | {"unsubscribes": without(tables["unsubscribes"], source_record_id="U8")}, "line 10: withdrawn email_marketing: has 4 fields; the header has 5", id="refused_line_lost"),
    pytest.param("quarantine", lambda tables: tables | {"consent_receipts": without(tables["consent_receipts"], rule="broken_json")}, "line 7: unreadable ?: is not valid JSON", id="broken_line_lost"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "plant", "expected"), LOSSES)
def test_a_loss_is_found(taken, table, plant, expected):
    drops, tables = taken
    report = verify(drops, replace(tables, **{table: plant(getattr(tables, table))}))
    assert expected in {each.partition(", ")[2] for each in report.unaccounted}


def test_a_grant_that_no_record_states_is_found(taken):
    drops, tables = taken
    (row,) = [each for each in tables.ledger if each["event_id"] == "consent_receipts:R6"]
    planted = row | {"status": "granted", "position": 99}
    assert verify(drops, replace(tables, ledger=[*tables.ledger, planted])).differences == [
        "consent_receipts:R6: granted email_marketing: no drop record states it"
    ]
    # The events of a night whose folder is not there cannot be checked.
    earlier = planted | {"drop_date": date(2023, 12, 31)}
    assert verify(drops, replace(tables, ledger=[*tables.ledger, earlier])).differences == []


@pytest.mark.parametrize(
    ("subject", "purpose", "point", "since", "found"),
    [
        pytest.param("w6@post.example", "email_marketing", "w6@post.example", 4, {"R2", "U9"}, id="before_withdrawal"),
        pytest.param("w6@post.example", "email_marketing", "w6@post.example", 6, {"U9"}, id="after_withdrawal_but_bounced"),
        pytest.param("w6@post.example", "analytics", "", 4, set(), id="other_purpose"),
        pytest.param("w1@post.example", "analytics", "", 6, {"Q1"}, id="erased"),
        pytest.param("w2@post.example", "analytics", "", 6, set(), id="unsubscribed_from_a_list"),
        pytest.param("w3@post.example", "sms_marketing", "w3@post.example", 4, {"U3"}, id="unsubscribed_contact_point"),
        pytest.param("w3@post.example", "sms_marketing", "w3@post.example", 6, set(), id="granted_after_unsubscribing"),
    ],
)  # fmt: skip
def test_somebody_who_is_allowed_after_a_denial_is_found(taken, subject, purpose, point, since, found):
    drops, tables = taken
    holders = [row for row in tables.party if row["email"] == subject]
    crosswalk = [
        {name: row[name] for name in ("channel", "source_record_id")} | {"customer_id": "c"} for row in holders
    ]
    decision = {
        "customer_id": "c", "purpose": purpose, "contact_point": point, "is_allowed": True, "lawful_basis": "consent",
        "since_at": datetime(2023, 6, since, tzinfo=UTC), "valid_from": datetime(2024, 1, 4, tzinfo=UTC),
    }  # fmt: skip
    report = verify(drops, replace(tables, crosswalk=crosswalk, decision=[decision]))
    assert {each.partition(":")[2].partition(":")[0] for each in report.differences} == found
    allowed_otherwise = decision | {"lawful_basis": "legal_obligation"}
    assert verify(drops, replace(tables, crosswalk=crosswalk, decision=[allowed_otherwise])).differences == []


def test_statements_of_a_file_that_is_not_loaded_wait_where_the_channel_declares_when_it_is_whole(taken):
    name = "unsubscribes"
    records = [record for record in read_drops(taken[0], CHANNELS) if record.channel == name]
    loaded = [{"channel": name, "file_sha256": record.sha256} for record in records]
    for declared, files, outcome in (
        ({"marker": "_SUCCESS"}, [], "waiting"),
        ({"marker": "_SUCCESS"}, loaded, "unaccounted"),
        (None, [], "unaccounted"),
    ):
        channels = {name: CHANNELS[name] | {"complete_when": declared}}
        report = account(records, channels, Tables(file=files))
        assert {found for _, found, _ in report.outcomes} == {outcome}
        assert bool(report.unaccounted) == (outcome == "unaccounted")


def test_a_resolution_and_retention_account_for_records(taken):
    drops, tables = taken
    ledger, unresolved = tables.ledger, without(tables.unresolved, source_record_id="C2")
    nobody = {"channel": "call_centre", "source_record_id": "C2"}
    named = verify(drops, replace(tables, unresolved=unresolved, resolution=[nobody]))
    assert named.outcomes["call_centre", "refused", "a clerk decided"] == 4
    events = [row | {"event_id": "call_centre:C2~1", **nobody} for row in ledger if row["source_record_id"] == "C1"]
    obeyed = verify(drops, replace(tables, ledger=[*ledger, *events], unresolved=unresolved, resolution=[nobody]))
    assert obeyed.outcomes["call_centre", "obeyed", "resolved by a clerk"] == 4
    refused = tables.quarantine["consent_receipts"]
    removed = {
        "table": "quarantine/consent_receipts",
        "file_sha256": refused[0]["file_sha256"],
        "field": "",
        "removed_count": 2,
    }
    gone = replace(tables, quarantine=tables.quarantine | {"consent_receipts": []}, retention=[removed])
    assert verify(drops, gone).outcomes["consent_receipts", "refused", "retention of quarantine"] == 2
    too_few = replace(gone, retention=[removed | {"removed_count": 1}])
    assert verify(drops, too_few).outcomes["consent_receipts", "refused", "retention of quarantine"] == 1
    assert len(verify(drops, too_few).unaccounted) == 1


def read_values(data, **channel):
    declared = {"format": "csv", "key": "id"} | channel
    return [values | {"!": problem} if problem else values for _, values, problem in read_file(data, declared)]


GZIP = gzip.compress(b"id\n1\n2\n", mtime=0)
PARQUET = io.BytesIO()
pl.DataFrame({"id": ["1", None], "has": [True, None], "of": [{"n": 1}, {"n": None}]}).write_parquet(PARQUET)


@pytest.mark.parametrize(
    ("data", "channel", "expected"),
    [
        pytest.param(b"\rid,a\n1,x\n2,y", {}, [{"id": "1", "a": "x"}, {"id": "2", "a": "y"}], id="blank_first_line_and_no_last_line_end"),
        pytest.param(b'id,a\r\n1,"x\r\ny"\r\n\r\n2,"""q"""', {}, [{"id": "1", "a": "x\r\ny"}, {"id": "2", "a": '"q"'}], id="quotes"),
        pytest.param(b'id,a\n1,"x\n2,y\n3,z\n', {}, [{"id": "1", "a": "x\n"}, {"id": "2", "a": "y"}, {"id": "3", "a": "z"}], id="unclosed_quote"),
        pytest.param(b"id,a\n1\n", {}, [{"id": "1", "!": "has 1 fields; the header has 2"}], id="too_few_fields"),
        pytest.param(b"\xef\xbb\xbfid;a\n1;\xc3\xa9\n", {"delimiter": ";"}, [{"id": "1", "a": "é"}], id="byte_order_mark"),
        pytest.param(b"id\n\x93\xe9\n", {"encoding": "latin-1"}, [{"id": "“é"}], id="windows_1252"),
        pytest.param(GZIP, {"compression": "gzip"}, [{"id": "1"}, {"id": "2"}], id="gzip"),
        pytest.param(GZIP + gzip.compress(b"3\n") + b"\0\0", {"compression": "gzip"}, [{"id": "1"}, {"id": "2"}, {"id": "3"}], id="gzip_members"),
        pytest.param(GZIP[:-8] + b"\0" * 8, {"compression": "gzip"}, [{"id": "1"}, {"id": "2"}], id="gzip_checksum"),
        pytest.param(GZIP[:-4], {"compression": "gzip"}, [{"id": "1"}, {"id": "2"}], id="gzip_cut_short"),
        pytest.param(b"no gzip", {"compression": "gzip"}, [{"!": "is damaged gzip"}], id="no_gzip"),
        pytest.param(PARQUET.getvalue(), {"format": "parquet"}, [{"id": "1", "has": "true", "of": '{"n": 1}', "of.n": "1"}, {"of": '{"n": null}'}], id="parquet"),
        pytest.param(b"PAR1", {"format": "parquet"}, [{"!": "is damaged Parquet"}], id="damaged_parquet"),
        pytest.param(b'[{"id": 1}, {"id": x}, {"id": 18446744073709551617}] [{"id": 3}', {"format": "json_array"}, [{"id": "1"}, {"!": "is not valid JSON"}, {"id": "18446744073709551617"}, {"id": "3"}], id="json_arrays"),
        pytest.param(b'{"id": "1", "a": {"b": false}, "c": null, "d": " "}\n\n[1]', {"format": "ndjson"}, [{"id": "1", "a": '{"b": false}', "a.b": "false"}, {"!": "is not a JSON object"}], id="json_lines"),
    ],
)  # fmt: skip
def test_files_are_read_without_the_pipeline(data, channel, expected):
    assert read_values(data, **channel) == expected


def test_elements_of_lists_are_rows_of_their_own():
    record = {"id": "r", "s": [{"n": 1, "p": [{"m": "a"}, {"m": "b"}]}, {"n": 2, "p": []}]}
    rows = read_values(json.dumps(record).encode(), format="ndjson", one_row_per="s[].p[]")
    assert [(row["id"], row["s[].n"], row.get("s[].p[].m")) for row in rows] == [
        ("r#1", "1", "a"), ("r#2", "1", "b"), ("r#3", "2", None),
    ]  # fmt: skip
    assert [row["id"] for row in read_values(b'{"id": "r"}', format="ndjson", one_row_per="s[]")] == ["r#0"]


@pytest.mark.parametrize(
    ("word", "status"),
    [("TRUE", "granted"), (" ja ", "granted"), ("1.0", "granted"), ("False", "denied"), ("0", "denied"), ("hayır", "denied"),  # noqa: RUF001
     ("perhaps", "denied"), ("2", "denied"), ("n/a", None), ("-", None)],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_denial(word, status):
    mapping = {"from": "box", "map": {"true": "granted", "false": "denied"}}
    assert read_status(mapping, {"box": word}) == status


CONSENTING = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA"


@pytest.mark.parametrize(
    ("text", "number", "statuses"),
    [
        pytest.param(TC_DENIAL, "2", ["denied"], id="denied"),
        pytest.param(CONSENTING, "1", ["granted"], id="granted"),
        pytest.param(CONSENTING, "4", ["denied"], id="other_purpose"),
        pytest.param(f"DBABMA~{CONSENTING}", "2", ["granted"], id="gpp"),
        pytest.param(f"DBABMA~{CONSENTING}~1YNN", "2", [], id="gpp_with_too_many_sections"),
        pytest.param("nonsense!", "2", [], id="unreadable"),
    ],
)
def test_tc_strings_are_decoded_without_the_pipeline(text, number, statuses):
    assert [status for _, status in read_tcf({"purposes": {number: ["ads"]}}, text)] == statuses


@pytest.mark.parametrize(("text", "expected"), VENDOR_CASES)
def test_vendors_are_decoded_without_the_pipeline(text, expected):
    assert dict(read_tcf(TCF, text)) == expected


@pytest.mark.parametrize(
    ("segment", "status"),
    [("." + publisher((2,), (), "001", "000"), "granted"), ("." + publisher((1,), (), "001", "000"), "denied"),
     ("." + publisher((2,), (), "110", "000"), "denied"), ("", "denied")],
)  # fmt: skip
def test_publishers_are_decoded_without_the_pipeline(segment, status):
    mapping = {"publisher_purposes": {"2": ["advertising"]}, "publisher_custom_purposes": {"3": ["advertising"]}}
    assert dict(read_tcf(mapping, core(**ALL_BITS) + segment)) == {"advertising": status}


@pytest.mark.parametrize(
    ("text", "opt_outs"),
    [
        ("DBABTA~1YYN", {"sale"}),
        ("DBABTA~1---", set()),
        ("DBABLA~BVVVVVVVVWA", {"sale", "sharing", "targeted_advertising"}),
        ("DBABzw~1YNN~BVVqAAEABCA.QA", set()),
        ("DBABBg~BVqqqqpY.YA", {"sale", "sharing", "targeted_advertising"}),
        ("DBABRg~BVVVVWY", {"sale", "targeted_advertising"}),
        ("DBABFg~BVVVVVmA", {"sale", "targeted_advertising"}),
    ],
)
def test_gpp_strings_are_decoded_without_the_pipeline(text, opt_outs):
    assert find_opt_outs(text) == opt_outs


def test_every_statement_of_the_sample_is_accounted_for(sample, capsys):
    report = verify_consent(sample.lake.path, sample.drops, COMPANY)
    with capsys.disabled():
        print(f"\nsample: {report.outcomes.total():,} statements, {len(report.unaccounted)} unaccounted")
    assert report.unaccounted == report.differences == []
    assert (
        report.outcomes.total() >= sample.lake.read(LEDGER).filter(pl.col("channel").is_in(list(CHANNELS))).height > 0
    )
    assert {outcome for _, outcome, _ in report.outcomes} == {"obeyed", "superseded", "unresolved", "refused"}


@pytest.mark.slow
def test_every_statement_of_anytown_is_accounted_for(anytown):
    report = verify_consent(anytown.lake.path, anytown.drops, COMPANY)
    assert report.unaccounted == report.differences == []
    assert report.outcomes.total() == 171_384


def test_the_command_fails_for_a_lost_withdrawal(sample, monkeypatch):
    def lose_withdrawal(lake, channels):
        tables = read_tables(lake, channels)
        lost = next(row for row in tables.ledger if row["status"] == "withdrawn")
        return replace(tables, ledger=[row for row in tables.ledger if row is not lost])

    monkeypatch.setattr("warehouse.verify.consent.read_tables", lose_withdrawal)
    command = ["verify", "consent", "--lake", str(sample.lake.path), "--drops", str(sample.drops), "--format", "json"]
    done = CliRunner().invoke(app, [*command, "--output", "-"])
    assert done.exit_code == 1
    (lost,) = json.loads(done.stdout)["unaccounted"]
    assert lost["statement"].endswith("the ledger does not have it")
