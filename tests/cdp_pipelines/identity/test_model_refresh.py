"""Model refresh: on which records the model is trained, and when anew."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from cdp_pipelines.identity.model_refresh import RefitPlan
from cdp_pipelines.identity.policy import Refit
from cdp_pipelines.identity.state import fingerprint_records
from cdp_pipelines.schema import REVIEW
from tests.cdp_pipelines.identity.records import (
    PEOPLE,
    POLICY,
    SMALL,
    Lake,
    change_some,
    find_customers,
    party,
    remove_some,
)

# The model is trained anew when a training record changes.
EXACT = SMALL.model_copy(update={"refit": Refit(min_records=100, frozen_above=10**9, growth=4.0)})


@pytest.mark.parametrize("growth", [1.05, 1.25, 4.0])
@pytest.mark.parametrize("frozen_above", [1, 10**9])
def test_night_by_night_is_all_at_once(growth, frozen_above):
    """The model too depends on the records alone."""
    policy = SMALL.model_copy(update={"refit": Refit(min_records=100, growth=growth, frozen_above=frozen_above)})
    lake, nights = Lake(policy), [PEOPLE.slice(0, 600)]
    nights += [
        PEOPLE.slice(600 + 60 * at, 60).with_columns(pl.col("drop_date") + timedelta(days=at)) for at in range(9)
    ]
    partly = 0
    for at in range(len(nights)):
        frame = pl.concat(nights[: at + 1])
        lake.bring(frame).is_as(find_customers(frame, policy))
        partly += lake.night.resolved is not None
    assert partly == {1.05: 0, 1.25: 6, 4.0: 8}[growth]


@pytest.mark.parametrize(
    ("start", "is_partly"),
    [pytest.param(0, False, id="training_records"), pytest.param(600, True, id="later_records")],
)
def test_night_by_night_is_all_at_once_whatever_changes_and_leaves(start, is_partly):
    """So it is below `frozen_above`: the model is trained anew once a training record changes."""
    rng, frame = np.random.default_rng(3), PEOPLE.head(600)
    lake = Lake(EXACT).bring(frame)
    frame = pl.concat([frame, PEOPLE.slice(600, 100).with_columns(pl.col("drop_date") + timedelta(days=1))])
    lake.bring(frame)
    for change in (change_some, remove_some):
        frame = pl.concat([frame.head(start), change(frame.slice(start, 100), rng), frame.slice(start + 100)])
        lake.bring(frame).is_as(find_customers(frame, EXACT))
        assert (lake.night.resolved is not None) is is_partly


def test_a_late_record_of_a_training_night_is_trained_on():
    frame, late = PEOPLE.head(600), PEOPLE.slice(600, 20)
    lake = Lake().bring(frame).bring(pl.concat([frame, late]))
    assert lake.night.resolved is None
    lake.is_as(find_customers(pl.concat([frame, late]), SMALL))


def until(sizes, min_records, growth):
    dates = [date(2024, 1, 1 + at) for at, size in enumerate(sizes) for _ in range(size)]
    frame = party(*({"drop_date": each} for each in dates))
    policy = POLICY.model_copy(update={"refit": Refit(min_records=min_records, growth=growth)})
    fingerprints = fingerprint_records(frame, policy, REVIEW.empty(), 0)
    return RefitPlan.of(frame, fingerprints, policy, 0).until.day


@pytest.mark.parametrize(
    ("sizes", "day"),
    [
        pytest.param([5, 2, 2], 3, id="few_records_train_on_all"),
        pytest.param([10, 1], 1, id="kept_from_the_first_step_on"),
        pytest.param([10, 5, 4], 1, id="still_below_twice_as_many"),
        pytest.param([10, 5, 5], 3, id="at_twice_as_many"),
        pytest.param([10, 5, 7, 9, 8], 3, id="the_night_that_reached_it"),
        pytest.param([10, 5, 7, 9, 9], 5, id="four_times_as_many"),
    ],
)
def test_the_model_is_trained_on_the_nights_until_the_last_step(sizes, day):
    assert until(sizes, min_records=10, growth=2.0) == day
