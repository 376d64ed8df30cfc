"""Customers who are one person for some purposes alone: over links of data that was collected for these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.clusters import label_components
from cdp_pipelines.schema import GROUP

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RECORD = ["channel", "source_record_id"]


def build_groups(
    link: pl.DataFrame, cluster: pl.DataFrame, history: pl.DataFrame, channels: Mapping[str, Collection[str]]
) -> pl.DataFrame:
    """Customers who come together for a purpose; columns of `GROUP`, of groups of two and more.

    `link`, `cluster` and `history`: `LINK`, `CLUSTER` and `HISTORY`; `channels`: purpose to the channels whose data may
    link for it. A group goes by the name of its oldest customer.
    """
    customers = cluster.select("customer_id").unique()
    born = history.filter(pl.col("event") == "born").join(customers, on="customer_id", how="semi")
    born = born.group_by("customer_id").agg(pl.col("occurred_at").min())
    customers = customers.join(born, on="customer_id", how="left")
    numbered = customers.sort("occurred_at", "customer_id", nulls_last=True).with_row_index("number")
    of_record = cluster.join(numbered, on="customer_id").select(*RECORD, "number")
    ends = link
    for side in ("left", "right"):
        ends = ends.join(of_record.rename({name: f"{side}_{name}" for name in RECORD} | {"number": side}),
                         on=[f"{side}_{name}" for name in RECORD])  # fmt: skip
    found = [GROUP.empty()]
    for purpose, names in channels.items():
        of_purpose = ends.filter(pl.col(f"{side}_channel").is_in(list(names)) for side in ("left", "right"))
        group = pl.Series("group", label_components(numbered.height, of_purpose))
        together = numbered.with_columns(group).filter(pl.len().over("group") > 1)
        named = together.with_columns(
            pl.lit(purpose).alias("purpose"), pl.col("customer_id").first().over("group").alias("group_id")
        )
        found.append(GROUP.conform(named.lazy()).collect())
    return pl.concat(found).sort(GROUP.key)
