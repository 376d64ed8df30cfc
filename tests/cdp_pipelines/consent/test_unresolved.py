"""Consent events and requests that name nobody: what is listed, with which reason, and what a resolution completes."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.consent import complete_events, complete_requests, find_unresolved, select_current_resolutions
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, PARTY, PRIVACY_REQUEST, RESOLUTION

AT = datetime(2024, 5, 1, tzinfo=UTC)
NIGHT = date(2024, 5, 2)


def frame(table, *rows):
    base = dict.fromkeys(table.schema) | {"channel": "desk", "drop_date": date(2024, 5, 1), "defects": []}
    base = {name: base[name] for name in table.schema if name in base}
    return pl.LazyFrame([base | row for row in rows], schema=table.schema)


def event(record, value, status="withdrawn", purpose="news", kind="email", **more):
    return {
        "event_id": f"desk:{record}", "source_record_id": record, "subject_kind": kind, "subject_value": value,
        "purpose": purpose, "status": status, "event_at": AT, "recorded_at": AT, **more,
    }  # fmt: skip


def request(record, value, kind="access"):
    return {
        "source_record_id": record, "kind": kind, "subject_kind": "email", "subject_value": value, "received_at": AT,
    }  # fmt: skip


def resolution(number, record, value):
    return {
        "resolution_number": number, "source_record_id": record, "subject_kind": value and "email",
        "subject_value": value, "resolved_by": "carl", "reason": "listened to it", "resolved_at": AT,
    }  # fmt: skip


def unresolved(*, unnamed=(), events=(), requests=(), party=(), ledger=(), resolutions=()):
    rows = find_unresolved(
        frame(CONSENT_EVENT, *unnamed),
        frame(CONSENT_EVENT, *events),
        frame(PRIVACY_REQUEST, *requests),
        frame(PARTY, *party),
        frame(LEDGER, *ledger),
        frame(RESOLUTION, *resolutions),
    ).collect()
    return {row["source_record_id"]: (row["reason"], row["statements"]) for row in rows.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        ("ann at post dot example", "email", "unreadable_subject"),
        ("2.06E+09", "phone", "unreadable_subject"),
        ("555", "phone", "unreadable_subject"),
        ("ann@post.example", "email", "unknown_subject"),
        ("+12065550100", "phone", "unknown_subject"),
        ("C-17", "loyalty_card", "unknown_subject"),
    ],
)
def test_an_event_whose_subject_no_record_has_is_listed(value, kind, reason):
    assert unresolved(events=[event("1", value, kind=kind)]) == {"1": (reason, ["withdrawn news"])}


def test_a_subject_leaves_the_list_when_a_record_with_it_arrives():
    events = [event("1", "ann@post.example")]
    assert unresolved(events=events, party=[{"source_record_id": "p", "email": "bob@post.example"}]) != {}
    assert unresolved(events=events, party=[{"source_record_id": "p", "email": "ann@post.example"}]) == {}


def test_the_same_value_of_another_kind_is_another_subject():
    found = unresolved(
        events=[event("1", "17", kind="account_id")], party=[{"source_record_id": "p", "loyalty_card": "17"}]
    )
    assert found == {"1": ("unknown_subject", ["withdrawn news"])}


def test_a_record_without_a_subject_is_listed_once_with_all_it_states():
    unnamed = [event("1", None), event("1", None, purpose="*", status="unsubscribed")]
    assert unresolved(unnamed=unnamed) == {"1": ("no_subject", ["unsubscribed *", "withdrawn news"])}


def test_a_grant_on_several_contact_points_is_listed():
    found = unresolved(unnamed=[event("1", "a@post.example; b@post.example", status="granted")])
    assert found == {"1": ("several_subjects", ["granted news"])}


def test_a_request_that_names_nobody_is_listed():
    assert unresolved(requests=[request("1", "ann", "erasure")]) == {"1": ("unreadable_subject", ["request: erasure"])}


def test_an_event_that_the_ledger_has_was_obeyed_before_retention_took_its_contact_point():
    obeyed = event("1", "ann@post.example", position=1)
    assert unresolved(unnamed=[event("1", None)], ledger=[obeyed]) == {}
    assert unresolved(unnamed=[event("2", None)], ledger=[obeyed]) == {"2": ("no_subject", ["withdrawn news"])}


@pytest.mark.parametrize("subject", ["ann@post.example", None])
def test_a_resolved_record_is_not_listed(subject):
    unnamed = [event("1", None), event("2", None)]
    found = unresolved(unnamed=unnamed, resolutions=[resolution(1, "1", subject)])
    assert found == {"2": ("no_subject", ["withdrawn news"])}


def test_a_resolution_completes_denials_and_never_a_grant():
    events = [
        event("1", None), event("1", None, status="granted", purpose="ads"),
        event("1", None, status="erased", purpose="*"), event("2", None),
    ]  # fmt: skip
    found = complete_events(
        frame(CONSENT_EVENT, *events), frame(RESOLUTION, resolution(3, "1", "ann@post.example")), NIGHT
    ).collect()
    columns = ["event_id", "subject_kind", "subject_value", "status", "event_at", "recorded_at", "drop_date"]
    assert sorted(found.select(columns).rows()) == [
        ("desk:1~3", "email", "ann@post.example", status, AT, AT, NIGHT) for status in ("erased", "withdrawn")
    ]


def test_a_record_that_names_nobody_completes_nothing():
    events = frame(CONSENT_EVENT, event("1", None))
    assert complete_events(events, frame(RESOLUTION, resolution(1, "1", None)), NIGHT).collect().is_empty()


def test_the_latest_resolution_of_a_record_applies():
    rows = [
        resolution(2, "1", "bob@post.example"),
        resolution(1, "1", "ann@post.example"),
        resolution(3, "2", "eve@post.example"),
    ]
    current = select_current_resolutions(frame(RESOLUTION, *rows)).collect()
    assert sorted(current["subject_value"]) == ["bob@post.example", "eve@post.example"]


def test_a_resolved_request_has_the_subject_that_the_clerk_named():
    requests = frame(PRIVACY_REQUEST, request("1", "???"), request("2", "eve@post.example"))
    found = complete_requests(requests, frame(RESOLUTION, resolution(1, "1", "ann@post.example"))).collect()
    assert found["subject_value"].to_list() == ["ann@post.example", "eve@post.example"]
    assert found.columns == list(PRIVACY_REQUEST.schema)
