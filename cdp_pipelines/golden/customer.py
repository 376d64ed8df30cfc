"""`golden/customer`: the best values of each customer in one row.

Here belongs the choice among ranked candidates. The ranks are made in `survivorship`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.golden.policy import GOLDEN_COLUMNS
from cdp_pipelines.schema import CUSTOMER, RECORD_KEY

if TYPE_CHECKING:
    from cdp_pipelines.schema import CrosswalkFrame, CustomerFrame, PartyFrame, ProvenanceFrame


def build_customer(provenance: ProvenanceFrame, party: PartyFrame, crosswalk: CrosswalkFrame) -> CustomerFrame:
    """One row per customer with a profile; key customer_id, columns of `CUSTOMER`."""
    records = (
        crosswalk.filter("is_profiled")
        .join(party.select(*RECORD_KEY, "observed_at"), on=list(RECORD_KEY))
        .group_by("customer_id")
        .agg(
            pl.len().alias("record_count"),
            pl.col("channel").n_unique().alias("channel_count"),
            pl.col("observed_at").min().alias("first_seen_at"),
            pl.col("observed_at").max().alias("last_seen_at"),
        )
    )
    best = select_best_values(provenance.filter(pl.col("rank") == 1))
    return CUSTOMER.conform(records.join(best, on="customer_id", how="left"))


def select_best_values(provenance: ProvenanceFrame) -> pl.LazyFrame:
    """The best ranked values among these candidates, as columns in their types; key customer_id.

    An attribute group comes from its best ranked record; attributes that this record lacks are null.
    """
    best = provenance.filter(pl.col("rank") == pl.col("rank").min().over("customer_id", "attribute_group"))
    wide = best.group_by("customer_id").agg(
        pl.col("value").filter(pl.col("attribute") == attribute).first().alias(attribute)
        for attribute in GOLDEN_COLUMNS
    )
    integers = [name for name in GOLDEN_COLUMNS if CUSTOMER.schema[name] == pl.Int64]
    return wide.with_columns(pl.col("birth_date").str.to_date("%Y-%m-%d"), pl.col(integers).cast(pl.Int64))
