"""Scope: whether a night resolves all records or only those that its changes affect."""

from datetime import timedelta

import polars as pl
import pytest

from cdp_pipelines.identity import IdentityState, ResolutionInput
from cdp_pipelines.identity.pairs import find_candidate_pairs
from cdp_pipelines.identity.patterns import compare_as_patterns
from cdp_pipelines.identity.scope import select_scope, train_model
from tests.cdp_pipelines.identity.records import PEOPLE, SMALL, find_customers

FIRST = PEOPLE.head(600)
MORE = pl.concat([FIRST, PEOPLE.slice(600, 3).with_columns(pl.col("drop_date") + timedelta(days=1))])


@pytest.fixture(scope="module")
def state():
    return find_customers(FIRST, SMALL).state


def test_without_a_state_all_records_are_in_scope():
    scope = select_scope(ResolutionInput(FIRST, SMALL))
    assert (scope.model, scope.affected, scope.distinct.records.height) == (None, None, 600)
    assert scope.report_blocking(pl.DataFrame({"rules": [0]}), SMALL)[0]["rule"] == "email"


def test_with_a_state_the_affected_records_are(state):
    scope = select_scope(ResolutionInput(MORE, SMALL, previous=state))
    assert scope.model is not None
    assert scope.affected.changed_count == 3
    assert 3 <= scope.distinct.records.height < 100
    assert scope.report_blocking(pl.DataFrame(), SMALL) == scope.affected.blocking


def test_with_the_model_alone_all_records_are(state):
    alone = IdentityState(state.records.clear(), state.model, state.frequency)
    scope = select_scope(ResolutionInput(MORE, SMALL, previous=alone))
    assert scope.model is not None
    assert (scope.affected, scope.distinct.records.height) == (None, 603)


def test_the_model_is_trained_on_the_records_of_the_plan():
    """Later records that do not reach the next step leave it as it is."""
    models = []
    for frame in (FIRST, MORE):
        inputs = ResolutionInput(frame, SMALL)
        scope = select_scope(inputs)
        candidates = find_candidate_pairs(scope.distinct, scope.statistics.refinements, SMALL)
        compared = compare_as_patterns(candidates, scope.distinct, SMALL)
        models.append(train_model(inputs, scope, compared).list_levels())
    assert models[0].equals(models[1])
