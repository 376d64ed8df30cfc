"""A record with a list is one row for each element, and no element is lost or takes another one with it."""

import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines import standardise
from cdp_pipelines.channels.contract import load_contract
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.retention.expiry import START, start_of_retention
from cdp_pipelines.standardise.admission import admit_records

CASES = Path(__file__).parents[4] / "shared" / "cases"
PURPOSE, TYPE = "services[].purposes[].purpose", "services[].purposes[].consentType"
# A consent receipt of the Kantara Initiative, version 1.1: services with purposes each.
RECEIPTS = {
    "title": "Receipts",
    "owner": "team:t",
    "system": "t",
    "region": "IE",
    "files": "*.ndjson",
    "format": "ndjson",
    "key": "consentReceiptID",
    "one_row_per": "services[].purposes[]",
    "event_time": {"fields": ["consentTimestamp"], "formats": ["epoch_s"]},
    "fields": {
        "consentReceiptID": {"description": "id"},
        "consentTimestamp": {"description": "time"},
        "piiPrincipalId": {"description": "subject"},
        "services[].service": {"description": "service"},
        PURPOSE: {"description": "purpose", "required": True},
        TYPE: {"description": "EXPLICIT or IMPLICIT", "allowed": ["EXPLICIT", "WITHDRAWN"]},
    },
    "collected_for": ["analytics"],
    "retention": "P6Y",
    "consents": [
        {
            "subject_kind": {"constant": "email"},
            "subject_value": "piiPrincipalId",
            "purpose": PURPOSE,
            "status": {"from": TYPE, "map": {"EXPLICIT": "granted", "WITHDRAWN": "withdrawn"}},
            "notice_version": {"constant": "2020-01"},
            "method": {"constant": "form"},
        }
    ],
}
RECEIPT = {"consentReceiptID": "cr-1", "consentTimestamp": 1717236000, "piiPrincipalId": "ann@post.example"}
# Customers with a list of plain texts.
STATES = {
    **{key: value for key, value in RECEIPTS.items() if key != "consents"},
    "records": "state",
    "one_row_per": "tags[]",
    "fields": {
        **{name: field for name, field in RECEIPTS["fields"].items() if "[]" not in name},
        "tags[]": {"description": "tag", "category": "behaviour"},
    },
}


def channel(declared=RECEIPTS, **changes):
    return load_contract("receipts", {**declared, **changes}, "receipts/defs.yaml")


def purpose(name, kind="EXPLICIT"):
    return {"purpose": name, "consentType": kind}


def read(*records, contract=None):
    data = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in records)
    return read_records(data.encode(), contract or channel())


def deliver(records, night, known=None, contract=None):
    """(accepted, refused) of a file of this night."""
    contract = contract or channel()
    file = {"file": "f", "file_sha256": str(night), "drop_date": night, "ingested_at": datetime(2024, 7, 2, tzinfo=UTC)}
    frame = read(*records, contract=contract).frame.with_columns(
        pl.lit(value).alias(key) for key, value in file.items()
    )
    admitted = admit_records(frame, contract.raw.empty() if known is None else known, contract)
    return admitted.accepted, admitted.refused


NIGHTS = [date(2024, 7, day) for day in range(1, 9)]


def test_a_receipt_with_three_purposes_is_three_consent_events():
    if not CASES.exists():
        pytest.skip(f"the shared cases are not on this machine: there is no {CASES}")
    record = (CASES / "consent" / "K7" / "kantara.ndjson").read_text().strip()
    accepted, refused = deliver([record], NIGHTS[0])
    events = standardise.build_consent_event(standardise.select_latest(accepted.lazy(), channel()), channel()).collect()
    assert refused.is_empty()
    assert events.select("event_id", "subject_value", "purpose", "status").sort("event_id").rows() == [
        ("receipts:cr-1#1", "ann@post.example", "newsletter", "granted"),
        ("receipts:cr-1#2", "ann@post.example", "profiling", "granted"),
        ("receipts:cr-1#3", "ann@post.example", "location", "granted"),
    ]
    assert accepted["services_service"].to_list() == ["shop", "shop", "app"]
    # The record of each row has its own element and everything around it.
    assert [json.loads(each)["services"][0]["purposes"] for each in accepted["record"]] == [
        [purpose("newsletter")], [purpose("profiling")], [purpose("location")],
    ]  # fmt: skip
    assert all(json.loads(each)["jurisdiction"] == "EU" for each in accepted["record"])


