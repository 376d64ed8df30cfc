"""Properties that hold for every decision input."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cdp_pipelines.consent import extend_ledger, list_identifiers
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, SUBJECT_KINDS
from tests.cdp_pipelines.consent.inputs import REGISTER, InputFrames, at, random_input

AS_OF = at("2011-06-15")
KEY = ["customer_id", "purpose", "contact_point"]
inputs = st.integers(0, 10**6).map(lambda seed: random_input(seed, customer_count=8, consent_event_count=300))
# A event or request keeps an obligation or an interest alive; those purposes live longer by more events, and rightly so.
WIDENED_BY_EVENTS = [key for key, purpose in REGISTER.items() if "consent_event" in purpose.retaining_types]
checked = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def list_known_identifiers(frames: InputFrames) -> pl.DataFrame:
    return list_identifiers(frames.party.lazy(), frames.crosswalk.lazy()).collect().sort("kind", "value", "customer_id")


@st.composite
def input_and_event(draw, statuses):
    frames = draw(inputs)
    identifiers = list_known_identifiers(frames).filter(pl.col("kind").is_in(SUBJECT_KINDS))
    subject = draw(st.sampled_from(identifiers.select("kind", "value").unique(maintain_order=True).rows()))
    purpose, status = draw(st.sampled_from(statuses))
    happened = draw(st.sampled_from(sorted(set(frames.ledger["event_at"]))))
    lag = draw(st.sampled_from([timedelta(), timedelta(hours=2), timedelta(hours=-24), timedelta(days=-40)]))
    event = {
        "event_id": draw(st.sampled_from(["a", "w5", "zz"])) + "-new",
        "subject_kind": subject[0],
        "subject_value": subject[1],
        "purpose": purpose,
        "status": status,
        "event_at": happened,
        "recorded_at": happened + lag,
    }
    return frames, event


def select_allowed(decisions: pl.DataFrame) -> set[tuple[str, str, str]]:
    return set(decisions.filter("is_allowed").select(KEY).rows())


@checked
@given(inputs, st.randoms(use_true_random=False))
def test_the_order_of_input_does_not_matter(frames, random):
    def shuffled(frame):
        return frame.sample(fraction=1, shuffle=True, seed=random.randrange(2**32))

    tables = {name: frame for name, frame in vars(frames).items() if isinstance(frame, pl.DataFrame)}
    other = replace(frames, **{name: shuffled(frame) for name, frame in tables.items()})
    assert_frame_equal(other.decide(AS_OF), frames.decide(AS_OF))


RESTRICTIVE_EVENTS = [
    *((key, status) for key in REGISTER for status in ("denied", "withdrawn", "objected")),
    *(("*", status) for status in ("restricted", "erased", "unsubscribed", "complained", "bounced")),
]


@checked
@given(input_and_event(RESTRICTIVE_EVENTS))
def test_a_restrictive_event_never_allows_more(pair):
    frames, event = pair
    widened = select_allowed(frames.with_event(**event).decide(AS_OF)) - select_allowed(frames.decide(AS_OF))
    assert {key for key in widened if key[1] not in WIDENED_BY_EVENTS} == set()


PERMISSIVE_EVENTS = [(key, status) for key in REGISTER for status in ("granted", "objection_withdrawn")]
PERMISSIVE_EVENTS += [("*", "restriction_lifted")]


@checked
@given(input_and_event(PERMISSIVE_EVENTS))
def test_a_grant_on_a_shared_or_uncertain_identifier_never_allows_a_person_wide_purpose(pair):
    frames, event = pair
    identifiers = list_known_identifiers(frames).filter(kind=event["subject_kind"], value=event["subject_value"])
    sure = set(identifiers.filter("is_certain", "is_exclusive")["customer_id"])
    widened = select_allowed(frames.with_event(**event).decide(AS_OF)) - select_allowed(frames.decide(AS_OF))
    person_wide = {key for key in widened if REGISTER[key[1]].scope == "person"}
    assert {key for key in person_wide if key[0] not in sure and key[1] not in WIDENED_BY_EVENTS} == set()


@checked
@given(input_and_event([("*", "verified"), *PERMISSIVE_EVENTS]))
def test_an_unproven_or_future_grant_changes_nothing(pair):
    frames, event = pair
    event["recorded_at"] = event["event_at"] - timedelta(hours=24, microseconds=1)
    changed = frames.with_event(**event).decide(AS_OF).drop("ledger_position")
    assert_frame_equal(changed, frames.decide(AS_OF).drop("ledger_position"))


@checked
@given(inputs, st.integers(0, 400))
def test_later_records_do_not_change_a_decision(frames, days):
    known_at = at("2010-10-01") + timedelta(days=days)
    then = replace(
        frames,
        ledger=frames.ledger.filter(pl.col("recorded_at") <= known_at),
        interactions=frames.interactions.filter(pl.col("ingested_at") <= known_at),
        requests=frames.requests.filter(pl.col("ingested_at") <= known_at),
        cases=frames.cases.filter(pl.col("declared_at") <= known_at),
    )
    assert_frame_equal(frames.decide(AS_OF, known_at), then.decide(AS_OF, known_at))


@checked
@given(inputs, st.data())
def test_the_ledger_does_not_depend_on_how_nights_are_run(frames, data):
    nights = [data.draw(st.integers(1, 4)) for _ in range(frames.ledger.height)]
    events = frames.ledger.select(pl.col(name) for name in LEDGER.schema if name != "position").with_columns(
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
def test_a_clock_without_a_time_zone_is_refused(clock):
    frames = random_input(1, customer_count=2, consent_event_count=3)
    clocks = {"as_of": AS_OF, "known_at": AS_OF} | {clock: AS_OF.replace(tzinfo=None)}
    with pytest.raises(ValueError, match=f"{clock} has no time zone"):
        frames.decide(**clocks)
