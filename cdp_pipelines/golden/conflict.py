"""`golden/conflict`: where sources disagree, as counts that say nothing of a person."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema import CONFLICT


def count_conflicts(provenance: pl.LazyFrame) -> pl.LazyFrame:
    """Per attribute which channel lost against which how often; key (attribute, winner, loser), columns of `CONFLICT`.

    `provenance`: `PROVENANCE`. The winner gave the golden value (rank 1). A loser differs where any of its values is
    another one.
    """
    on = ["customer_id", "attribute"]
    golden = provenance.filter(pl.col("rank") == 1).select(
        *on, pl.col("channel").alias("winner"), pl.col("value").alias("golden")
    )
    said = (
        provenance.join(golden, on=on)
        .group_by(*on, "winner", pl.col("channel").alias("loser"))
        .agg((pl.col("value") != pl.col("golden")).any().alias("differs"))
    )
    counted = said.group_by("attribute", "winner", "loser").agg(
        pl.len().alias("customer_count"), pl.col("differs").sum().alias("differing_count")
    )
    return CONFLICT.conform(counted)
