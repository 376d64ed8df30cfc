"""Marts and the people behind them: what may be published when somebody has lost the right meanwhile."""

import polars as pl
import pytest

from cdp_pipelines.marts.anonymity import count_small_groups
from cdp_pipelines.marts.mart import build_mart_table, find_column, quasi_identifiers
from cdp_pipelines.purposes.mart_terms import KEY
from cdp_pipelines.schema import DECISION, MEMBERSHIP
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import (
    find_by_mart_key,
    find_people,
    read_mart,
    select_lasting,
    select_publishable,
)
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.verify.protection import compute_digest


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


@pytest.fixture
def lake(tmp_path):
    """Decisions for two purposes: Ann may be processed; Bob might, until tonight. Both are members of both marts."""
    lake = Lake(tmp_path)
    people = [("ann", "ann@x.example", True), ("bob", "bob@x.example", False)]
    rows = [
        {"customer_id": customer, "purpose": key, "contact_point": point if key == "email_marketing" else "",
         "is_allowed": is_allowed}
        for customer, point, is_allowed in people
        for key in ("email_marketing", "analytics")
    ]  # fmt: skip
    lake.replace(DECISION, pl.concat([DECISION.empty(), pl.DataFrame(rows)], how="diagonal"))
    members = pl.DataFrame(rows).select("customer_id", "purpose")
    lake.replace(MEMBERSHIP, pl.concat([MEMBERSHIP.empty(), members], how="diagonal"))
    return lake


def test_lasting_rows_of_an_earlier_night_are_those_of_people_who_still_have_the_right(lake):
    purpose = load_company_register()["email_marketing"]
    secret = mart_key(lake.path, purpose.key).encode()
    earlier = pl.DataFrame(
        {
            find_column(purpose, KEY): [compute_digest(secret, customer) for customer in ("ann", "bob", "eve")],
            find_column(purpose, "customer.email"): ["ann@x.example", "bob@x.example", "eve@x.example"],
        }
    )
    lake.replace(build_mart_table(purpose), pl.concat([build_mart_table(purpose).empty(), earlier], how="diagonal"))
    lasting = select_lasting(lake, purpose, read_mart(lake, purpose))
    assert lasting[find_column(purpose, "customer.email")].to_list() == ["ann@x.example"]


@pytest.mark.parametrize(("members", "is_lasting"), [(["ann"], True), (["ann", "bob"], False), ([], True)])
def test_lasting_aggregates_count_nobody_whose_right_has_ended(lake, members, is_lasting):
    purpose = load_company_register()["analytics"]
    lake.replace(MEMBERSHIP, lake.read(MEMBERSHIP).filter(pl.col("customer_id").is_in(members)))
    cells = build_mart_table(purpose).empty().clear(3)
    assert select_lasting(lake, purpose, cells).height == (3 if is_lasting else 0)
