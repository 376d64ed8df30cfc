"""Which records are refused, by which rule, and that none is ever lost."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.channels.contract import load_contract
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.standardise.admission import admit_records

NIGHT = date(2024, 5, 1)


def channel(**declared):
    return load_contract(
        "t",
        {
            "title": "T",
            "owner": "team:t",
            "system": "t",
            "region": "US",
            "files": "t.csv",
            "format": "csv",
            "key": "id",
            "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d %H:%M"], "tolerance_h": 1},
            "fields": {
                "id": {"description": "key"},
                "at": {"description": "time"},
                "kind": {"description": "kind", "allowed": ["a", "b"]},
                "n": {"description": "number", "type": "integer", "strict": True, "minimum": 0, "maximum": 10},
                "amount": {"description": "amount", "type": "number", "thousands": ",", "strict": True},
                "who": {"description": "who", "required": True},
            },
            "collected_for": ["analytics"],
            "retention": "P1Y",
            **declared,
        },
        "t/defs.yaml",
    )


def staged(rows, of=None, night=NIGHT, sha="f1"):
    text = "id,at,kind,n,amount,who\n" + "\n".join(rows) + "\n"
    return read_records(text.encode(), of or channel()).frame.with_columns(
        pl.lit("t.csv").alias("file"),
        pl.lit(sha).alias("file_sha256"),
        pl.lit(night).alias("drop_date"),
        pl.lit(datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)).alias("ingested_at"),
    )


GOOD = '1,2024-05-01 10:00,a,5,"1,234.50",me'
CASES = [
    pytest.param(GOOD, None, id="sound"),
    pytest.param(",2024-05-01 10:00,a,5,1,me", "missing_id", id="no_id"),
    pytest.param("  ,2024-05-01 10:00,a,5,1,me", "missing_id", id="blank_id"),
    pytest.param('"{""a"": 1}",2024-05-01 10:00,a,5,1,me', "nested_value", id="an_object_for_the_id"),
    pytest.param("1,2024-05-01 10:00,a,5,1,", "missing_who", id="no_required_field"),
    pytest.param("1,2024-13-01 10:00,a,5,1,me", "bad_date", id="no_such_month"),
    pytest.param("1,,a,5,1,me", "bad_date", id="no_time"),
    pytest.param("1,2024-05-02 00:59,a,5,1,me", None, id="within_tolerance"),
    pytest.param("1,2024-05-02 01:00,a,5,1,me", None, id="at_tolerance"),
    pytest.param("1,2024-05-02 01:01,a,5,1,me", "future", id="beyond_tolerance"),
    pytest.param("1,1970-01-20 10:00,a,5,1,me", "past", id="epoch_in_the_wrong_unit"),
    pytest.param("1,1990-01-01 00:00,a,5,1,me", None, id="earliest"),
    pytest.param("1,2024-05-01 10:00,c,5,1,me", "unknown_kind", id="unknown_value"),
    pytest.param("1,2024-05-01 10:00,,5,1,me", None, id="absent_value_is_not_unknown"),
    pytest.param("1,2024-05-01 10:00,a,11,1,me", "out_of_range", id="too_much"),
    pytest.param("1,2024-05-01 10:00,a,-1,1,me", "out_of_range", id="too_little"),
    pytest.param("1,2024-05-01 10:00,a,10,1,me", None, id="at_maximum"),
    pytest.param("1,2024-05-01 10:00,a,x,1,me", "bad_number", id="no_number"),
    pytest.param("1,2024-05-01 10:00,a,1.5,1,me", "bad_number", id="half_is_no_integer"),
    pytest.param("1,2024-05-01 10:00,a,1,#REF!,me", "bad_number", id="no_amount"),
    pytest.param("1,2024-05-01 10:00,a,1,nan,me", "bad_number", id="nan_is_no_number"),
    pytest.param("1,2024-05-01 10:00,a,1,1e999,me", "bad_number", id="infinity_is_no_number"),
    pytest.param('1,2024-05-01 10:00,a,1,"1,23.5",me', "bad_number", id="thousands_out_of_place"),
]


@pytest.mark.parametrize(("row", "rule"), CASES)
def test_rules(row, rule):
    of = channel()
    found = admit_records(staged([row], of), of.raw.empty(), of)
    assert found.refused["rule"].to_list() == ([] if rule is None else [rule])
    assert found.accepted.height == (rule is None)


def test_a_refused_record_is_kept_whole_with_reason_but_without_values_in_it():
    of = channel()
    refused = admit_records(staged(["7,2024-05-01 10:00,secret,5,1,me"], of), of.raw.empty(), of).refused
    assert refused.select("source_record_id", "record", "row_number", "line_number", "field").row(0) == (
        "7",
        "7,2024-05-01 10:00,secret,5,1,me",
        1,
        2,
        "kind",
    )
    assert "secret" not in refused["reason"][0]


def test_events_repeated_and_contradicted():
    of = channel()
    other = GOOD.replace(",me", ",you")
    found = admit_records(staged([GOOD, GOOD, other, GOOD], of), of.raw.empty(), of)
    assert found.accepted["is_duplicate"].to_list() == [False, True, True]
    assert found.refused["rule"].to_list() == ["conflicting_id"]


def test_events_known_from_an_earlier_night():
    of = channel()
    known = admit_records(staged([GOOD], of), of.raw.empty(), of).accepted
    later = staged([GOOD, GOOD.replace(",me", ",you")], of, NIGHT + timedelta(days=1), "f2")
    found = admit_records(later, known, of)
    assert found.accepted["is_duplicate"].to_list() == [True]
    assert found.refused["rule"].to_list() == ["conflicting_id"]


def test_states_change_and_change_back():
    of = channel(records="state")
    other = GOOD.replace(",me", ",you")
    found = admit_records(staged([GOOD, GOOD, other, GOOD], of), of.raw.empty(), of)
    assert found.accepted["is_duplicate"].to_list() == [False, True, False, False]
    assert found.refused.is_empty()


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2", ""]), st.sampled_from(["me", "you", ""]), st.sampled_from(["5", "99"])),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_received_is_accepted_plus_refused(rows):
    of = channel()
    lines = [f"{key},2024-05-01 10:00,a,{n},1,{who}" for key, who, n in rows]
    found = admit_records(staged(lines, of), of.raw.empty(), of)
    assert sorted([*found.accepted["row_number"], *found.refused["row_number"]]) == list(range(1, len(lines) + 1))
    # Of each id one content stands, whatever came.
    stands = found.accepted.filter(~pl.col("is_duplicate"))
    assert stands["source_record_id"].is_unique().all()


@given(st.permutations([0, 1, 2]))
@settings(max_examples=6, deadline=None)
def test_one_night_at_a_time_is_all_at_once(order):
    of = channel(records="state")
    nights = [
        staged([GOOD, f"{2 + i},2024-05-01 10:00,a,5,1,me"], of, NIGHT + timedelta(days=i), f"f{i}") for i in range(3)
    ]
    at_once = admit_records(pl.concat([nights[i] for i in order]), of.raw.empty(), of).accepted.sort(
        "drop_date", "row_number"
    )
    known = of.raw.empty()
    for night in nights:
        known = pl.concat([known, admit_records(night, known, of).accepted])
    assert known.sort("drop_date", "row_number").equals(at_once)


@pytest.mark.parametrize(
    ("status", "at", "rule"),
    [
        pytest.param("granted", "2024-05-01 10:00", None, id="at_its_recording"),
        pytest.param("granted", "2024-05-01 11:01", "future", id="grant_beyond_tolerance"),
        pytest.param("withdrawn", "2024-05-01 11:01", None, id="a_withdrawal_is_never_refused_for_its_date"),
    ],
)
def test_a_grant_dated_after_its_recording_is_refused(status, at, rule):
    of = load_contract(
        "t",
        {
            "title": "T",
            "owner": "team:t",
            "system": "t",
            "region": "US",
            "files": "t.csv",
            "format": "csv",
            "key": "id",
            "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d %H:%M"], "tolerance_h": 1, "recorded": "seen"},
            "fields": {
                "id": {"description": "i"},
                "at": {"description": "a"},
                "status": {"description": "s"},
                "seen": {"description": "r", "type": "timestamp", "formats": ["%Y-%m-%d %H:%M"]},
            },
            "consents": [
                {"subject_kind": {"constant": "email"}, "subject_value": "id", "purposes": ["p"], "status": "status"}
            ],
            "collected_for": ["p"],
            "retention": "P1Y",
        },
        "t/defs.yaml",
    )
    records = read_records(f"id,at,status,seen\n1,{at},{status},2024-05-01 10:00\n".encode(), of).frame.with_columns(
        pl.lit("t.csv").alias("file"),
        pl.lit("f").alias("file_sha256"),
        pl.lit(NIGHT).alias("drop_date"),
        pl.lit(datetime(2024, 5, 2, tzinfo=UTC)).alias("ingested_at"),
    )
    assert admit_records(records, of.raw.empty(), of).refused["rule"].to_list() == ([] if rule is None else [rule])


def test_patterns():
    of = channel(
        fields={
            "id": {"description": "k"},
            "at": {"description": "t"},
            "hours": {"description": "h", "pattern": "^[0-2][0-9]-[0-2][0-9]$"},
        }
    )
    records = read_records(
        b"id,at,hours\n1,2024-05-01 10:00,22-07\n2,2024-05-01 10:00,late\n3,2024-05-01 10:00,\n", of
    ).frame.with_columns(
        pl.lit("t.csv").alias("file"),
        pl.lit("f").alias("file_sha256"),
        pl.lit(NIGHT).alias("drop_date"),
        pl.lit(datetime(2024, 5, 2, tzinfo=UTC)).alias("ingested_at"),
    )
    assert admit_records(records, of.raw.empty(), of).refused.select("source_record_id", "rule").rows() == [
        ("2", "bad_hours")
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        pytest.param("COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA", ["future"], id="grant"),
        pytest.param("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", [], id="denial"),
        pytest.param("CPX", [], id="unreadable"),
    ],
)
def test_a_grant_in_a_tc_string_dated_after_its_recording_is_refused(text, rules):
    of = channel(
        event_time={"fields": ["at"], "formats": ["%Y-%m-%d %H:%M"], "tolerance_h": 1, "recorded": "seen"},
        fields={
            "id": {"description": "k"},
            "at": {"description": "t"},
            "seen": {"description": "r", "type": "timestamp", "formats": ["%Y-%m-%d %H:%M"]},
            "tcf": {"description": "c"},
        },
        consents=[
            {
                "subject_kind": {"constant": "device_id"},
                "subject_value": "id",
                "tcf": {"from": "tcf", "purposes": {"1": ["analytics"]}},
            }
        ],
    )
    content = f"id,at,seen,tcf\n1,2024-05-01 12:00,2024-05-01 10:00,{text}\n".encode()
    records = read_records(content, of).frame.with_columns(
        pl.lit("t.csv").alias("file"),
        pl.lit("f").alias("file_sha256"),
        pl.lit(NIGHT).alias("drop_date"),
        pl.lit(datetime(2024, 5, 2, tzinfo=UTC)).alias("ingested_at"),
    )
    assert admit_records(records, of.raw.empty(), of).refused["rule"].to_list() == rules


@pytest.mark.parametrize(
    ("device", "rules"), [("d1", []), ('"{""a"": 1}"', ["nested_value"]), ("[d]", ["nested_value"])]
)
def test_a_consent_whose_subject_is_not_one_value_is_refused(device, rules):
    consent = {
        "subject_kind": {"constant": "device_id"},
        "subject_value": "who",
        "purposes": ["analytics"],
        "status": {"constant": "denied"},
    }
    of = channel(consents=[consent])
    admitted = admit_records(staged([f"1,2024-05-01 10:00,a,5,1,{device}"], of), of.raw.empty(), of)
    assert admitted.refused["rule"].to_list() == rules
