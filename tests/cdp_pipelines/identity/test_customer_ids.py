"""Customer ids over nights: merges, splits and restored ids, each recorded with its cause."""

from datetime import UTC, datetime
from hashlib import sha256

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity.customer_ids import keep_customer_ids
from cdp_pipelines.schema import CLUSTER, HISTORY, LINK

NIGHTS = [datetime(2024, 6, day, tzinfo=UTC) for day in range(1, 9)]
ID = {name: f"c_{sha256(f'crm:{name}'.encode()).hexdigest()[:16]}" for name in "abcdef"}


def cluster(*groups):
    """Each group one customer, named after its first record."""
    rows = [("crm", name, ID[group[0]], True) for group in groups for name in group]
    return pl.DataFrame(rows, schema=CLUSTER.schema, orient="row")


def link(left, right, rule, weight=None):
    row = ("crm", left, "crm", right, rule, weight is None, weight, [f"{rule}:exact"])
    return pl.DataFrame([row], schema=LINK.schema, orient="row")


def over(*nights, links=None):
    """Clusters and history after each night's groups."""
    before, history = CLUSTER.empty(), HISTORY.empty()
    for as_of, groups in zip(NIGHTS, nights, strict=False):
        before, events = keep_customer_ids(
            cluster(*groups), before, history, LINK.empty() if links is None else links, as_of
        )
        history = pl.concat([history, events])
    return before, history


def groups_of(found):
    of_id = found.group_by("customer_id").agg(pl.col("source_record_id").sort().str.join())
    names = {digest: name for name, digest in ID.items()}
    return {names[row["customer_id"]]: row["source_record_id"] for row in of_id.iter_rows(named=True)}


def moves(history):
    names = {digest: name for name, digest in ID.items()} | {None: None}
    events = history.filter(pl.col("event") != "created").sort("occurred_at", "customer_id")
    return sorted(
        (row["event"], names[row["customer_id"]], names[row["other_customer_id"]])
        for row in events.iter_rows(named=True)
    )


CASES = [
    ("a_late_record_that_sorts_first_changes_no_id", [["b"]], [["a", "b"]], {"b": "ab"}, []),
    ("of_two_that_come_together_the_older_lives_on", [["b"]], [["b"], ["a"]], [["a", "b"]], {"b": "ab"}, [("merged", "a", "b")]),
    ("of_one_night_the_one_with_the_earliest_record", [["b"], ["a"]], [["a", "b"]], {"a": "ab"}, [("merged", "b", "a")]),
    ("a_split_leaves_the_id_with_its_record", [["a", "b", "c"]], [["a"], ["b", "c"]], {"a": "a", "b": "bc"}, [("split", "a", "b")]),
    ("a_merge_undone_gives_back_both", [["a"], ["b"]], [["a", "b"]], [["a"], ["b"]], {"a": "a", "b": "b"}, [("merged", "b", "a"), ("split", "a", "b")]),
    ("a_record_that_moves_to_another_customer", [["a", "c"], ["b"]], [["a"], ["b", "c"]], {"a": "a", "b": "bc"}, [("split", "a", "b")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nights", "ids", "expected"), [pytest.param(case[1:-2], *case[-2:], id=case[0]) for case in CASES]
)
def test_ids(nights, ids, expected):
    found, history = over(*nights)
    assert groups_of(found) == ids
    assert moves(history) == expected


def test_the_same_night_twice_adds_nothing():
    once, history = over([["a"], ["b"]], [["a", "b"]])
    again, events = keep_customer_ids(cluster(["a", "b"]), once, history, LINK.empty(), NIGHTS[1])
    assert again.equals(once)
    assert events.is_empty()


def test_a_run_cut_short_after_the_history_is_completed():
    before, history = over([["a"], ["b"]])
    merged, events = keep_customer_ids(cluster(["a", "b"]), before, history, LINK.empty(), NIGHTS[1])
    again, repeated_events = keep_customer_ids(
        cluster(["a", "b"]), before, pl.concat([history, events]), LINK.empty(), NIGHTS[1]
    )
    assert again.equals(merged)
    assert events.height == 1
    assert repeated_events.is_empty()


@pytest.mark.parametrize(
    ("links", "cause"),
    [
        pytest.param(link("a", "b", "device_id"), "exact match on device_id", id="exact"),
        pytest.param(link("b", "a", "last_name+street", 12.34), "match weight 12.3 by last_name+street", id="probable"),
        pytest.param(
            pl.concat([link("a", "b", "x", 9.0), link("a", "b", "phone")]), "exact match on phone", id="surest"
        ),
        pytest.param(LINK.empty(), "its records went there", id="over_others"),
    ],
)
def test_a_merge_has_its_cause(links, cause):
    _, history = over([["a"], ["b"]], [["a", "b"]], links=links)
    assert history.filter(event="merged")["cause"].to_list() == [cause]


partitions = st.lists(st.integers(0, 3), min_size=6, max_size=6).map(
    lambda of: [
        group for number in range(4) if (group := [name for name, n in zip("abcdef", of, strict=True) if n == number])
    ]
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(partitions, min_size=2, max_size=6))
def test_ids_are_one_to_one_with_customers_and_every_id_was_created(nights):
    found, history = over(*nights)
    assert sorted(groups_of(found).values()) == sorted("".join(sorted(group)) for group in nights[-1])
    assert set(found["customer_id"]) <= set(history.filter(event="created")["customer_id"])
    assert all(name in records for name, records in groups_of(found).items())
    assert history.filter(event="created")["customer_id"].is_unique().all()
