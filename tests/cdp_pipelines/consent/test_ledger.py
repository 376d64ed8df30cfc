"""The ledger only grows, each event once, in the same order however it comes."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.consent import extend_ledger
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER

START = datetime(2024, 1, 1, tzinfo=UTC)


def build_events(*numbers):
    return pl.DataFrame(
        [
            {
                **dict.fromkeys(CONSENT_EVENT.schema),
                "event_id": f"e{n}",
                "purpose": "p",
                "status": "granted",
                "drop_date": (START + timedelta(days=n // 3)).date(),
                "recorded_at": START + timedelta(hours=n % 5),
            }
            for n in numbers
        ],
        schema=CONSENT_EVENT.schema,
    )


def test_known_wills_are_not_written_again():
    first = extend_ledger(LEDGER.empty(), build_events(1, 2))
    assert first["position"].to_list() == [1, 2]
    assert extend_ledger(first, build_events(1, 2)).is_empty()
    more = extend_ledger(first, build_events(1, 2, 7))
    assert more.select("position", "event_id").rows() == [(3, "e7")]


@given(st.permutations(range(9)))
@settings(max_examples=20, deadline=None)
def test_the_ledger_does_not_depend_on_how_nights_are_run(order):
    at_once = extend_ledger(LEDGER.empty(), build_events(*order))
    grown = LEDGER.empty()
    for night in range(3):
        grown = pl.concat([grown, extend_ledger(grown, build_events(*range(3 * night + 3)))])
    assert grown.equals(at_once)


def build_state(day, status, subject="ann@post.example"):
    """A record of a channel of states as it is on a day."""
    at = START + timedelta(days=day)
    return {
        **dict.fromkeys(CONSENT_EVENT.schema), "event_id": "shop:1", "channel": "shop", "source_record_id": "1",
        "purpose": "p", "status": status, "subject_kind": "email", "subject_value": subject, "drop_date": at.date(),
        "event_at": at, "recorded_at": at,
    }  # fmt: skip


def extend_by_states(*states):
    """The ledger after nights that each deliver these states."""
    ledger = LEDGER.empty()
    for night in states:
        ledger = pl.concat([ledger, extend_ledger(ledger, pl.DataFrame(night, schema=CONSENT_EVENT.schema))])
    return ledger.select("event_id", "status", "subject_value", pl.col("event_at").dt.day()).rows()


OLD, NEW = "ann@post.example", "bob@post.example"
DENIED = ("shop:1", "denied", OLD, 1)


@pytest.mark.parametrize(
    ("states", "added"),
    [
        pytest.param([(1, "granted"), (2, "denied")], [("shop:1", "granted", OLD, 2), ("shop:1@2", "denied", OLD, 3)], id="after_a_grant"),
        pytest.param([(1, "denied", NEW)], [("shop:1@2", "denied", NEW, 2)], id="on_another_subject"),
        pytest.param([(1, "denied")], [], id="unchanged_choice"),
        pytest.param([(1, "granted"), (2, "denied"), (3, "granted")], [("shop:1", "granted", OLD, 2), ("shop:1@2", "denied", OLD, 3)], id="no_second_grant"),
        pytest.param([(0, "granted"), (0, "denied")], [("shop:1", "granted", OLD, 1)], id="at_one_time"),
    ],
)  # fmt: skip
def test_a_denial_of_a_newer_state_counts_again(states, added):
    nights = [[build_state(*state)] for state in [(0, "denied"), *states]]
    # Each state is delivered twice: the second time nothing is new.
    assert extend_by_states(*(night for night in nights for _ in range(2))) == [DENIED, *added]


def test_a_denial_of_two_subjects_in_one_record_reaches_both():
    night = [build_state(0, "denied"), build_state(0, "denied", NEW)]
    assert extend_by_states(night, night) == [DENIED, ("shop:1@2", "denied", NEW, 1)]
