"""The explanation says what the decision says, in every world, and names the path of every will."""

import polars as pl
import pytest

from cdp_pipelines.consent import list_identifiers
from cdp_pipelines.consent.decide import DecisionInput
from cdp_pipelines.consent.explain import COUNTS, explain_checks, explain_events, trace_identity_paths
from tests.cdp_pipelines.consent.test_bases import NOW, PEOPLE, will
from tests.cdp_pipelines.consent.worlds import LATER, REGISTER, at, random_world, world_of


def matter_of(world, as_of):
    return DecisionInput.of(
        REGISTER,
        world.ledger,
        list_identifiers(world.party.lazy(), world.crosswalk.lazy()),
        world.interaction.lazy(),
        world.crosswalk.lazy(),
        as_of=as_of,
        known_at=LATER,
        party=world.party.lazy(),
        requests=world.requests.lazy(),
        cases=world.cases,
    )


@pytest.mark.parametrize("seed", [3, 17])
def test_the_first_check_that_denies_is_the_reason_in_every_cell(seed):
    as_of = at("2011-06-15")
    world = random_world(seed, customer_count=6, consent_event_count=400)
    matter, decisions = matter_of(world, as_of), world.decide(as_of)
    n = 0
    for key in REGISTER:
        for customer_id in decisions["customer_id"].unique():
            found = explain_checks(matter, key, customer_id)
            last = found.filter((pl.col("outcome") == "denied") | (pl.col("check") == "allowed"))
            expected = decisions.filter(purpose=key, customer_id=customer_id).sort("contact_point")
            told = last.sort("contact_point").select("contact_point", "check", "evidence", "at").rows()
            assert told == [
                (row["contact_point"], row["reason"], row["evidence"][0] if row["evidence"] else None, row["since_at"])
                for row in expected.iter_rows(named=True)
            ], (key, customer_id)
            n += last.height
    print(f"{n} decisions explained")
    assert n > 100


def explained(wills_, key="profiles", customer="ada"):
    world = world_of(wills=wills_, records=PEOPLE)
    held = list_identifiers(world.party.lazy(), world.crosswalk.lazy())
    ways = trace_identity_paths(world.party.lazy(), world.crosswalk.lazy(), held, customer, REGISTER[key])
    return explain_events(world.ledger.lazy(), ways, customer, REGISTER[key], NOW, LATER)


HEARD = [
    ("certain_ground", will("granted", "profiles"), "profiles", COUNTS),
    ("shared", will("granted", "profiles", "phone", "+9"), "profiles", "is on a shared identifier: no certain ground"),
    ("probable", will("granted", "profiles", "email", "old@x"), "profiles", "came over a probable link: no certain ground"),
    ("denial_travels", will("denied", "profiles", "email", "old@x"), "profiles", COUNTS),
    ("no_notice", will("granted", "profiles", notice_version=None), "profiles", "names no notice (Art. 7(1))"),
    ("pre_ticked", will("granted", "profiles", method="pre_ticked"), "profiles", "names no method that proves a consent (Art. 7(2))"),
    ("later", will("granted", "profiles", moment=at("2011-06-16")), "profiles", "happened later"),
    ("future", will("granted", "profiles", recorded_at=at("2011-01-01")), "profiles", "is dated later than it was recorded"),
    ("uncertain_point_for_itself", will("granted", "newsletter", "email", "old@x"), "newsletter", COUNTS),
    ("block_elsewhere", will("unsubscribed", "*", "phone", "+1"), "newsletter", "is about another contact point alone"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "key", "heard"), [pytest.param(*case[1:], id=case[0]) for case in HEARD])
def test_a_will_counts_or_says_why_not(told, key, heard):
    found = explained([told], key)
    assert found["heard"].to_list() == [heard]


def test_a_denial_of_who_shares_the_phone_reaches_over_them():
    found = explained([will("denied", "texts", "email", "ben@x")], "texts")
    assert found.select("holder", "over", "heard").rows() == [("ben", "exact", COUNTS)]
    assert found["records"].to_list() == [["crm:r3"]]
