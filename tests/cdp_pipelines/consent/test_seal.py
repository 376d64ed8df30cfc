"""Seals: independent of how nights are run, completed after a crash, in a fixed byte format."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.consent import seal_events
from cdp_pipelines.consent.merkle import compute_merkle_root, hash_leaf
from cdp_pipelines.consent.seal import NO_HEAD, encode_events
from cdp_pipelines.schema import LEDGER, SEAL


@dataclass(frozen=True)
class ReversingSigner:
    public_key: str = "ab"

    def sign(self, message):
        return message[::-1]


def build_ledger(*days, start=1):
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


NIGHTS = build_ledger(1, 1, 1, 2, 4, 4)


def extend(seals, sealed, events):
    return pl.concat([seals, seal_events(seals.drop("leaf_hashes"), sealed, events, ReversingSigner())])


def test_encoding_of_an_event():
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


def test_one_seal_for_each_night_chained():
    seals = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    assert seals.select("seal_number", "drop_date", "first_position", "last_position", "event_count").rows() == [
        (1, date(2024, 1, 1), 1, 3, 3),
        (2, date(2024, 1, 2), 4, 4, 1),
        (3, date(2024, 1, 4), 5, 6, 2),
    ]
    assert seals["previous_head"].to_list() == [NO_HEAD, *seals["head"][:-1]]
    third = seals.row(2, named=True)
    leaves = [hash_leaf(entry) for entry in encode_events(NIGHTS[4:])]
    assert (third["leaf_hashes"], third["merkle_root"]) == (b"".join(leaves), compute_merkle_root(leaves).hex())
    link = f'{{"batch":3,"first_position":5,"last_position":6,"previous":"{seals["head"][1]}","root":"{third["merkle_root"]}"}}'
    assert third["head"] == sha256(link.encode()).hexdigest()
    assert third["signature"] == bytes.fromhex(third["head"])[::-1].hex()
    assert third["public_key"] == "ab"


@given(st.sets(st.sampled_from([3, 4])), st.sets(st.sampled_from([3, 4, 6])))
def test_seals_do_not_depend_on_how_nights_are_run_or_interrupted(cuts, crashes):
    """`crashes`: positions at which the run stopped after it wrote the ledger and before it wrote the seals."""
    at_once = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    seals, sealed = SEAL.empty(), LEDGER.empty()
    for cut in [*sorted(cuts), 6, 6]:
        events = NIGHTS[sealed.height : cut]
        if cut not in crashes or events.is_empty():
            seals = extend(seals, sealed, events)
        sealed = NIGHTS[:cut]
    assert seals.equals(at_once)


def test_a_late_event_gets_its_own_seal_even_after_a_crash():
    late = build_ledger(1, 2, start=4)
    smooth = extend(extend(SEAL.empty(), LEDGER.empty(), NIGHTS[:3]), NIGHTS[:3], late)
    assert smooth["event_count"].to_list() == [3, 1, 1]
    assert extend(SEAL.empty(), NIGHTS[:3], late).equals(smooth)


def test_no_new_events_no_seal():
    assert seal_events(SEAL.empty(), LEDGER.empty(), LEDGER.empty(), ReversingSigner()).equals(SEAL.empty())
    seals = extend(SEAL.empty(), LEDGER.empty(), NIGHTS)
    assert seal_events(seals, NIGHTS, NIGHTS.clear(), ReversingSigner()).is_empty()
