"""Seals: the same however the nights come, made good after a crash, and of a form that is written down here."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.consent import seal_events
from cdp_pipelines.consent.merkle import leaf_hash, merkle_root
from cdp_pipelines.consent.seal import NO_HEAD, encode_events
from cdp_pipelines.schema import LEDGER, SEAL


@dataclass(frozen=True)
class Stamp:
    public_key: str = "ab"

    def sign(self, message):
        return message[::-1]


def ledger(*days, start=1):
    """Events of these days of January, at positions from `start`."""
    return pl.DataFrame(
        [
            {
                **dict.fromkeys(LEDGER.schema),
                "position": n,
                "event_id": f"e{n}",
                "drop_date": date(2024, 1, day),
            }
            for n, day in enumerate(days, start)
        ],
        schema=LEDGER.schema,
    )


NIGHTS = ledger(1, 1, 1, 2, 4, 4)


def extend(batches, held, events):
    return pl.concat([batches, seal_events(batches.drop("leaves"), held, events, Stamp())])


def test_an_event_as_bytes():
    event = {
        **dict.fromkeys(LEDGER.schema),
        "position": 7,
        "event_id": "a:1",
        "subject_value": 'Ș"\\\n\x01\x7f/\u2028😀',
        "drop_date": date(969, 1, 2),
        "event_at": datetime(2024, 1, 2, 3, 4, 5, 6, UTC),
        "recorded_at": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    }
    [entry] = encode_events(pl.DataFrame([event], schema=LEDGER.schema))
    assert entry.decode() == (
        '{"drop_date":"0969-01-02","event_at":"2024-01-02T03:04:05.000006Z","event_id":"a:1","position":7,'
        '"recorded_at":"9999-12-31T23:59:59.000000Z","subject_value":"Ș\\"\\\\\\n\\u0001\x7f/\u2028😀"}'
    )


def test_a_batch_per_night_chained():
    batches = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    assert batches.select("batch", "drop_date", "first_position", "last_position", "event_count").rows() == [
        (1, date(2024, 1, 1), 1, 3, 3),
        (2, date(2024, 1, 2), 4, 4, 1),
        (3, date(2024, 1, 4), 5, 6, 2),
    ]
    assert batches["previous"].to_list() == [NO_HEAD, *batches["head"][:-1]]
    third = batches.row(2, named=True)
    leaves = [leaf_hash(entry) for entry in encode_events(NIGHTS[4:])]
    assert (third["leaves"], third["root"]) == (b"".join(leaves), merkle_root(leaves).hex())
    link = (
        f'{{"batch":3,"first_position":5,"last_position":6,"previous":"{batches["head"][1]}","root":"{third["root"]}"}}'
    )
    assert third["head"] == sha256(link.encode()).hexdigest()
    assert third["signature"] == bytes.fromhex(third["head"])[::-1].hex()
    assert third["public_key"] == "ab"


@given(st.sets(st.sampled_from([3, 4])), st.sets(st.sampled_from([3, 4, 6])))
def test_nights_one_by_one_and_crashes_give_what_nights_at_once_give(cuts, crashes):
    """`crashes` are places at which the run stopped after the ledger was written, before its seals were."""
    at_once = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    batches, held = SEAL.empty(), LEDGER.empty()
    for cut in [*sorted(cuts), 6, 6]:
        events = NIGHTS[held.height : cut]
        if cut not in crashes or events.is_empty():
            batches = extend(batches, held, events)
        held = NIGHTS[:cut]
    assert batches.equals(at_once)


def test_a_late_event_is_sealed_in_a_batch_of_its_own_even_after_a_crash():
    late = ledger(1, 2, start=4)
    smooth = extend(extend(SEAL.empty(), LEDGER.empty(), NIGHTS[:3]), NIGHTS[:3], late)
    assert smooth["event_count"].to_list() == [3, 1, 1]
    assert extend(SEAL.empty(), NIGHTS[:3], late).equals(smooth)


def test_nothing_new_is_no_batch():
    assert seal_events(SEAL.empty(), LEDGER.empty(), LEDGER.empty(), Stamp()).equals(SEAL.empty())
    batches = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    assert seal_events(batches, NIGHTS, NIGHTS.clear(), Stamp()).is_empty()
