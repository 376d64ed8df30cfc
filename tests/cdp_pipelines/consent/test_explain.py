"""The explanation agrees with the decision, and names the identity path of every consent event."""

from datetime import date

import polars as pl
import pytest

from cdp_pipelines.consent import list_identifiers
from cdp_pipelines.consent.decision_state import DecisionState
from cdp_pipelines.consent.explain import COUNTS, explain_checks, explain_events, trace_identity_paths
from tests.cdp_pipelines.consent.inputs import LATER, REGISTER, at, build_test_input, random_input
from tests.cdp_pipelines.consent.test_bases import NOW, PEOPLE, build_event


@pytest.mark.parametrize("seed", [3, 17])
def test_the_first_check_that_denies_is_the_reason_of_every_decision(seed):
    as_of = at("2011-06-15")
    frames = random_input(seed, customer_count=6, consent_event_count=400)
    state, decisions = DecisionState.build(frames.build_input(as_of)), frames.decide(as_of)
    explained_count = 0
    for key in REGISTER:
        for customer_id in decisions["customer_id"].unique():
            checks = explain_checks(state, key, customer_id)
            last = checks.filter((pl.col("outcome") == "denied") | (pl.col("check") == "allowed"))
            expected = decisions.filter(purpose=key, customer_id=customer_id).sort("contact_point")
            explained = last.sort("contact_point").select("contact_point", "check", "evidence", "at").rows()
            assert explained == [
                (row["contact_point"], row["reason"], row["evidence"][0] if row["evidence"] else None, row["since_at"])
                for row in expected.iter_rows(named=True)
            ], (key, customer_id)
            explained_count += last.height
    print(f"{explained_count} decisions explained")
    assert explained_count > 100


def explain(events, key="profiles", customer="ada"):
    frames = build_test_input(events=events, records=PEOPLE)
    identifiers = list_identifiers(frames.party.lazy(), frames.crosswalk.lazy())
    paths = trace_identity_paths(frames.party.lazy(), frames.crosswalk.lazy(), identifiers, customer, REGISTER[key])
    return explain_events(
        frames.ledger.lazy(), paths, customer, REGISTER[key], {"mute": date(2011, 1, 5)}, as_of=NOW, known_at=LATER
    )


EFFECTS = [
    ("certain_and_exclusive", build_event("granted", "profiles"), "profiles", COUNTS),
    ("shared", build_event("granted", "profiles", "phone", "+9"), "profiles", "is on a shared identifier"),
    ("probable", build_event("granted", "profiles", "email", "old@x"), "profiles", "came over a probable link"),
    ("denial_travels", build_event("denied", "profiles", "email", "old@x"), "profiles", COUNTS),
    ("no_notice", build_event("granted", "profiles", notice_version=None), "profiles", "names no notice (Art. 7(1))"),
    ("pre_ticked", build_event("granted", "profiles", method="pre_ticked"), "profiles", "names no method that proves a consent (Art. 7(2))"),
    ("after_a_gap", build_event("granted", "profiles", channel="mute", drop_date=date(2011, 1, 5)), "profiles", "came after a gap in its channel, which is not closed"),
    ("before_a_gap", build_event("granted", "profiles", channel="mute", drop_date=date(2011, 1, 4)), "profiles", COUNTS),
    ("denial_after_a_gap", build_event("denied", "profiles", channel="mute", drop_date=date(2011, 1, 9)), "profiles", COUNTS),
    ("later", build_event("granted", "profiles", moment=at("2011-06-16")), "profiles", "happened later"),
    ("future", build_event("granted", "profiles", recorded_at=at("2011-01-01")), "profiles", "is dated later than it was recorded"),
    ("uncertain_point_for_itself", build_event("granted", "newsletter", "email", "old@x"), "newsletter", COUNTS),
    ("block_elsewhere", build_event("unsubscribed", "*", "phone", "+1"), "newsletter", "is about another contact point"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "key", "effect"), [pytest.param(*case[1:], id=case[0]) for case in EFFECTS])
def test_an_event_counts_or_has_a_reason_not_to(event, key, effect):
    found = explain([event], key)
    assert found["effect"].to_list() == [effect]


def test_a_denial_of_a_customer_with_the_same_phone_reaches_the_other():
    found = explain([build_event("denied", "texts", "email", "ben@x")], "texts")
    assert found.select("holder", "link", "effect").rows() == [("ben", "exact", COUNTS)]
    assert found["records"].to_list() == [["crm:r3"]]