FORMS = [
    pytest.param({}, [("cr-1#0", "missing_services_purposes_purpose")], [], id="no_list"),
    pytest.param({"services": None}, [("cr-1#0", "missing_services_purposes_purpose")], [], id="null"),
    pytest.param({"services": []}, [("cr-1#0", "missing_services_purposes_purpose")], [], id="empty_list"),
    pytest.param(
        {"services": [{"service": "a", "purposes": []}, {"service": "b", "purposes": [purpose("x")]}]},
        [("cr-1#1", "missing_services_purposes_purpose"), ("cr-1#2", None)],
        [],
        id="empty_list_within_a_list",
    ),
    pytest.param(
        {"services": {"service": "a", "purposes": purpose("x")}},
        [("cr-1#1", None)],
        ["value_for_list: services[]", "value_for_list: services[].purposes[]"],
        id="objects_for_lists",
    ),
    pytest.param(
        {"services": [{"purposes": {"x": purpose("x")}}]},
        [("cr-1#1", "broken_element")],
        ["value_for_list: services[].purposes[]", "unknown_column"],
        id="a_map_for_a_list",
    ),
    pytest.param(
        {"services": [{"purposes": [purpose("x"), "y", None, [purpose("z")], {}, purpose("w", "?"), purpose("v")]}]},
        [
            ("cr-1#1", None),
            ("cr-1#2", "broken_element"),
            ("cr-1#3", "broken_element"),
            ("cr-1#4", "broken_element"),
            ("cr-1#5", "broken_element"),
            ("cr-1#6", "unknown_services_purposes_consent_type"),
            ("cr-1#7", None),
        ],
        [],
        id="broken_elements_among_sound_ones",
    ),
    pytest.param(
        {"services": [{"purposes": [{"purpose": ["x", "y"], "consentType": "WITHDRAWN"}]}]},
        [("cr-1#1", "nested_value")],
        [],
        id="a_list_where_one_purpose_is_declared",
    ),
    pytest.param(
        {"services": "shop"}, [("cr-1#1", "broken_element")], ["value_for_list: services[]"], id="a_text_for_a_list"
    ),
]


@pytest.mark.parametrize(("more", "rows", "warnings"), FORMS)
def test_what_a_list_can_look_like(more, rows, warnings):
    found = read({**RECEIPT, **more})
    accepted, refused = deliver([{**RECEIPT, **more}], NIGHTS[0])
    by_id = {**dict.fromkeys(accepted["source_record_id"]), **dict(refused.select("source_record_id", "rule").rows())}
    assert sorted(by_id.items()) == rows
    assert accepted.height + refused.height == found.frame.height
    assert [warning[: len(start)] for warning, start in zip(found.warnings, warnings, strict=True)] == warnings


def test_digits_and_text_of_elements_are_as_delivered():
    contract = channel(STATES)
    tags = '[12345678901234567890123, 1.50, "\\u00e9", true, {"a": [9007199254740993]}]'
    frame = read(json.dumps(RECEIPT)[:-1] + f', "tags":  {tags}}}', contract=contract).frame
    assert frame["tags"].to_list() == ["12345678901234567890123", "1.5", "é", "true", '{"a":["9007199254740993"]}']
    assert [each.rsplit('"tags":  ')[1] for each in frame["record"]] == [
        "[12345678901234567890123]}", "[1.50]}", '["\\u00e9"]}', "[true]}", '[{"a": [9007199254740993]}]}',
    ]  # fmt: skip


