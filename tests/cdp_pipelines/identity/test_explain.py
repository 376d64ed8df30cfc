"""Explanations: the waterfall adds up, and the least certain pairs come first."""

import pytest

from cdp_pipelines.identity.explain import INTERCEPT, PRIOR, build_waterfall, find_least_certain_pairs
from tests.cdp_pipelines.identity.records import PEOPLE, POLICY, find_customers


@pytest.fixture(scope="module", params=["fellegi_sunter", "ecm"])
def found(request):
    return find_customers(PEOPLE, POLICY.model_copy(update={"classifier": request.param}))


def test_the_waterfall_adds_up_to_the_log_odds(found):
    assert found.model.origin.startswith("learned")
    for left, right, odds in found.scored.sample(40, seed=1).select("left", "right", "log_odds").iter_rows():
        steps = build_waterfall(found.distinct, found.model, POLICY, left, right)
        assert steps["comparison"][0] == PRIOR
        assert steps["weight"].sum() == pytest.approx(odds)
        assert steps["total"][-1] == pytest.approx(odds)
        assert INTERCEPT not in steps["comparison"]


def test_the_least_certain_pairs_come_first_and_those_without_effect_are_left_out(found):
    doubted = find_least_certain_pairs(found, 30)
    assert doubted.height == 30
    distance = (doubted["probability"] - 0.5).abs()
    assert distance.to_list() == sorted(distance)
    customer = dict(found.cluster.select("source_record_id", "customer_id").iter_rows())
    for row in doubted.iter_rows(named=True):
        is_one_customer = customer[row["left_source_record_id"]] == customer[row["right_source_record_id"]]
        assert row["is_linked"] or not is_one_customer
