"""Marts and the people behind them: what may be published when somebody has lost the right meanwhile."""

import polars as pl
import pytest

from assets.marts import may_be_published, named_in, people_of
from assets.policies import register
from cdp_pipelines.consent import standing
from cdp_pipelines.golden.anonymity import alone
from cdp_pipelines.golden.mart import mart_table, quasi_identifiers
from cdp_pipelines.tables import DECISION


def without(lake, purpose, customer):
    """The decisions that stand, but for one who may no longer be processed for the purpose."""
    is_lost = (pl.col("purpose") == purpose.key) & (pl.col("customer_id") == customer)
    return standing(lake.scan(DECISION)).with_columns(is_allowed=pl.col("is_allowed") & ~is_lost)


@pytest.mark.parametrize("key", ["analytics", "customer_value_reporting", "profiling", "email_marketing"])
def test_what_everybody_still_allows_is_published_as_it_is(key, sample):
    purpose, rows = register()[key], sample.lake.read(mart_table(register()[key]))
    assert rows.height > 0
    found = may_be_published(sample.lake, purpose, rows, standing(sample.lake.scan(DECISION)))
    assert found.equals(rows)


def test_an_aggregate_that_counts_somebody_who_lost_the_right_is_not_published(sample):
    purpose = register()["analytics"]
    customer = people_of(sample.lake, purpose)["customer_id"].min()
    rows = sample.lake.read(mart_table(purpose))
    assert may_be_published(sample.lake, purpose, rows, without(sample.lake, purpose, customer)).is_empty()


def test_who_lost_the_right_leaves_a_mart_whose_groups_stay_large_enough(sample):
    purpose = register()["profiling"]
    rows = sample.lake.read(mart_table(purpose))
    for customer in people_of(sample.lake, purpose)["customer_id"].sort().head(5):
        found = may_be_published(sample.lake, purpose, rows, without(sample.lake, purpose, customer))
        assert found.height == rows.height - 1
        assert alone(found, quasi_identifiers(purpose), purpose.minimum_group) == 0


@pytest.mark.parametrize("name", ["f" * 64, "c_0000000000000001", "ann@example.com", ""])
def test_a_name_that_nobody_has_in_a_mart_is_nobodys(name, sample):
    assert named_in(sample.lake, register()["profiling"], name) is None