def test_a_broken_record_keeps_its_key():
    frame = read('{"consentReceiptID": "cr-9", "services": [{', {**RECEIPT, "services": []}).frame
    assert frame.select("source_record_id", "rule").rows() == [("cr-9", "broken_json"), ("cr-1#0", None)]
    assert frame["row_number"].to_list() == [1, 2]


def test_elements_that_repeat_too_much_refuse_the_record_alone():
    bomb = {**RECEIPT, "note": "x" * 100_000, "services": [{"purposes": [purpose("x")] * 100_000}]}
    frame = read(bomb, {**RECEIPT, "services": [{"purposes": [purpose("x")]}]}).frame
    assert frame.select("source_record_id", "rule").rows() == [("cr-1#1", "too_many_elements"), ("cr-1#1", None)]


def test_elements_nested_too_deeply_refuse_the_record_alone():
    deep = json.dumps(RECEIPT)[:-1] + ', "services": ' + "[" * 900 + "]" * 900 + "}"
    frame = read(deep, {**RECEIPT, "services": [{"purposes": [purpose("x")]}]}).frame
    assert frame["rule"].to_list()[-1] is None
    assert frame["rule"].is_not_null().sum() == 1


def test_lists_of_parquet_are_rows_too():
    services = [[{"service": "a", "purposes": [purpose("x"), purpose("y")]}], None, []]
    written = io.BytesIO()
    pl.DataFrame(
        {name: [value] * 3 for name, value in RECEIPT.items()} | {"services": services}, strict=False
    ).write_parquet(written)
    frame = read_records(written.getvalue(), channel(format="parquet")).frame
    assert frame["source_record_id"].to_list() == ["cr-1#1", "cr-1#2", "cr-1#0", "cr-1#0"]
    assert frame["services_purposes_purpose"].to_list() == ["x", "y", None, None]


def test_a_key_within_the_element_is_the_id_of_its_row():
    events = channel(
        {key: value for key, value in RECEIPTS.items() if key != "consents"},
        one_row_per="events[]",
        key="events[].id",
        event_time={"fields": ["events[].at"], "formats": ["epoch_s"]},
        fields={"events[].id": {"description": "id"}, "events[].at": {"description": "time"}},
    )
    batch = {"batch": 1, "events": [{"id": "a", "at": 1717236000}, {"at": 1717236000}, {"id": "b", "at": 1717236001}]}
    accepted, refused = deliver([batch], NIGHTS[0], contract=events)
    assert accepted["source_record_id"].to_list() == ["a", "b"]
    assert refused["rule"].to_list() == ["missing_id"]


def test_a_state_has_the_elements_of_its_newest_delivery():
    contract = channel(STATES)
    raw = contract.raw.empty()
    for night, tags in zip(NIGHTS, [["a", "b", "c"], ["a", "d"], ["a", "d"], ["a", "b", "c"], ["b"]], strict=False):
        accepted, refused = deliver([{**RECEIPT, "tags": tags}], night, raw, contract)
        raw = pl.concat([raw, accepted])
        current = standardise.select_latest(raw.lazy(), contract).collect()
        assert refused.is_empty()
        assert current.sort("row_number")["tags"].to_list() == tags


def test_an_element_of_an_older_state_does_not_outlive_the_newest():
    contract = channel(STATES)
    older, _ = deliver([{**RECEIPT, "tags": ["a", "b"]}], NIGHTS[0], contract=contract)
    newer, _ = deliver([{**RECEIPT, "consentTimestamp": 1600000000, "tags": ["a"]}], NIGHTS[1], older, contract)
    starts = pl.concat([older, newer]).select(start_of_retention(contract))[START]
    assert starts.n_unique() == 1


