"""Groups: customers who are one person for one purpose alone."""

from datetime import UTC, datetime

import polars as pl

from cdp_pipelines.identity.groups import build_groups
from cdp_pipelines.schema import GROUP, HISTORY
from tests.cdp_pipelines.identity.records import find_customers, party

# Channel `till` was not collected to unify profiles: its payment devices tie two customers together.
TILL = [
    {"device_id": "d1"},
    {"device_id": "d2"},
    {"channel": "till", "device_id": "d1", "account_id": "x"},
    {"channel": "till", "device_id": "d2", "account_id": "x"},
]


def test_links_of_another_purpose_count_for_it():
    records = party(*TILL)
    found = find_customers(records, non_linking=("till",))
    assert found.link.equals(find_customers(records).link)
    assert found.report["links that join no profiles"] == 2
    names = dict(found.cluster.select("source_record_id", "customer_id").iter_rows())
    created = HISTORY.conform(
        found.cluster.lazy()
        .select("customer_id")
        .unique()
        .with_columns(
            event=pl.lit("created"), other_customer_id=None, cause=None, occurred_at=datetime(2024, 1, 1, tzinfo=UTC)
        )
        .with_columns(occurred_at=pl.col("occurred_at") - pl.duration(days=(pl.col("customer_id") == names["r1"]) * 9))
    ).collect()
    channels = {"fraud_prevention": ["t", "till"], "email_marketing": ["t"]}
    group = build_groups(found.link, found.cluster, created, channels)
    # One person where fraud is looked for, named after the oldest of them; for marketing they stay two.
    assert dict(group.select("customer_id", "group_id").iter_rows()) == {
        names[each]: names["r1"] for each in ("r0", "r1", "r2")
    }
    assert set(group["purpose"]) == {"fraud_prevention"}


def test_customers_whom_no_link_joins_are_in_no_group():
    found = find_customers(party({"device_id": "d1"}, {"device_id": "d2"}))
    groups = build_groups(found.link, found.cluster, HISTORY.empty(), {"fraud_prevention": ["t"]})
    assert groups.equals(GROUP.empty())
