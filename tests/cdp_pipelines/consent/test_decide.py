"""Decisions, rule by rule: allow and deny, at the boundary instants, and what must always hold."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.consent import DecisionInput, decide, extend_ledger, list_identifiers
from cdp_pipelines.consent.decide import COLUMNS
from cdp_pipelines.consent.history import DECISION_KEY
from cdp_pipelines.purposes import Purpose, Register
from cdp_pipelines.schema import CONSENT_EVENT, CROSSWALK, INTERACTION, LEDGER, PARTY
from tests.cdp_pipelines.consent.inputs import build_rows

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = "c_000000000000000a", "c_000000000000000b"

CONSENT = Purpose(
    key="letters",
    title="T",
    lawful_basis="consent",
    effective_from=date(2020, 1, 1),
    version="1",
    scope="email",
    direct_marketing=True,
    notice="2011-06",
    data_categories=("contact",),
    recipients=(),
    retention="P3Y",
)
PERSON = CONSENT.model_copy(update={"key": "insight", "scope": "person", "direct_marketing": False})
CONTRACT = Purpose(
    key="delivery",
    title="T",
    lawful_basis="contract",
    effective_from=date(2020, 1, 1),
    version="1",
    contract={"opened_by": ["order"], "closed_by": ["refund"], "lasts": "P90D"},
    data_categories=("address",),
    recipients=(),
    retention="P3Y",
)
REGISTER = Register.from_purposes([CONSENT, PERSON, CONTRACT])

# Two customers: A by an e-mail, a card and, over a probable link, a second e-mail; B by an e-mail. They share a phone.
RECORDS = [
    # record, customer, joins exactly, identifiers
    ("a1", A, True, {"email": "a@x.de", "loyalty_card": "LC1", "phone": "+1"}),
    ("a2", A, False, {"email": "a2@x.de"}),
    ("b1", B, True, {"email": "b@x.de", "phone": "+1"}),
]


def build_event(
    at,
    status,
    kind="email",
    value="a@x.de",
    purpose="letters",
    *,
    recorded=None,
    notice="2011-06",
    expires=None,
    name=None,
):
    return {
        "event_id": name or f"{at:%Y%m%d%H%M%S}:{status}:{value}:{purpose}",
        "channel": "t",
        "source_record_id": "r",
        "drop_date": at.date(),
        "subject_kind": kind,
        "subject_value": value,
        "purpose": purpose,
        "status": status,
        "event_at": at,
        "recorded_at": recorded or at,
        "notice_version": notice,
        "expires_at": expires,
        "method": "web_form",
    }


def decide_events(events, interactions=(), register=REGISTER, as_of=NOW, known_at=None, records=RECORDS):
    party = build_rows(PARTY, [{"channel": "t", "source_record_id": key, **fields} for key, _, _, fields in records])
    crosswalk = build_rows(
        CROSSWALK,
        [
            {"channel": "t", "source_record_id": key, "customer_id": customer, "is_exact": exact, "is_profiled": True}
            for key, customer, exact, _ in records
        ],
    )
    ledger = extend_ledger(LEDGER.empty(), build_rows(CONSENT_EVENT, events))
    return decide(
        DecisionInput(
            register=register,
            ledger=ledger.lazy(),
            identifiers=list_identifiers(party.lazy(), crosswalk.lazy()),
            interactions=build_rows(INTERACTION, interactions).lazy(),
            crosswalk=crosswalk.lazy(),
            as_of=as_of,
            known_at=known_at or as_of,
        )
    )


def find_reason(decisions, purpose="letters", customer=A, point="a@x.de"):
    point = point if REGISTER[purpose].scope == "email" else ""
    return decisions.filter(purpose=purpose, customer_id=customer, contact_point=point)["reason"].item()


CASES = [
    pytest.param([], "letters", "no_consent", id="no_event"),
    pytest.param([build_event(NOW - DAY, "granted")], "letters", "allowed", id="granted"),
    pytest.param([build_event(NOW, "granted")], "letters", "allowed", id="granted_at_the_very_instant"),
    pytest.param(
        [build_event(NOW + timedelta(seconds=1), "granted")], "letters", "no_consent", id="granted_a_second_later"
    ),
    pytest.param([build_event(NOW - DAY, "denied")], "letters", "denied", id="denied"),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "withdrawn")],
        "letters",
        "withdrawn",
        id="withdrawn_after_grant",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "withdrawn"), build_event(NOW - DAY, "granted")],
        "letters",
        "allowed",
        id="granted_after_withdrawal",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted"), build_event(NOW - DAY, "denied")],
        "letters",
        "denied",
        id="tie_denied_beats_granted",
    ),
    pytest.param(
        [build_event(NOW - DAY, "denied"), build_event(NOW - DAY, "withdrawn")],
        "letters",
        "withdrawn",
        id="tie_withdrawn_beats_denied",
    ),
    pytest.param([build_event(NOW - DAY, "granted", expires=NOW)], "letters", "expired", id="expires_at_the_instant"),
    pytest.param(
        [build_event(NOW - DAY, "granted", expires=NOW + timedelta(seconds=1))],
        "letters",
        "allowed",
        id="expires_a_second_later",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", notice="2010-06")], "letters", "notice_outdated", id="older_notice"
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", notice=None)], "letters", "no_consent", id="no_notice_proves_nothing"
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "granted", notice="2010-06")],
        "letters",
        "notice_outdated",
        id="latest_grant_decides",
    ),
    # A future-dated grant does not count; a future-dated withdrawal counts from when it was recorded.
    pytest.param(
        [build_event(NOW - DAY, "granted", recorded=NOW - 3 * DAY)],
        "letters",
        "no_consent",
        id="grant_dated_after_its_record",
    ),
    pytest.param(
        [build_event(NOW - 5 * DAY, "granted"), build_event(NOW + 9 * DAY, "withdrawn", recorded=NOW - DAY)],
        "letters",
        "withdrawn",
        id="withdrawal_dated_in_future",
    ),
    # Denials travel far, grants only on certain ground.
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "withdrawn", value="a2@x.de")],
        "letters",
        "withdrawn",
        id="denial_over_a_probable_link",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "withdrawn", value="a2@x.de"), build_event(NOW - DAY, "granted")],
        "letters",
        "allowed",
        id="newer_grant_on_the_point_stands",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", value="a2@x.de")],
        "letters",
        "no_consent",
        id="grant_on_another_e_mail_does_not_reach",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", "loyalty_card", "LC1")],
        "letters",
        "allowed",
        id="grant_on_the_card_reaches_the_e_mail",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", "phone", "+1")],
        "letters",
        "no_consent",
        id="grant_on_a_shared_phone_reaches_nothing",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "denied", "phone", "+1")],
        "letters",
        "denied",
        id="denial_on_a_shared_phone_reaches_both",
    ),
    pytest.param([build_event(NOW - DAY, "granted", purpose="insight")], "insight", "allowed", id="person_wide_grant"),
    pytest.param(
        [build_event(NOW - DAY, "granted", value="a2@x.de", purpose="insight")],
        "insight",
        "no_consent",
        id="person_wide_grant_over_a_probable_link",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", "phone", "+1", purpose="insight")],
        "insight",
        "no_consent",
        id="person_wide_grant_on_a_shared_phone",
    ),
    pytest.param(
        [
            build_event(NOW - 2 * DAY, "granted", purpose="insight"),
            build_event(NOW - DAY, "withdrawn", value="a2@x.de", purpose="insight"),
        ],
        "insight",
        "withdrawn",
        id="person_wide_denial_over_a_probable_link",
    ),
    pytest.param(
        [build_event(NOW - DAY, "granted", purpose="insight")],
        "letters",
        "no_consent",
        id="a_grant_is_for_its_purpose_alone",
    ),
    # Blocks, and how they end.
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "unsubscribed", purpose="*")],
        "letters",
        "suppressed",
        id="unsubscribed",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "unsubscribed", purpose="*"), build_event(NOW - DAY, "granted")],
        "letters",
        "allowed",
        id="granted_again_on_the_point",
    ),
    pytest.param(
        [
            build_event(NOW - 2 * DAY, "unsubscribed", purpose="*"),
            build_event(NOW - DAY, "granted", "loyalty_card", "LC1"),
        ],
        "letters",
        "suppressed",
        id="a_grant_elsewhere_does_not_end_it",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "complained", purpose="*"), build_event(NOW - DAY, "granted")],
        "letters",
        "suppressed",
        id="complaint_outlasts_a_grant",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "bounced", purpose="*"), build_event(NOW - DAY, "granted")],
        "letters",
        "undeliverable",
        id="bounce_outlasts_a_grant",
    ),
    pytest.param(
        [
            build_event(NOW - 3 * DAY, "bounced", purpose="*"),
            build_event(NOW - 2 * DAY, "granted"),
            build_event(NOW - DAY, "verified", purpose="*"),
        ],
        "letters",
        "allowed",
        id="verified_after_a_bounce",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "bounced", value="a2@x.de", purpose="*")],
        "letters",
        "allowed",
        id="a_bounce_stays_on_its_point",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "objected")],
        "letters",
        "objected",
        id="objected",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "objected"), build_event(NOW - DAY, "granted")],
        "letters",
        "allowed",
        id="granted_after_objection",
    ),
    pytest.param(
        [
            build_event(NOW - 3 * DAY, "granted"),
            build_event(NOW - 2 * DAY, "objected"),
            build_event(NOW - DAY, "objection_withdrawn"),
        ],
        "letters",
        "allowed",
        id="objection_withdrawn",
    ),
    pytest.param(
        [
            build_event(NOW - 2 * DAY, "granted", purpose="insight"),
            build_event(NOW - DAY, "objected", purpose="insight"),
        ],
        "insight",
        "withdrawn",
        id="an_objection_to_what_rests_on_consent_withdraws_it",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "granted"), build_event(NOW - DAY, "restricted", value="a2@x.de", purpose="*")],
        "letters",
        "restricted",
        id="restricted",
    ),
    pytest.param(
        [
            build_event(NOW - 3 * DAY, "granted"),
            build_event(NOW - 2 * DAY, "restricted", purpose="*"),
            build_event(NOW - DAY, "restriction_lifted", purpose="*"),
        ],
        "letters",
        "allowed",
        id="restriction_lifted",
    ),
    pytest.param(
        [build_event(NOW - 2 * DAY, "erased", purpose="*"), build_event(NOW - DAY, "granted")],
        "letters",
        "erased",
        id="an_erasure_never_ends",
    ),
    pytest.param(
        [build_event(NOW - 3 * DAY, "erased", purpose="*"), build_event(NOW - 2 * DAY, "restricted", purpose="*")],
        "letters",
        "erased",
        id="the_first_check_gives_the_reason",
    ),
]


@pytest.mark.parametrize(("events", "purpose", "expected"), CASES)
def test_consent(events, purpose, expected):
    assert find_reason(decide_events(events), purpose) == expected


def build_sale(at, amount, kind="order", record="a1", n=0):
    return {
        "channel": "t",
        "source_record_id": record,
        "interaction_type": kind,
        "occurred_at": at,
        "ingested_at": at,
        "amount_minor": amount,
        "currency_code": "GBP",
        "quantity": n,
    }


CONTRACTS = [
    pytest.param([], "no_live_contract", id="no_order"),
    pytest.param([build_sale(NOW - DAY, 100)], "allowed", id="ordered"),
    pytest.param([build_sale(NOW, 100)], "no_live_contract", id="not_before_it_is_placed"),
    pytest.param([build_sale(NOW - 90 * DAY, 100)], "no_live_contract", id="over_at_the_instant"),
    pytest.param([build_sale(NOW - 90 * DAY + timedelta(seconds=1), 100)], "allowed", id="not_yet_over"),
    pytest.param(
        [build_sale(NOW - 2 * DAY, 100), build_sale(NOW - DAY, -100, "refund", "a2")],
        "no_live_contract",
        id="given_back_whole",
    ),
    pytest.param(
        [build_sale(NOW - 2 * DAY, 100), build_sale(NOW - DAY, -40, "refund", "a2")], "allowed", id="given_back_in_part"
    ),
    pytest.param(
        [build_sale(NOW - 2 * DAY, -100, "refund", "a2"), build_sale(NOW - DAY, 100)],
        "allowed",
        id="a_refund_ends_no_later_order",
    ),
    pytest.param(
        [build_sale(NOW - 2 * DAY, 100), build_sale(NOW - DAY, -100, "refund", "b1")],
        "allowed",
        id="a_refund_of_somebody_else",
    ),
]


@pytest.mark.parametrize(("interactions", "expected"), CONTRACTS)
def test_contract(interactions, expected):
    assert find_reason(decide_events([], interactions), "delivery") == expected


def test_one_refund_ends_one_order():
    records = [*RECORDS, ("a3", A, True, {"email": "a@x.de"})]
    found = decide_events(
        [],
        [
            build_sale(NOW - 3 * DAY, 100),
            build_sale(NOW - 2 * DAY, 100, record="a3"),
            build_sale(NOW - DAY, -100, "refund", "a2"),
        ],
        records=records,
    )
    assert find_reason(found, "delivery") == "allowed"
    assert found.filter(purpose="delivery", customer_id=A)["evidence"].item().to_list() == ["t:a1"]


def test_a_purpose_allows_nothing_before_it_is_in_force():
    early = CONSENT.model_copy(update={"effective_from": date(2024, 6, 2)})
    found = decide_events([build_event(NOW - DAY, "granted")], register=Register.from_purposes([early]))
    assert find_reason(found) == "purpose_not_in_force"
    assert found.filter(pl.col("is_allowed")).is_empty()


def test_known_at():
    events = [build_event(NOW - 9 * DAY, "granted"), build_event(NOW - 8 * DAY, "withdrawn", recorded=NOW - DAY)]
    assert find_reason(decide_events(events, known_at=NOW - 2 * DAY)) == "allowed"
    assert find_reason(decide_events(events, known_at=NOW)) == "withdrawn"


def test_every_customer_has_a_decision_with_evidence():
    found = decide_events([build_event(NOW - DAY, "granted", name="receipt:1")], [build_sale(NOW - DAY, 100)])
    assert tuple(found.columns) == COLUMNS
    assert found.select(DECISION_KEY).is_unique().all()
    points = found.filter(purpose="letters").select("customer_id", "contact_point").rows()
    assert points == [(A, "a2@x.de"), (A, "a@x.de"), (B, "b@x.de")]
    allowed = found.filter("is_allowed")
    assert allowed.select("purpose", "evidence").rows() == [("delivery", ["t:a1"]), ("letters", ["receipt:1"])]
    assert allowed["since_at"].to_list() == [NOW - DAY, NOW - DAY]
    without_email = decide_events([], records=[("a1", A, True, {"loyalty_card": "LC1"})])
    assert without_email.filter(purpose="letters").select("contact_point", "reason").rows() == [
        ("", "no_contact_point")
    ]


EVENTS = st.builds(
    build_event,
    st.integers(-40, 3).map(lambda hours: NOW + timedelta(hours=hours)),
    st.sampled_from(["granted", "denied", "withdrawn", "objected"]),
    value=st.sampled_from(["a@x.de", "a2@x.de", "b@x.de"]),
    purpose=st.sampled_from(["letters", "insight"]),
)


@given(st.lists(EVENTS, max_size=8, unique_by=lambda event: event["event_id"]), st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_order_of_input_does_not_matter(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    assert decide_events(events).equals(decide_events(shuffled))


@given(
    st.lists(EVENTS, max_size=6, unique_by=lambda event: event["event_id"]),
    st.sampled_from(["a@x.de", "a2@x.de"]),
    st.sampled_from(["letters", "insight"]),
)
@settings(max_examples=15, deadline=None)
def test_a_withdrawal_never_allows_more(events, value, purpose):
    more = [*events, build_event(NOW, "withdrawn", value=value, purpose=purpose, name="last")]
    key = DECISION_KEY
    before = decide_events(events).filter("is_allowed").select(key)
    after = decide_events(more).filter("is_allowed").select(key)
    assert after.join(before, on=key, how="anti").is_empty()
    assert after.filter(purpose=purpose, customer_id=A).is_empty()


@given(st.lists(EVENTS, max_size=6, unique_by=lambda event: event["event_id"]))
@settings(max_examples=10, deadline=None)
def test_later_records_do_not_change_a_decision(events):
    later = [{**event, "event_id": f"later{i}", "recorded_at": NOW + DAY} for i, event in enumerate(events)]
    assert (
        decide_events([*events, *later], known_at=NOW)
        .drop("ledger_position")
        .equals(decide_events(events, known_at=NOW).drop("ledger_position"))
    )