def test_a_receipt_delivered_again_is_a_duplicate_of_each_element():
    receipt = {**RECEIPT, "services": [{"purposes": [purpose("x"), purpose("y")]}]}
    first, _ = deliver([receipt], NIGHTS[0])
    again, refused = deliver([receipt], NIGHTS[1], first)
    assert again["is_duplicate"].to_list() == [True, True]
    changed = {**receipt, "services": [{"purposes": [purpose("x"), purpose("z")]}]}
    again, refused = deliver([changed], NIGHTS[2], first)
    assert (again["source_record_id"].to_list(), refused["source_record_id"].to_list()) == (["cr-1#1"], ["cr-1#2"])


MISPLACED = [
    pytest.param([{"status": "no"}], "list_for_object", "list_for_object", id="a_list"),
    pytest.param("no", "value_for_object", "value_for_object", id="a_text"),
    pytest.param(False, "value_for_object", "value_for_object", id="a_boolean"),
    pytest.param([], None, "list_for_object", id="an_empty_list"),
    pytest.param("", None, None, id="an_empty_text"),
    pytest.param(None, None, None, id="null"),
]


@pytest.mark.parametrize(("value", "rule", "warning"), MISPLACED)
def test_another_value_for_an_object_of_a_consent_is_refused(value, rule, warning):
    declared = {key: value for key, value in RECEIPTS.items() if key not in {"one_row_per", "fields"}}
    contract = channel(
        declared,
        fields={
            **{name: field for name, field in RECEIPTS["fields"].items() if "[]" not in name},
            "consent.status": {"description": "choice"},
        },
        consents=[
            {
                "subject_kind": {"constant": "email"},
                "subject_value": "piiPrincipalId",
                "purposes": ["analytics"],
                "status": {"from": "consent.status", "map": {"no": "denied"}},
            }
        ],
    )
    found = read({**RECEIPT, "consent": value}, contract=contract)
    assert found.frame["rule"].to_list() == [rule]
    assert [each.partition(":")[0] for each in found.warnings] == ([warning] if warning else [])


BROKEN = [
    pytest.param({"one_row_per": "services"}, "one_row_per: String should match pattern", id="no_brackets"),
    pytest.param({"one_row_per": None}, "one_row_per allows: none", id="a_list_that_no_key_declares"),
    pytest.param({"one_row_per": "other[]"}, "is in list services[]; one_row_per allows: other[]", id="another_list"),
    pytest.param({"format": "csv"}, "one_row_per needs format ndjson, json_array or parquet", id="csv"),
    pytest.param(
        {"one_row_per": "services[].purposes[].parts[]"},
        "one_row_per names list services[].purposes[].parts[], but no field in it is declared",
        id="no_field",
    ),
    pytest.param(
        {"fields": {**RECEIPTS["fields"], "Services": {"description": "x"}}},
        "'services' is the list of one_row_per",
        id="a_field_of_the_same_name",
    ),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_wrong_contract_names_the_list(change, message):
    with pytest.raises(PolicyError) as raised:
        channel(**change)
    assert message in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["service", "purposes", "purpose", "consentType", "else"]), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.booleans())
def test_no_element_is_lost_whatever_the_json(services, is_spaced):
    """As many rows as a second reading in plain Python counts, and each purpose in the record of a row."""
    record = json.dumps({"services": services, **RECEIPT}, separators=(" ,\t", " :  ") if is_spaced else None)
    rows = read(record).frame
    elements = services if isinstance(services, list) and services else [services]
    purposes = [each.get("purposes") if isinstance(each, dict) else None for each in elements]
    assert rows.height == sum(len(each) or 1 if isinstance(each, list) else 1 for each in purposes)
    delivered = sorted(json.dumps(part) for each in purposes if isinstance(each, list) for part in each)
    split = [json.loads(text)["services"] for text in rows["record"]]
    kept = [
        part["purposes"]
        for each in split
        if isinstance(each, list)
        for part in each
        if isinstance(part, dict) and "purposes" in part
    ]
    if isinstance(services, list):
        assert sorted(json.dumps(part) for each in kept if isinstance(each, list) for part in each) == delivered
