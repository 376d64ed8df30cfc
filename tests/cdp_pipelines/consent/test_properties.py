"""What must hold in every world, whatever its people want."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cdp_pipelines.consent import extend_ledger, list_identifiers
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER
from tests.cdp_pipelines.consent.worlds import REGISTER, SUBJECT_KINDS, World, at, random_world

AS_OF = at("2011-06-15")
KEY = ["customer_id", "purpose", "contact_point"]
worlds = st.integers(0, 10**6).map(lambda seed: random_world(seed, customer_count=8, consent_event_count=300))
# A will or request keeps an obligation or an interest alive; those purposes live longer by more wills, and rightly so.
WIDENED_BY_WILLS = [key for key, purpose in REGISTER.items() if "will" in purpose.kept_by]
checked = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def known(world: World) -> pl.DataFrame:
    return list_identifiers(world.party.lazy(), world.crosswalk.lazy()).collect().sort("kind", "value", "customer_id")


@st.composite
def world_and_will(draw, statuses):
    world = draw(worlds)
    held = known(world).filter(pl.col("kind").is_in(SUBJECT_KINDS))
    subject = draw(st.sampled_from(held.select("kind", "value").unique(maintain_order=True).rows()))
    purpose, status = draw(st.sampled_from(statuses))
    happened = draw(st.sampled_from(sorted(set(world.ledger["event_at"]))))
    lag = draw(st.sampled_from([timedelta(), timedelta(hours=2), timedelta(hours=-24), timedelta(days=-40)]))
    will = {
        "event_id": draw(st.sampled_from(["a", "w5", "zz"])) + "-new",
        "subject_kind": subject[0],
        "subject_value": subject[1],
        "purpose": purpose,
        "status": status,
        "event_at": happened,
        "recorded_at": happened + lag,
    }
    return world, will


def allowed(decisions: pl.DataFrame) -> set[tuple[str, str, str]]:
    return set(decisions.filter("is_allowed").select(KEY).rows())


@checked
@given(worlds, st.randoms(use_true_random=False))
def test_order_of_input_never_matters(world, random):
    def shuffled(frame):
        return frame.sample(fraction=1, shuffle=True, seed=random.randrange(2**32))

    other = World(*(shuffled(getattr(world, name)) for name in World.__dataclass_fields__))
    assert_frame_equal(other.decide(AS_OF), world.decide(AS_OF))


NARROWING = [
    *((key, status) for key in REGISTER for status in ("denied", "withdrawn", "objected")),
    *(("*", status) for status in ("restricted", "erased", "unsubscribed", "complained", "bounced")),
]


@checked
@given(world_and_will(NARROWING))
def test_a_withdrawal_never_widens(pair):
    world, will = pair
    widened = allowed(world.with_will(**will).decide(AS_OF)) - allowed(world.decide(AS_OF))
    assert {each for each in widened if each[1] not in WIDENED_BY_WILLS} == set()


WIDENING = [(key, status) for key in REGISTER for status in ("granted", "objection_withdrawn")]
WIDENING += [("*", "restriction_lifted")]


@checked
@given(world_and_will(WIDENING))
def test_on_shared_or_uncertain_ground_a_grant_never_allows_a_person_wide_purpose(pair):
    world, will = pair
    held = known(world).filter(kind=will["subject_kind"], value=will["subject_value"])
    sure = set(held.filter("is_certain", "is_exclusive")["customer_id"])
    widened = allowed(world.with_will(**will).decide(AS_OF)) - allowed(world.decide(AS_OF))
    person_wide = {each for each in widened if REGISTER[each[1]].scope == "person"}
    assert {each for each in person_wide if each[0] not in sure and each[1] not in WIDENED_BY_WILLS} == set()


@checked
@given(world_and_will([("*", "verified"), *WIDENING]))
def test_an_unproven_or_future_grant_changes_nothing(pair):
    world, will = pair
    will["recorded_at"] = will["event_at"] - timedelta(hours=24, microseconds=1)
    changed = world.with_will(**will).decide(AS_OF).drop("ledger_position")
    assert_frame_equal(changed, world.decide(AS_OF).drop("ledger_position"))


@checked
@given(worlds, st.integers(0, 400))
def test_what_was_recorded_later_is_not_revealed(world, days):
    known_at = at("2010-10-01") + timedelta(days=days)
    then = replace(
        world,
        ledger=world.ledger.filter(pl.col("recorded_at") <= known_at),
        interaction=world.interaction.filter(pl.col("ingested_at") <= known_at),
        requests=world.requests.filter(pl.col("ingested_at") <= known_at),
        cases=world.cases.filter(pl.col("declared_at") <= known_at),
    )
    assert_frame_equal(world.decide(AS_OF, known_at), then.decide(AS_OF, known_at))


@checked
@given(worlds, st.data())
def test_nights_one_by_one_give_the_ledger_of_all_at_once(world, data):
    nights = [data.draw(st.integers(1, 4)) for _ in range(world.ledger.height)]
    events = world.ledger.select(pl.col(name) for name in LEDGER.schema if name != "position").with_columns(
        drop_date=pl.Series([at(f"2011-06-0{night}").date() for night in nights]),
        ingested_at=pl.lit(AS_OF),
    )
    events = CONSENT_EVENT.conform(events.lazy()).collect()
    ledger = LEDGER.empty()
    for night in range(1, 5):
        delivered = events.filter(pl.col("drop_date") <= at(f"2011-06-0{night}").date())
        ledger = pl.concat([ledger, extend_ledger(ledger, delivered.sample(fraction=1, shuffle=True, seed=night))])
    assert_frame_equal(ledger, extend_ledger(LEDGER.empty(), events))
    assert ledger["position"].to_list() == list(range(1, ledger.height + 1))
    assert extend_ledger(ledger, events).is_empty()


@pytest.mark.parametrize("clock", ["as_of", "known_at"])
def test_a_clock_without_zone_is_refused(clock):
    world = random_world(1, customer_count=2, consent_event_count=3)
    clocks = {"as_of": AS_OF, "known_at": AS_OF} | {clock: AS_OF.replace(tzinfo=None)}
    with pytest.raises(ValueError, match="need a time zone"):
        world.decide(**clocks)
