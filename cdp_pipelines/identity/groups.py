"""Groups of customers who are one person for some purposes alone: over links of data that was collected for these.

Which customers a purpose may take as one belongs here; which records are one customer belongs in `clusters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.clusters import label_components
from cdp_pipelines.schema import GROUP, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cdp_pipelines.schema import ClusterRows, GroupRows, HistoryRows, LinkRows


def build_groups(
    link: LinkRows, cluster: ClusterRows, history: HistoryRows, channels: Mapping[str, Collection[str]]
) -> GroupRows:
    """Customers who are one person for a purpose; `GROUP`, groups of two and more customers.

    `link`, `cluster` and `history`: `LINK`, `CLUSTER` and `HISTORY`; `channels`: purpose to the channels whose data may
    link for it. A group is named after its oldest customer, of one night after the smallest id.
    """
    customers = cluster.select("customer_id").unique()
    created = history.filter(pl.col("event") == "created").join(customers, on="customer_id", how="semi")
    created = created.group_by("customer_id").agg(pl.col("occurred_at").min())
    customers = customers.join(created, on="customer_id", how="left")
    numbered = customers.sort("occurred_at", "customer_id", nulls_last=True).with_row_index("number")
    of_record = cluster.join(numbered, on="customer_id").select(*RECORD_KEY, "number")
    ends = link
    for side in ("left", "right"):
        names = {name: f"{side}_{name}" for name in RECORD_KEY}
        ends = ends.join(of_record.rename({**names, "number": side}), on=list(names.values()))
    groups = [GROUP.empty()]
    for purpose, names_of_channels in channels.items():
        is_of_purpose = [pl.col(f"{side}_channel").is_in(list(names_of_channels)) for side in ("left", "right")]
        group = pl.Series("group", label_components(numbered.height, ends.filter(is_of_purpose)))
        joined = numbered.with_columns(group).filter(pl.len().over("group") > 1)
        named = joined.with_columns(
            pl.lit(purpose).alias("purpose"), pl.col("customer_id").first().over("group").alias("group_id")
        )
        groups.append(GROUP.conform(named.lazy()).collect())
    return pl.concat(groups).sort(GROUP.key)
