"""Marts and the people behind them: what may be published when somebody has lost the right meanwhile."""

import polars as pl
import pytest

from cdp_pipelines.marts.anonymity import count_small_groups
from cdp_pipelines.marts.mart import build_mart_table, quasi_identifiers
from cdp_pipelines.schema import DECISION
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import find_by_mart_key, find_people, select_publishable


def without(lake, purpose, customer):
    """The decisions that stand, but for one who may no longer be processed for the purpose."""
    is_lost = (pl.col("purpose") == purpose.key) & (pl.col("customer_id") == customer)
    return current(lake.scan(DECISION)).with_columns(is_allowed=pl.col("is_allowed") & ~is_lost)


@pytest.mark.parametrize("key", ["analytics", "customer_value_reporting", "profiling", "email_marketing"])
def test_what_everybody_still_allows_is_published_as_it_is(key, sample):
    purpose, rows = load_company_register()[key], sample.lake.read(build_mart_table(load_company_register()[key]))
    assert rows.height > 0
    found = select_publishable(sample.lake, purpose, rows, current(sample.lake.scan(DECISION)))
    assert found.equals(rows)


def test_an_aggregate_that_counts_somebody_who_lost_the_right_is_not_published(sample):
    purpose = load_company_register()["analytics"]
    customer = find_people(sample.lake, purpose)["customer_id"].min()
    rows = sample.lake.read(build_mart_table(purpose))
    assert select_publishable(sample.lake, purpose, rows, without(sample.lake, purpose, customer)).is_empty()


def test_who_lost_the_right_leaves_a_mart_whose_groups_stay_large_enough(sample):
    purpose = load_company_register()["profiling"]
    rows = sample.lake.read(build_mart_table(purpose))
    for customer in find_people(sample.lake, purpose)["customer_id"].sort().head(5):
        found = select_publishable(sample.lake, purpose, rows, without(sample.lake, purpose, customer))
        assert found.height == rows.height - 1
        assert count_small_groups(found, quasi_identifiers(purpose), purpose.minimum_group) == 0


@pytest.mark.parametrize("name", ["f" * 64, "c_0000000000000001", "ann@example.com", ""])
def test_a_name_that_nobody_has_in_a_mart_is_nobodys(name, sample):
    assert find_by_mart_key(sample.lake, load_company_register()["profiling"], name) is None
