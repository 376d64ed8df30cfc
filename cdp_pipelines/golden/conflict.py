"""`golden/conflict`: how often channels disagree about an attribute.

Here belong counts of customers, without personal data. The ranks that decide a conflict are made in `survivorship`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CONFLICT

if TYPE_CHECKING:
    from cdp_pipelines.schema import ConflictFrame, ProvenanceFrame


def count_conflicts(provenance: ProvenanceFrame) -> ConflictFrame:
    """Customers by attribute, winning and losing channel; key (attribute, winner, loser), columns of `CONFLICT`.

    The winner delivered the golden value (rank 1). A loser differs where any of its values is not the golden one.
    """
    on = ["customer_id", "attribute"]
    golden = provenance.filter(pl.col("rank") == 1).select(
        *on, pl.col("channel").alias("winner"), pl.col("value").alias("golden")
    )
    reported = (
        provenance.join(golden, on=on)
        .group_by(*on, "winner", pl.col("channel").alias("loser"))
        .agg((pl.col("value") != pl.col("golden")).any().alias("differs"))
    )
    counts = reported.group_by("attribute", "winner", "loser").agg(
        pl.len().alias("customer_count"), pl.col("differs").sum().alias("differing_count")
    )
    return CONFLICT.conform(counts)
