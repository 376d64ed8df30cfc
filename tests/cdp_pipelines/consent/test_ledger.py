"""The ledger only grows, each event once, in the same order however it comes."""

from datetime import UTC, datetime, timedelta

import polars as pl
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
