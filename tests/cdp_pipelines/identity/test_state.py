"""A night that remembers gives what a night without memory gives, and looks again at what it touches alone."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity import IdentityState, resolve
from cdp_pipelines.identity.compare import compare_pairs
from cdp_pipelines.identity.explain import RARE, build_waterfall
from cdp_pipelines.identity.model_refresh import RefitPlan
from cdp_pipelines.identity.pairs import find_candidate_pairs
from cdp_pipelines.identity.state import fingerprint_records, merge_rows
from cdp_pipelines.identity.statistics import compute_statistics
from cdp_pipelines.identity.values import build_distinct_records
from cdp_pipelines.sample.duplicates import copies
from cdp_pipelines.schema import CLUSTER, LINK, RECORD_STATE, REVIEW
from tests.cdp_pipelines.identity.test_resolve import NONE, POLICY, invented, party, review

# Small blocks, so that some are cut down, grow too large and shrink again; few pairs, so that weights are learned, and
# few records until they stay.
SMALL = POLICY.model_copy(
    update={"max_block": 4, "max_sharers": 6, "min_pairs": 5, "random_pairs": 3000, "settled": 100, "steady": 1}
)


class Lake:
    """Links and clusters of all records, night by night, as the lake keeps them."""

    def __init__(self, policy=SMALL, **made):
        self.policy, self.made = policy, made
        self.link, self.cluster, self.memory, self.night = LINK.empty(), CLUSTER.empty(), None, None

    def bring(self, frame, told=None):
        mixed = frame.sample(fraction=1, shuffle=True, seed=5)
        self.night = resolve(mixed, self.policy, told, before=self.memory, **self.made)
        self.link = merge_rows(self.link, self.night.link, self.night.touched, "left_").sort(LINK.key)
        self.cluster = merge_rows(self.cluster, self.night.cluster, self.night.touched).sort(CLUSTER.key)
        self.memory = self.night.memory
        return self

    def is_as(self, fresh):
        """All is as it is where all records are resolved at once."""
        assert self.cluster.equals(fresh.cluster)
        assert self.link.equals(fresh.link)
        assert self.memory.seen.sort(RECORD_STATE.key).equals(fresh.memory.seen.sort(RECORD_STATE.key))
        assert self.memory.model.equals(fresh.memory.model)
        assert self.memory.frequency.equals(fresh.memory.frequency)
        assert self.night.report["crowded identifiers"] == fresh.report["crowded identifiers"]

    @property
    def forgetful(self):
        """The model alone: all records are resolved by it."""
        return IdentityState(self.memory.seen.clear(), self.memory.model, self.memory.frequency)


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
    lake = Lake().bring(frame)
    for change in changes:
        frame = change(frame, rng)
        lake.bring(frame)
        lake.is_as(resolve(frame, SMALL, before=lake.forgetful))


# Where what was learned from changes, it is learned anew.
EXACT = SMALL.model_copy(update={"steady": 10**9, "growth": 4.0})


@pytest.mark.parametrize("growth", [1.05, 1.25, 4.0])
@pytest.mark.parametrize("steady", [1, 10**9])
def test_night_by_night_is_all_at_once(growth, steady):
    """Nothing is handed on but the records: the model as well is that of all at once."""
    policy = SMALL.model_copy(update={"growth": growth, "steady": steady})
    lake, nights = Lake(policy), [PEOPLE.slice(0, 600)]
    nights += [
        PEOPLE.slice(600 + 60 * at, 60).with_columns(pl.col("drop_date") + timedelta(days=at)) for at in range(9)
    ]
    partly = 0
    for at in range(len(nights)):
        frame = pl.concat(nights[: at + 1])
        lake.bring(frame).is_as(resolve(frame, policy))
        partly += lake.night.touched is not None
    assert partly == {1.05: 0, 1.25: 6, 4.0: 8}[growth]


@pytest.mark.parametrize(
    ("start", "is_partly"),
    [pytest.param(0, False, id="training_record_count"), pytest.param(600, True, id="that_came_later")],
)
def test_night_by_night_is_all_at_once_whatever_changes_and_leaves(start, is_partly):
    """So it is below `steady`, for a model is learned anew once a record that it was learned from is another."""
    rng, frame = np.random.default_rng(3), PEOPLE.head(600)
    lake = Lake(EXACT).bring(frame)
    frame = pl.concat([frame, PEOPLE.slice(600, 100).with_columns(pl.col("drop_date") + timedelta(days=1))])
    lake.bring(frame)
    for change in (changed, removed):
        frame = pl.concat([frame.head(start), change(frame.slice(start, 100), rng), frame.slice(start + 100)])
        lake.bring(frame).is_as(resolve(frame, EXACT))
        assert (lake.night.touched is not None) is is_partly


def test_a_late_record_of_a_night_that_was_learned_from_is_learned_from():
    frame, late = PEOPLE.head(600), PEOPLE.slice(600, 20)
    lake = Lake().bring(frame).bring(pl.concat([frame, late]))
    assert lake.night.touched is None
    lake.is_as(resolve(pl.concat([frame, late]), SMALL))


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
    policy = SMALL.model_copy(update={"settled": 1, "growth": 50.0, "max_block": 2, "max_sharers": 3})
    lake, first = Lake(policy), {}
    for at, (records, decisions) in enumerate(nights):
        # A record keeps the night in which it first came, so that none comes late and the model stays.
        came = [first.setdefault(record["source_record_id"], date(2024, 1, 1 + at)) for record in records]
        frame = party(*({**record, "drop_date": night} for record, night in zip(records, came, strict=True)))
        told = review(*((f"r{a}", f"r{b}", is_same) for a, b, is_same in decisions if at > 1))
        lake.bring(frame, told)
        lake.is_as(resolve(frame, policy, told, before=lake.forgetful))


def test_an_identifier_of_a_crowd_joins_nobody_until_it_is_one_no_more():
    few = party(*invented(6, device_id="kiosk"), *invented(150)[6:])
    one = party(*invented(160, device_id="kiosk", drop_date=date(2024, 1, 2))).tail(1)
    lake = Lake().bring(few)
    for frame, customer_count in ((pl.concat([few, one]), 151), (few, 145)):
        lake.bring(frame).is_as(resolve(frame, SMALL, before=lake.forgetful))
        assert lake.night.touched is not None
        assert lake.cluster["customer_id"].n_unique() == customer_count


def test_who_shares_what_a_crowd_shares_stays_apart_when_looked_at_again():
    crowd = invented(8, device_id="kiosk")
    again = [{**each, "device_id": None, "email": f"{each['first_name']}@x.de"} for each in crowd[:2]]
    frame = party(*crowd, *invented(150)[8:], *({**each, "drop_date": date(2024, 1, 2)} for each in again))
    lake = Lake().bring(frame.head(150)).bring(frame)
    lake.is_as(resolve(frame, SMALL, before=lake.forgetful))
    assert lake.night.report["records resolved"] == 4
    of_crowd = lake.cluster.filter(pl.col("source_record_id").is_in(["r0", "r1"]))
    assert of_crowd["customer_id"].n_unique() == 2


def test_a_value_that_came_after_the_weights_were_learned_is_as_rare_as_can_be():
    lake, rare = Lake().bring(PEOPLE.head(600)), {"first_name": "Ann", "last_name": "Zyxomma", "birth_date": None}
    new = party(*({**rare, "phone": f"+1206555010{at}", "drop_date": date(2025, 1, 1)} for at in range(2)))
    night = lake.bring(pl.concat([PEOPLE.head(600), new])).night
    assert night.touched is not None
    pair = night.nodes.says.filter(pl.col("last_name") == "zyxomma")["node"].sort().to_list()
    steps = build_waterfall(night.nodes, night.model, SMALL, *pair)
    told = steps.filter(comparison="last_name", level=RARE)["weight"].item()
    assert told == pytest.approx(np.log2(night.model.common["last_name"] * night.model.told["last_name"]))


def test_only_what_is_touched_is_resolved():
    frame = PEOPLE.head(1000)
    lake = Lake().bring(frame)
    first = lake.night.report
    again = lake.bring(frame).night.report
    assert again["records new or changed"] == again["records resolved"] == again["pairs compared"] == 0
    night = lake.bring(added(frame, None)).night.report
    assert night["records new or changed"] == 25
    assert 25 < night["records resolved"] < 150
    assert 0 < night["pairs compared"] < first["pairs compared"] / 5


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
    assert resolve(frame, policy, before=memory, made_by=made_by).touched is None
    assert resolve(frame, SMALL, before=memory, made_by="1").touched is not None


def test_a_value_that_nobody_says_any_more_is_forgotten():
    frame = PEOPLE.head(1000)
    lake = Lake().bring(frame)
    before, stays = lake.memory.frequency, frame.filter(~pl.col("street").str.contains("oak").fill_null(value=False))
    after = lake.bring(stays).memory.frequency
    told = build_distinct_records(stays, SMALL, NONE)
    said = {name: set(told.values[name]["digest"]) for name in ("first_name", "last_name", "street", "phone")}
    assert 0 < after.height < before.height
    assert all(digest in said[name] for name, digest, _ in after.iter_rows())


def until(sizes, settled, growth):
    dates = [date(2024, 1, 1 + at) for at, size in enumerate(sizes) for _ in range(size)]
    frame = party(*({"drop_date": each} for each in dates))
    policy = POLICY.model_copy(update={"settled": settled, "growth": growth})
    marked = fingerprint_records(frame, policy, REVIEW.empty(), 0)
    return RefitPlan.of(frame, marked, policy, 0).until.day


@pytest.mark.parametrize(
    ("sizes", "day"),
    [
        pytest.param([5, 2, 2], 3, id="few_records_learn_from_all"),
        pytest.param([10, 1], 1, id="settled_at_the_first_step"),
        pytest.param([10, 5, 4], 1, id="still_below_twice_as_many"),
        pytest.param([10, 5, 5], 3, id="at_twice_as_many"),
        pytest.param([10, 5, 7, 9, 8], 3, id="the_night_that_reached_it"),
        pytest.param([10, 5, 7, 9, 9], 5, id="four_times_as_many"),
    ],
)
def test_the_model_is_learned_from_the_nights_until_the_last_step(sizes, day):
    assert until(sizes, settled=10, growth=2.0) == day


def test_a_comparison_has_no_direction():
    told = build_distinct_records(PEOPLE, POLICY, NONE)
    pairs = find_candidate_pairs(told.digest, compute_statistics(told, POLICY)[0].cut, POLICY).select("left", "right")
    turned = pairs.select(left="right", right="left")
    assert pairs.height > 1000
    levels = list(POLICY.comparisons)
    assert compare_pairs(pairs, told, POLICY).select(levels).equals(compare_pairs(turned, told, POLICY).select(levels))
