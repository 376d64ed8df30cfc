"""Every suite has frames that pass and frames that fail, and says what fails and on how many rows."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cdp_pipelines.schema import TABLES
from expectations import gate
from expectations.gate import validate_frame
from expectations.suite import COLUMN_SET, ROW_COUNT, SUITES, load_suite

DIGEST = "0123456789abcdef" * 4
NULL = "expect_column_values_to_not_be_null"
NO_VALUE = "expect_column_values_to_be_null"
UNIQUE = "expect_column_values_to_be_unique"
KEY = "expect_compound_columns_to_be_unique"
SET = "expect_column_values_to_be_in_set"
FORM = "expect_column_values_to_match_regex"
NOT_FORM = "expect_column_values_to_not_match_regex"
RANGE = "expect_column_values_to_be_between"
LENGTH = "expect_column_value_lengths_to_be_between"
ORDER = "expect_column_pair_values_a_to_be_greater_than_b"
EQUAL = "expect_column_pair_values_to_be_equal"

FILES = sorted(path.relative_to(SUITES).with_suffix("").as_posix() for path in SUITES.glob("*/*.yaml"))
# A default is tried on a table that has no suite of its own.
SUITE_TABLES = [name.replace("/default", "/newcomer") for name in FILES]

# (table, what is put into the first row, the expectation that breaks, its columns, rows that fail)
BROKEN = [
    ("raw/newcomer", {"row_number": 2}, KEY, "file_sha256, row_number", 2),
    ("raw/newcomer", {"record": None}, NULL, "record", 1),
    ("raw/newcomer", {"row_number": 0}, RANGE, "row_number", 1),
    ("raw/newcomer", {"file_sha256": "abc"}, FORM, "file_sha256", 1),
    ("raw/crm_west", {"customer_no": "100003"}, FORM, "customer_no", 1),
    ("raw/crm_west", {"created_at": "13.03.2011 06:48"}, FORM, "created_at", 1),
    ("raw/crm_east", {"id_client": "W000001"}, FORM, "id_client", 1),
    ("raw/crm_east", {"nume_complet": "JosÃ© NiÃ±o"}, NOT_FORM, "nume_complet", 1),
    ("raw/webshop_customers", {"id": "7000000"}, FORM, "id", 1),
    ("raw/webshop_customers", {"accepts_marketing": "maybe"}, SET, "accepts_marketing", 1),
    ("raw/webshop_orders", {"total_price": "-17.85"}, FORM, "total_price", 1),
    ("raw/webshop_orders", {"kind": "return"}, SET, "kind", 1),
    ("raw/pos_receipts", {"amount": "1.234,50"}, FORM, "amount", 1),
    ("raw/pos_receipts", {"receipt_no": None}, NULL, "receipt_no", 1),
    ("raw/app_events", {"type": "click"}, SET, "type", 1),
    ("raw/call_centre", {"opened": "2011-09-09T11:30:31"}, FORM, "opened", 1),
    ("raw/social", {"posted_at": "1304781087000"}, FORM, "posted_at", 1),
    ("raw/surveys", {"nps": "11"}, FORM, "nps", 1),
    ("raw/iot", {"serial": None}, NULL, "serial", 1),
    ("raw/beacons", {"at": "1296556710"}, FORM, "at", 1),
    ("raw/beacons", {"lat": "-122.37"}, FORM, "lat", 1),
    ("raw/consent_receipts", {"status": "maybe"}, SET, "status", 1),
    ("raw/unsubscribes", {"reason_": "bored"}, SET, "reason_", 1),
    ("raw/preferences", {"quiet_hours": "night"}, FORM, "quiet_hours", 1),
    ("raw/privacy_requests", {"kind": "oblivion"}, SET, "kind", 1),
    ("quarantine/newcomer", {"rule": None}, NULL, "rule", 1),
    ("quarantine/newcomer", {"reason": "ana@example.com is no e-mail"}, NOT_FORM, "reason", 1),
    ("standardised/party", {"email": "Ana@Example.com"}, FORM, "email", 1),
    ("standardised/party", {"phone": "206-555-0100"}, FORM, "phone", 1),
    ("standardised/party", {"source_record_id": "r1"}, KEY, "channel, source_record_id", 2),
    ("standardised/party", {"birth_date": date(969, 4, 7)}, RANGE, "birth_date", 1),
    ("standardised/party", {"birth_date": date(9998, 10, 13)}, RANGE, "birth_date", 1),
    ("standardised/party", {"birth_date": date(2013, 7, 30)}, ORDER, "observed_at, birth_date", 1),
    ("standardised/party", {"defects": ["email:unreadable", "ana@example"]}, FORM, "defects", 1),
    ("standardised/party", {"last_name": "ana@example.com"}, NOT_FORM, "last_name", 1),
    ("standardised/interaction", {"interaction_type": "gift"}, SET, "interaction_type", 1),
    ("standardised/interaction", {"amount_minor": -1}, RANGE, "amount_minor", 1),
    ("standardised/interaction", {"interaction_type": "refund"}, RANGE, "amount_minor", 1),
    ("standardised/interaction", {"interaction_type": "survey", "score": 11.0}, RANGE, "score", 1),
    ("standardised/interaction", {"currency_code": None}, NULL, "currency_code", 1),
    (
        "standardised/interaction",
        {"occurred_at": datetime(2012, 1, 1, tzinfo=UTC)},
        ORDER,
        "ingested_at, occurred_at",
        1,
    ),
    ("standardised/unnamed_statement", {"status": "lost"}, SET, "status", 1),
    ("standardised/unnamed_statement", {"purpose": "E-Mail"}, FORM, "purpose", 1),
    ("standardised/unnamed_statement", {"event_at": None}, NULL, "event_at", 1),
    ("standardised/consent_event", {"status": "bounced"}, SET, "status", 1),
    ("standardised/consent_event", {"purpose": "*"}, SET, "status", 1),
    ("standardised/consent_event", {"purpose": "E-Mail"}, FORM, "purpose", 1),
    ("standardised/consent_event", {"event_at": None}, NULL, "event_at", 1),
    ("standardised/consent_event", {"expires_at": datetime(2011, 1, 1, tzinfo=UTC)}, ORDER, "expires_at, event_at", 1),
    ("standardised/preference", {"quiet_from": 24}, RANGE, "quiet_from", 1),
    ("standardised/preference", {"preferred_channel": "pigeon"}, SET, "preferred_channel", 1),
    ("standardised/privacy_request", {"kind": "oblivion"}, SET, "kind", 1),
    ("standardised/privacy_request", {"received_at": None}, NULL, "received_at", 1),
    ("identity/record_state", {"record_digest": 8}, UNIQUE, "record_digest", 2),
    ("identity/record_state", {"fingerprint": None}, NULL, "fingerprint", 1),
    ("identity/record_state", {"component_digest": 10}, SET, "is_named_by_first_record", 1),
    ("identity/record_state", {"block_refinement": -1}, RANGE, "block_refinement", 1),
    ("identity/model", {"level": "other"}, KEY, "field, level", 2),
    ("identity/model", {"m_probability": 0.0}, RANGE, "m_probability", 1),
    ("identity/model", {"non_match_share": 0.75}, SET, "is_sum_one", 1),
    ("identity/frequency", {"digest": 8}, KEY, "field, digest", 2),
    ("identity/frequency", {"record_count": 1}, RANGE, "record_count", 1),
    ("identity/link", {"right_channel": "crm_west", "right_source_record_id": "l0"}, SET, "is_with_itself", 1),
    ("identity/link", {"is_exact": False}, NULL, "match_weight", 1),
    ("identity/link", {"evidence": ["email:ana@example.com"]}, NOT_FORM, "evidence", 1),
    ("identity/review", {"right_channel": "crm_west", "right_source_record_id": "l0"}, SET, "is_with_itself", 1),
    ("identity/review", {"decided_by": None}, NULL, "decided_by", 1),
    ("identity/cluster", {"customer_id": "ana@example.com"}, FORM, "customer_id", 1),
    ("identity/crosswalk", {"customer_id": "ana@example.com"}, FORM, "customer_id", 1),
    ("identity/crosswalk", {"gate": "ana@example.com", "is_profiled": False}, FORM, "gate", 1),
    ("identity/crosswalk", {"is_profiled": False}, SET, "is_gate_consistent", 1),
    ("identity/crosswalk", {"source_record_id": "r2"}, KEY, "channel, source_record_id", 2),
    ("identity/history", {"event": "vanished"}, SET, "event", 1),
    ("identity/history", {"other_customer_id": "c_000000000000000c"}, SET, "is_other_customer_consistent", 1),
    ("identity/group", {"group_id": "ana@example.com"}, FORM, "group_id", 1),
    ("identity/identifier", {"kind": "shoe_size"}, SET, "kind", 1),
    ("identity/identifier", {"customer_id": "ana@example.com"}, FORM, "customer_id", 1),
    ("audit/version", {"night": date(2011, 11, 29), "table_name": "mart/payment"}, KEY, "night, table_name", 2),
    ("audit/version", {"delta_version": -1}, RANGE, "delta_version", 1),
    ("audit/version", {"code_version": "yesterday's"}, FORM, "code_version", 1),
    ("audit/membership", {"evidence": []}, LENGTH, "evidence", 1),
    ("audit/membership", {"exit_reason": "withdrawn"}, SET, "is_exit_reason_consistent", 1),
    ("audit/correction", {"change": "changed", "columns": []}, SET, "has_columns", 1),
    ("audit/retention", {"removed_count": 0}, RANGE, "removed_count", 1),
    ("audit/retention", {"field": "ana@example.com"}, FORM, "field", 1),
    ("audit/retention", {"removed_at": datetime(2011, 10, 30, tzinfo=UTC)}, ORDER, "removed_at, ended_date", 1),
    ("consent/ledger", {"position": 2}, UNIQUE, "position", 2),
    ("consent/ledger", {"position": 0}, RANGE, "position", 1),
    ("consent/ledger", {"status": "forgotten"}, SET, "status", 1),
    ("consent/seal", {"seal_number": 2}, UNIQUE, "seal_number", 2),
    ("consent/seal", {"first_position": 2}, UNIQUE, "first_position", 2),
    ("consent/seal", {"last_position": 0}, ORDER, "last_position, first_position", 1),
    ("consent/seal", {"previous_head": "0123456789abcdef" * 4}, UNIQUE, "previous_head", 2),
    ("consent/seal", {"signature": "0123456789abcdef" * 4}, FORM, "signature", 1),
    ("consent/seal", {"leaf_hashes": None}, NULL, "leaf_hashes", 1),
    ("consent/decision", {"evidence": []}, LENGTH, "evidence", 1),
    ("consent/decision", {"reason": "withdrawn"}, SET, "is_reason_consistent", 1),
    ("consent/decision", {"is_allowed": False}, SET, "is_reason_consistent", 1),
    ("consent/decision", {"since_at": None}, NULL, "since_at", 1),
    ("consent/decision", {"lawful_basis": "habit"}, SET, "lawful_basis", 1),
    ("golden/customer", {"customer_id": "c_0000000000000001"}, UNIQUE, "customer_id", 2),
    ("golden/customer", {"record_count": 0}, ORDER, "record_count, channel_count", 1),
    ("golden/customer", {"last_seen_at": datetime(2011, 1, 1, tzinfo=UTC)}, ORDER, "last_seen_at, first_seen_at", 1),
    ("golden/provenance", {"attribute": "salary"}, SET, "attribute", 1),
    ("golden/provenance", {"rank": 0}, RANGE, "rank", 1),
    ("golden/customer", {"quiet_from": 24}, RANGE, "quiet_from", 1),
    ("consent/unresolved", {"reason": "lost"}, FORM, "reason", 1),
    ("consent/unresolved", {"reason": "no_subject"}, SET, "reason", 1),
    ("consent/unresolved", {"drop_date": None}, NULL, "drop_date", 1),
    ("consent/resolution", {"resolved_by": None}, NULL, "resolved_by", 1),
    ("consent/resolution", {"resolution_number": 3}, UNIQUE, "resolution_number", 2),
    ("consent/resolution", {"subject_kind": None}, SET, "has_half_a_subject", 1),
    ("golden/rectification", {"rectified_by": None}, NULL, "rectified_by", 1),
    ("golden/rectification", {"withdraws_number": 1}, SET, "has_one_action", 1),
    ("golden/rectification", {"withdraws_number": 1}, SET, "is_withdrawing_later", 1),
    ("golden/rectification", {"value": "a@example.com"}, SET, "is_replacing_itself", 1),
    ("golden/rectification", {"rectification_number": 3}, KEY, "rectification_number, attribute", 2),
    ("golden/contact_point", {"state": "asleep"}, SET, "state", 1),
    ("golden/contact_point", {"value": "206-555-0100"}, FORM, "value", 1),
    ("golden/contact_point", {"is_preferred": True}, SET, "is_preferred_alone", 1),
    ("golden/contact_point", {"customer_count": 0}, RANGE, "customer_count", 1),
    ("golden/household", {"household_id": "Smith, 5 oak st"}, FORM, "household_id", 1),
    ("golden/household", {"member_count": 1}, RANGE, "member_count", 1),
    ("golden/conflict", {"differing_count": 4}, ORDER, "customer_count, differing_count", 1),
    ("golden/provenance", {"attribute_group": "salary"}, SET, "attribute_group", 1),
    (
        "golden/provenance",
        {"customer_id": "c_0000000000000001", "attribute": "phone", "rank": 2},
        KEY,
        "customer_id, attribute, rank",
        2,
    ),
    ("audit/file", {"raw_count": 1}, EQUAL, "received_count, raw_plus_quarantined_count", 1),
    ("audit/file", {"duplicate_count": 3}, ORDER, "raw_count, duplicate_count", 1),
    ("audit/file", {"outcome": "lost"}, SET, "outcome", 1),
    ("audit/file", {"channel": ""}, FORM, "channel", 1),
    ("audit/file", {"detail": "unknown_column: ana@example.com"}, NOT_FORM, "detail", 1),
    ("audit/run", {"as_of": datetime(2011, 11, 29, tzinfo=UTC)}, UNIQUE, "as_of", 2),
    ("audit/run", {"as_of": datetime(2011, 11, 20, tzinfo=UTC)}, ORDER, "as_of, night", 1),
    ("mart/newcomer", {"subject_key": DIGEST[:-1] + "1"}, UNIQUE, "subject_key", 2),
    ("mart/newcomer", {"subject_key": None}, NULL, "subject_key", 1),
    ("mart/newcomer", {"subject_key": "c_0000000000000001"}, FORM, "subject_key", 1),
    ("mart/newcomer", {"evidence_reference": None}, NULL, "evidence_reference", 1),
    ("mart/newcomer", {"evidence_reference": "crm_west:W000017"}, FORM, "evidence_reference", 1),
    ("mart/newcomer", {"lawful_basis": "habit"}, SET, "lawful_basis", 1),
    ("mart/email_marketing", {"lawful_basis": "legitimate_interests"}, SET, "lawful_basis", 1),
    ("mart/email_marketing", {"evidence_reference": None}, NULL, "evidence_reference", 1),
    ("mart/email_marketing", {"email": "a1@example.com"}, UNIQUE, "email", 2),
    ("mart/analytics", {"lawful_basis": "contract"}, SET, "lawful_basis", 1),
    ("mart/analytics", {"people": 9, "event_count": 3}, RANGE, "people", 1),
    ("mart/analytics", {"event_count": 3}, NO_VALUE, "event_count", 1),
    ("mart/analytics", {"last_event_month": "b"}, KEY, "last_event_month, events", 2),
    ("mart/customer_value_reporting", {"net_amount_minor": 100}, NO_VALUE, "net_amount_minor", 1),
    ("mart/customer_value_reporting", {"people": 1}, RANGE, "people", 1),
    ("mart/product_improvement", {"reading_count": 100}, NO_VALUE, "reading_count", 1),
    ("mart/product_improvement", {"lawful_basis": "consent"}, SET, "lawful_basis", 1),
    ("mart/order_fulfilment", {"evidence_reference": None}, NULL, "evidence_reference", 1),
    ("mart/order_fulfilment", {"currency_code": None}, NULL, "currency_code", 1),
    ("mart/order_fulfilment", {"lawful_basis": "consent"}, SET, "lawful_basis", 1),
]


@pytest.mark.parametrize("table", SUITE_TABLES)
def test_a_good_frame_passes(table, good, schema):
    result = validate_frame(table, good(table), columns=list(schema(table)))
    assert [each for each in result.results if not each.passed] == []
    assert result.passed
    assert result.passed_count == result.expectation_count == len(result.results)


@pytest.mark.parametrize(
    ("table", "cells", "expectation", "column", "failed_count"),
    [pytest.param(*case, id=f"{case[0]}:{case[3]}:{i}") for i, case in enumerate(BROKEN)],
)
def test_a_bad_frame_breaks_what_it_should(table, cells, expectation, column, failed_count, good):
    frame = good(table)
    broken = frame.with_columns(
        pl.concat([pl.Series(name, [value], dtype=frame.schema[name]), frame[name][1:]])
        for name, value in cells.items()
    )
    result = validate_frame(table, broken)
    found = [each for each in result.failures if (each.expectation, each.column) == (expectation, column)]
    assert [each.failed_count for each in found] == [failed_count], result.failures
    assert result.passed == all(each.severity == "warning" for each in result.failures)


@pytest.mark.parametrize(
    ("table", "cells"), [pytest.param(case[0], case[1], id=f"{case[0]}:{case[3]}") for case in BROKEN[::20]]
)
def test_slices_of_a_frame_give_the_result_of_the_frame(table, cells, good, monkeypatch):
    frame = good(table)
    broken = frame.with_columns(
        # In the last row, which is in another slice.
        pl.concat([frame[name][:-1], pl.Series(name, [value], dtype=frame.schema[name])])
        for name, value in cells.items()
    )
    whole = validate_frame(table, broken)
    monkeypatch.setattr(gate, "SLICE_ROWS", 2)
    sliced = validate_frame(table, broken)
    assert not all(each.passed for each in whole.results)
    assert sliced.results == whole.results


def test_a_key_that_two_slices_share_is_noticed(good, monkeypatch):
    frame = good("identity/cluster")
    monkeypatch.setattr(gate, "SLICE_ROWS", 2)
    assert validate_frame("identity/cluster", frame).passed
    doubled = pl.concat([frame, frame.head(1)])
    (failure,) = validate_frame("identity/cluster", doubled).failures
    assert (failure.expectation, failure.failed_count) == (KEY, 2)


def test_every_suite_has_a_frame_that_fails():
    assert set(SUITE_TABLES) == {case[0] for case in BROKEN}


@pytest.mark.parametrize("table", TABLES)
def test_every_static_table_has_a_suite_of_its_columns_and_key(table):
    expectations = load_suite(table).expectations
    columns = next(each.kwargs["column_set"] for each in expectations if each.type == COLUMN_SET)
    assert columns == list(TABLES[table].schema)
    unique = [list(each.reads) for each in expectations if each.type in {KEY, UNIQUE}]
    assert list(TABLES[table].key) in unique


@pytest.mark.parametrize("table", [table for table in SUITE_TABLES if not table.startswith("raw/")])
def test_a_table_without_rows_passes_unless_it_may_not_be_empty(table, good):
    result = validate_frame(table, good(table).clear())
    may_not_be = {
        "standardised/party",
        "identity/cluster",
        "identity/history",
        "identity/crosswalk",
        "identity/model",
        "golden/customer",
        "audit/run",
        "audit/version",
    }
    assert result.passed is (table not in may_not_be)
    assert {each.expectation for each in result.failures} <= {ROW_COUNT}


@pytest.mark.parametrize("table", [table for table in SUITE_TABLES if table.startswith("raw/")])
def test_raw_suites_refuse_a_night_without_rows(table, good):
    assert [each.expectation for each in validate_frame(table, good(table).clear()).failures] == [ROW_COUNT]


@pytest.mark.parametrize("table", SUITE_TABLES)
def test_suites_name_columns_that_the_table_has(table, schema):
    suite = load_suite(table)
    named = {name for each in suite.expectations for name in each.reads} - set(suite.derived)
    assert named <= set(schema(table))


@pytest.mark.parametrize("table", SUITE_TABLES)
def test_every_expectation_says_why_in_a_sentence(table):
    for each in load_suite(table).expectations:
        assert each.why[0].isupper()
        assert each.why.endswith(".")


def test_a_day_in_the_past_is_no_reason_to_fail(good):
    """Suites know no clock: the same rows decades later are judged alike."""
    frame = good("standardised/party")
    later = frame.with_columns(pl.col("observed_at", "ingested_at") + timedelta(days=30_000))
    assert validate_frame("standardised/party", later).passed
