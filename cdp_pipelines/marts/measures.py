"""Measures of customers: one row of counts, sums and times per customer, out of usable interactions.

Here belongs the aggregation of interactions. Which of them a purpose may use follows from the channels that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import RECORD_KEY
from cdp_pipelines.schema.mart import MEASURES

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cdp_pipelines.schema import CrosswalkFrame, InteractionFrame


def compute_measures(
    interaction: InteractionFrame,
    crosswalk: CrosswalkFrame,
    channels: Collection[str],
    since: datetime,
    until: datetime,
) -> pl.LazyFrame:
    """Measures of each customer with an interaction; key customer_id, columns of `MEASURES`.

    Counts interactions in [since, until) of `channels` (those that collect for the purpose), of records that may join a
    profile. Of orders at one instant, the one with the greater record id is the latest.
    """
    interactions = (
        interaction.filter(
            pl.col("channel").is_in(list(channels)), pl.col("occurred_at") >= since, pl.col("occurred_at") < until
        )
        .join(crosswalk.filter("is_profiled"), on=list(RECORD_KEY))
        .sort("occurred_at", "channel", "source_record_id")
    )
    kind = pl.col("interaction_type")

    def of(interaction_type: str, column: str = "interaction_type") -> pl.Expr:
        return pl.col(column).filter(kind == interaction_type)

    return MEASURES.conform(
        interactions.group_by("customer_id", maintain_order=True).agg(
            of("order").len().alias("order_count"),
            of("order", "amount_minor").sum().alias("order_amount_minor"),
            of("refund", "amount_minor").sum().alias("refund_amount_minor"),
            of("order", "occurred_at").last().alias("last_order_at"),
            of("order", "amount_minor").last().alias("last_order_amount_minor"),
            of("order", "currency_code").last().alias("currency_code"),
            of("receipt").len().alias("receipt_count"),
            of("event").len().alias("event_count"),
            of("visit").len().alias("visit_count"),
            of("call").len().alias("call_count"),
            of("reading").len().alias("reading_count"),
            of("event", "occurred_at").first().alias("first_event_at"),
            of("event", "occurred_at").last().alias("last_event_at"),
            of("reading", "occurred_at").last().alias("last_reading_at"),
        )
    )
