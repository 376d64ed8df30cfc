"""The stated kind of a subject: a denial reaches the contact point that the text names, whatever the source calls it."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.standardise import build_privacy_request, find_unnamed_events, select_latest
from cdp_pipelines.standardise.consent_event import build_consent_event

AT = datetime(2024, 1, 1, tzinfo=UTC)


def current(channel, *records):
    contract = load_all_contracts()[channel]
    schema = contract.raw.schema
    base = {"drop_date": date(2024, 1, 1), "ingested_at": AT, "is_duplicate": False}
    rows = [
        dict.fromkeys(schema) | base | {"source_record_id": str(number)} | record
        for number, record in enumerate(records)
    ]
    return select_latest(pl.LazyFrame(rows, schema=schema), contract), contract


def unsubscribes(*contacts):
    fixed = {"list": "email", "reason_": "unsubscribe link", "ts": "2024-01-01 00:00:00"}
    return current("unsubscribes", *(fixed | {"contact": contact} for contact in contacts))


@pytest.mark.parametrize(
    ("contact", "subject"),
    [
        ("ann%40post.example", ("email", "ann@post.example")),
        ("ann\uff20post.example", ("email", "ann@post.example")),
        ("ann&#64;post.example", ("email", "ann@post.example")),
        ("206 555 0100", ("phone", "+12065550100")),
        ("ann at post", ("phone", "ann at post")),
        ("ann@post.example", ("email", "ann@post.example")),
    ],
)
def test_an_address_whose_sign_is_encoded_is_an_e_mail(contact, subject):
    events = build_consent_event(*unsubscribes(contact)).collect()
    assert set(events.select("subject_kind", "subject_value").rows()) == {subject}


@pytest.mark.parametrize(
    ("kind", "value", "subject"),
    [
        ("phone", "<Ann@post.example>", ("email", "ann@post.example")),
        ("email", "2.065550100E+09", ("phone", "+12065550100")),
        ("loyalty_card", "ann@post.example", ("loyalty_card", "ann@post.example")),
        ("email", "nobody", ("email", "nobody")),
    ],
)
def test_a_request_reaches_the_contact_point_that_its_text_names(kind, value, subject):
    record = {"kind": "erasure", "subject_type": kind, "subject_value": value, "received_at": "2024-01-01T00:00:00.0Z"}
    requests = build_privacy_request(*current("privacy_requests", record)).collect()
    assert requests.select("subject_kind", "subject_value").rows() == [subject]


def test_a_grant_on_another_kind_than_stated_stays_unread():
    record = {
        "subject_type": "phone", "subject_value": "ann@post.example", "status": "granted", "purpose": "email_marketing",
    }  # fmt: skip
    frame, contract = current("consent_receipts", record, record | {"status": "withdrawn"})
    events = build_consent_event(frame, contract).collect()
    kinds = dict(events.select("status", "subject_kind").iter_rows())
    assert kinds == {"granted": "phone", "withdrawn": "email"}


def test_a_grant_on_several_addresses_and_a_statement_without_a_subject_name_nobody():
    frame, contract = current(
        "consent_receipts",
        {"subject_type": "email", "subject_value": "a@post.example; b@post.example", "status": "granted",
         "purpose": "email_marketing"},
        {"subject_type": "email", "subject_value": None, "status": "withdrawn", "purpose": "email_marketing"},
        {"subject_type": "email", "subject_value": "c@post.example", "status": "withdrawn",
         "purpose": "email_marketing"},
    )  # fmt: skip
    unnamed = find_unnamed_events(frame, contract).collect()
    assert sorted(unnamed.select("source_record_id", "subject_value", "status").rows(), key=str) == [
        ("0", "a@post.example; b@post.example", "granted"),
        ("1", None, "withdrawn"),
    ]
