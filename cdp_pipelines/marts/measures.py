"""What customers did, as one row of measures per customer, out of interactions that a purpose may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema.mart import MEASURES

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


def compute_measures(
    interaction: pl.LazyFrame, crosswalk: pl.LazyFrame, channels: Collection[str], since: datetime, until: datetime
) -> pl.LazyFrame:
    """Measures of each customer who did anything; key customer_id, columns of `MEASURES`.

    Counts interactions of `channels` (those that collect for the purpose) in [since, until) of records that may join a
    profile. Of orders at one instant the one with the greater record id is the latest.
    """
    done = (
        interaction.filter(
            pl.col("channel").is_in(list(channels)), pl.col("occurred_at") >= since, pl.col("occurred_at") < until
        )
        .join(crosswalk.filter("is_profiled"), on=["channel", "source_record_id"])
        .sort("occurred_at", "channel", "source_record_id")
    )
    kind = pl.col("interaction_type")

    def of(type_: str, column: str = "interaction_type") -> pl.Expr:
        return pl.col(column).filter(kind == type_)

    return MEASURES.conform(
        done.group_by("customer_id", maintain_order=True).agg(
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
