"""Affected records: resolving them alone gives what resolving all records gives."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity.policy import Refit
from tests.cdp_pipelines.identity.records import (
    PEOPLE,
    SMALL,
    Lake,
    add_late,
    add_some,
    change_some,
    crowd,
    find_customers,
    invented,
    party,
    remove_some,
    review,
    scatter,
)

NIGHTS = [
    pytest.param([add_some], id="added"),
    pytest.param([add_late], id="late_records_that_sort_first"),
    pytest.param([change_some], id="changed"),
    pytest.param([remove_some], id="removed"),
    pytest.param([crowd, scatter, add_some], id="blocks_grow_too_large_and_shrink"),
    pytest.param([add_some, change_some, remove_some, crowd, add_late, scatter, remove_some], id="seven_nights"),
    pytest.param([lambda frame, rng: frame.clear(), lambda frame, rng: PEOPLE.head(300)], id="all_go_and_some_come"),  # noqa: ARG005
]


@pytest.mark.parametrize("changes", NIGHTS)
def test_a_night_with_a_state_gives_what_a_night_without_gives(changes):
    rng = np.random.default_rng(3)
    frame = PEOPLE.head(1000)
    lake = Lake().bring(frame)
    for change in changes:
        frame = change(frame, rng)
        lake.bring(frame)
        lake.is_as(find_customers(frame, SMALL, previous=lake.model_alone))


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


DECISIONS = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 15), st.booleans()).filter(lambda pair: pair[0] < pair[1]),
    max_size=3,
    unique_by=lambda pair: pair[:2],
)


@given(st.lists(st.tuples(FEW, DECISIONS), min_size=2, max_size=4))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_whatever_comes_goes_or_is_reviewed(nights):
    policy = SMALL.model_copy(
        update={"refit": Refit(min_records=1, growth=50.0, frozen_above=1), "max_block": 2, "max_sharers": 3}
    )
    lake, first = Lake(policy), {}
    for at, (records, decisions) in enumerate(nights):
        # A record keeps the night in which it first came, so that none comes late and the model is kept.
        came = [first.setdefault(record["source_record_id"], date(2024, 1, 1 + at)) for record in records]
        frame = party(*({**record, "drop_date": night} for record, night in zip(records, came, strict=True)))
        reviewed = review(*((f"r{a}", f"r{b}", is_same) for a, b, is_same in decisions if at > 1))
        lake.bring(frame, reviewed)
        lake.is_as(find_customers(frame, policy, review=reviewed, previous=lake.model_alone))


def test_an_over_shared_identifier_joins_nobody_until_fewer_share_it():
    few = party(*invented(6, device_id="kiosk"), *invented(150)[6:])
    one = party(*invented(160, device_id="kiosk", drop_date=date(2024, 1, 2))).tail(1)
    lake = Lake().bring(few)
    for frame, customer_count in ((pl.concat([few, one]), 151), (few, 145)):
        lake.bring(frame).is_as(find_customers(frame, SMALL, previous=lake.model_alone))
        assert lake.night.resolved is not None
        assert lake.cluster["customer_id"].n_unique() == customer_count


def test_sharers_of_an_over_shared_identifier_stay_separate_when_resolved_again():
    sharers = invented(8, device_id="kiosk")
    again = [{**record, "device_id": None, "email": f"{record['first_name']}@x.de"} for record in sharers[:2]]
    frame = party(*sharers, *invented(150)[8:], *({**record, "drop_date": date(2024, 1, 2)} for record in again))
    lake = Lake().bring(frame.head(150)).bring(frame)
    lake.is_as(find_customers(frame, SMALL, previous=lake.model_alone))
    assert lake.night.report["records resolved"] == 4
    of_sharers = lake.cluster.filter(pl.col("source_record_id").is_in(["r0", "r1"]))
    assert of_sharers["customer_id"].n_unique() == 2


def test_only_affected_records_are_resolved():
    frame = PEOPLE.head(1000)
    lake = Lake().bring(frame)
    first = lake.night.report
    again = lake.bring(frame).night.report
    assert again["records new or changed"] == again["records resolved"] == again["pairs compared"] == 0
    night = lake.bring(add_some(frame, None)).night.report
    assert night["records new or changed"] == 25
    assert 25 < night["records resolved"] < 150
    assert 0 < night["pairs compared"] < first["pairs compared"] / 5
