"""What a channel grants after a gap does not count until the gap is closed; what it denies always counts."""

import random
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from cdp_pipelines.schema import LEDGER, PERMISSIVE_STATUSES
from tests.cdp_pipelines.consent.inputs import at, build_test_input, random_input
from tests.cdp_pipelines.consent.test_bases import NOW, PEOPLE, build_event

GAP = date(2011, 3, 5)
SILENT = {"web": GAP}


def decide_profiles(*events, silent=SILENT) -> tuple[str, list[str]]:
    frames = replace(build_test_input(events=events, records=PEOPLE), silent=silent)
    row = frames.decide(NOW).filter(customer_id="ada", purpose="profiles").row(0, named=True)
    assert frames.decide_by_oracle(NOW)["ada", "profiles", ""]["reason"] == row["reason"]
    return row["reason"], row["evidence"]


def taken_in(status, night, channel="web", **more):
    return build_event(status, "profiles", channel=channel, drop_date=night, **more)


BEFORE, AFTER = GAP - timedelta(days=1), GAP + timedelta(days=1)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([taken_in("granted", BEFORE)], "allowed"),
        ([taken_in("granted", GAP)], "no_consent"),
        ([taken_in("granted", AFTER)], "no_consent"),
        ([taken_in("granted", AFTER, channel="crm")], "allowed"),
        ([taken_in("granted", BEFORE), taken_in("denied", AFTER, moment=NOW)], "denied"),
        ([taken_in("granted", BEFORE), taken_in("withdrawn", AFTER, moment=NOW)], "withdrawn"),
        ([taken_in("denied", BEFORE), taken_in("granted", AFTER, moment=NOW)], "denied"),
    ],
)
def test_a_gap_takes_away_later_grants_alone(events, reason):
    assert decide_profiles(*events)[0] == reason


def test_a_gap_that_is_closed_brings_the_grants_back():
    grant = taken_in("granted", AFTER)
    assert decide_profiles(grant)[0] == "no_consent"
    assert decide_profiles(grant, silent={})[0] == "allowed"


@pytest.mark.parametrize("seed", [101, 102])
def test_random_decisions_with_gaps_equal_those_of_brute_force_and_allow_no_more(seed):
    frames, rng = random_input(seed, customer_count=8, consent_event_count=500), random.Random(seed)  # noqa: S311
    places = [(rng.choice(["web", "crm", "app"]), GAP + timedelta(days=rng.randrange(-40, 40))) for _ in range(500)]
    placed = pl.DataFrame(places, schema={"channel": pl.String, "drop_date": pl.Date}, orient="row")
    frames = replace(frames, ledger=frames.ledger.with_columns(placed).select(*LEDGER.schema))
    with_gaps = replace(frames, silent=dict.fromkeys(("web", "app", "crm"), GAP - timedelta(days=20)))
    as_of = at("2011-10-15")
    decided = with_gaps.decide(as_of)
    expected = with_gaps.decide_by_oracle(as_of)
    for row in decided.to_dicts():
        key = row.pop("customer_id"), row.pop("purpose"), row.pop("contact_point")
        assert row == expected[key], key
    key = ["customer_id", "purpose", "contact_point"]
    before = set(frames.decide(as_of).filter("is_allowed").select(key).rows())
    after = set(decided.filter("is_allowed").select(key).rows())
    consents = {row["purpose"] for row in decided.filter(pl.col("lawful_basis") == "consent").to_dicts()}
    assert {unit for unit in after - before if unit[1] in consents} == set()
    assert before - after
    assert frames.ledger.filter(pl.col("status").is_in(PERMISSIVE_STATUSES)).height > 100
