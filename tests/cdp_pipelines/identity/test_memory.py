"""A night that remembers gives what a night without memory gives, and compares what is new alone."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity import Memory, resolve
from cdp_pipelines.identity.compare import compare
from cdp_pipelines.identity.memory import recall, salt
from cdp_pipelines.identity.pairs import block
from cdp_pipelines.identity.values import nodes
from cdp_pipelines.sample.copies import copies
from tests.cdp_pipelines.identity.test_resolve import NONE, POLICY, party, review

# Small blocks, so that some are cut down, grow too large and shrink again; few pairs, so that weights are learned.
SMALL = POLICY.model_copy(update={"max_block": 4, "min_pairs": 5, "random_pairs": 3000})


def same(night, fresh):
    """Two resolutions agree in everything that is kept, and in all that is told but what was done for it."""
    assert night.cluster.equals(fresh.cluster)
    assert night.link.equals(fresh.link)
    assert night.memory.seen.equals(fresh.memory.seen)
    assert night.memory.compared.equals(fresh.memory.compared)
    assert night.scored.equals(fresh.scored)
    work = {"nodes that are new", "pairs compared tonight"}
    assert {k: v for k, v in night.report.items() if k not in work} == {
        k: v for k, v in fresh.report.items() if k not in work
    }


PEOPLE = copies(1500)[0]


def added(frame, rng):
    del rng
    fresh = PEOPLE.filter(~pl.col("source_record_id").is_in(frame["source_record_id"].implode())).head(25)
    return pl.concat([frame, fresh.with_columns(pl.col("drop_date") + timedelta(days=1))])


def added_late(frame, rng):
    """Records that come now and sort before all others: every number of a node moves."""
    return pl.concat([frame, added(frame, rng).tail(25).with_columns(pl.lit(date(2020, 1, 1)).alias("drop_date"))])


def changed(frame, rng):
    is_one = pl.Series(rng.random(frame.height) < 0.03)
    moved = pl.when(is_one).then(pl.lit("7 elm rd")).otherwise("street")
    wed = pl.when(is_one).then(pl.col("last_name").shift(1)).otherwise("last_name")
    return frame.with_columns(moved.alias("street"), wed.alias("last_name"))


def removed(frame, rng):
    return frame.filter(pl.Series(rng.random(frame.height) > 0.02))


def crowded(frame, rng):
    """Many come to one phone and one birth date, which become too large as blocks."""
    is_one = pl.Series(rng.random(frame.height) < 0.01)
    return frame.with_columns(
        pl.when(is_one).then(pl.lit("+12065550100")).otherwise("phone").alias("phone"),
        pl.when(is_one).then(pl.lit(date(1900, 1, 1))).otherwise("birth_date").alias("birth_date"),
    )


def scattered(frame, rng):
    """And leave it again, all but some."""
    stays = pl.Series(rng.random(frame.height) < 0.1)
    crowd = (pl.col("phone") == "+12065550100") & ~stays
    return frame.with_columns(
        pl.when(crowd.fill_null(value=False)).then(None).otherwise(name).alias(name) for name in ("phone", "birth_date")
    )


NIGHTS = [
    pytest.param([added], id="added"),
    pytest.param([added_late], id="late_records_that_sort_first"),
    pytest.param([changed], id="changed"),
    pytest.param([removed], id="removed"),
    pytest.param([crowded, scattered, added], id="blocks_grow_too_large_and_shrink"),
    pytest.param([added, changed, removed, crowded, added_late, scattered, removed], id="seven_nights"),
    pytest.param([lambda frame, rng: frame.clear(), lambda frame, rng: PEOPLE.head(300)], id="all_go_and_some_come"),  # noqa: ARG005
]


@pytest.mark.parametrize("changes", NIGHTS)
def test_a_night_that_remembers_is_a_night_that_does_not(changes):
    rng = np.random.default_rng(3)
    frame = PEOPLE.head(1000)
    memory = resolve(frame, SMALL).memory
    for change in changes:
        frame = change(frame, rng)
        night = resolve(frame.sample(fraction=1, shuffle=True, seed=5), SMALL, before=memory)
        same(night, resolve(frame, SMALL))
        memory = night.memory


FEW = st.lists(
    st.builds(
        lambda at, first, last, birth, email, phone, device: {
            "source_record_id": f"r{at}",
            "first_name": first,
            "last_name": last,
            "birth_date": birth,
            "email": email,
            "phone": phone,
            "device_id": device,
        },
        st.integers(0, 15),
        st.sampled_from(["Ann", "Bob", "Anne", None]),
        st.sampled_from(["Ervin", "Moss", "Ann", None]),
        st.sampled_from([date(1980, 1, 2), date(1980, 2, 1), None]),
        st.sampled_from(["a@x.de", "b@x.de", None]),
        st.sampled_from(["+1", "+2", None]),
        st.sampled_from(["d1", "d2", None]),
    ),
    max_size=14,
    unique_by=lambda record: record["source_record_id"],
)
DECIDED = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 15), st.booleans()).filter(lambda told: told[0] < told[1]),
    max_size=3,
    unique_by=lambda told: told[:2],
)


@given(st.lists(st.tuples(FEW, DECIDED), min_size=2, max_size=4))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_whatever_comes_goes_or_is_decided(nights):
    memory = None
    for records, decisions in nights:
        frame, told = party(*records), review(*((f"r{a}", f"r{b}", is_same) for a, b, is_same in decisions))
        night = resolve(frame, SMALL, told, before=memory)
        same(night, resolve(frame, SMALL, told))
        memory = night.memory


def test_only_what_is_new_is_compared():
    frame = PEOPLE.head(1000)
    first = resolve(frame, SMALL)
    again = resolve(frame, SMALL, before=first.memory)
    assert again.report["nodes that are new"] == again.report["pairs compared tonight"] == 0
    night = resolve(added(frame, None), SMALL, before=first.memory)
    assert 0 < night.report["nodes that are new"] <= 25
    assert 0 < night.report["pairs compared tonight"] < first.report["pairs compared tonight"] / 10


def test_a_memory_that_a_run_cut_short_left_half_is_forgotten():
    frame = PEOPLE.head(500)
    first, second = (resolve(each, SMALL).memory for each in (frame, removed(frame, np.random.default_rng(1))))
    for half in (
        Memory(first.seen, second.compared),
        Memory(second.seen, first.compared),
        Memory(first.seen.clear(), first.compared),
    ):
        night = resolve(frame, SMALL, before=half)
        assert night.report["nodes that are new"] == night.report["nodes"]
        same(night, resolve(frame, SMALL))


@pytest.mark.parametrize(
    ("policy", "made_by"),
    [
        pytest.param(SMALL, "2", id="another_version"),
        pytest.param(SMALL.model_copy(update={"max_block": 5}), "1", id="another_rule"),
    ],
)
def test_what_was_made_otherwise_is_not_remembered(policy, made_by):
    frame = PEOPLE.head(300)
    memory = resolve(frame, SMALL, made_by="1").memory
    told = nodes(frame, policy, NONE, salt=salt(policy, made_by))
    assert recall(told, memory).is_new.all()
    assert not recall(nodes(frame, SMALL, NONE, salt=salt(SMALL, "1")), memory).is_new.any()


def test_two_nodes_of_one_fingerprint_are_both_new():
    frame = PEOPLE.head(50)
    memory = resolve(frame, SMALL).memory
    told = nodes(frame, SMALL, NONE, salt=salt(SMALL, ""))
    clash = told.fingerprint.to_list()
    clash[1] = clash[0]
    known = recall(replace(told, fingerprint=pl.Series(clash)), memory)
    assert np.flatnonzero(known.is_new).tolist() == [0, 1]


def test_a_comparison_has_no_direction():
    told = nodes(PEOPLE, POLICY, NONE)
    pairs = block(told.among, POLICY, recall(told, None)).pairs.select("left", "right")
    turned = pairs.select(left="right", right="left")
    assert pairs.height > 1000
    levels = list(POLICY.comparisons)
    assert compare(pairs, told, POLICY).select(levels).equals(compare(turned, told, POLICY).select(levels))
