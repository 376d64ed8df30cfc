"""What customers did, as one row of measures per customer, out of interactions that a purpose may use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.tables import UTC, Column, Table

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

_TYPE = "standardised/interaction.interaction_type"
_TIME = "standardised/interaction.occurred_at"
_AMOUNT = "standardised/interaction.amount_minor"

MEASURES = Table(
    "measures",
    "What a customer did within a purpose's window. Never stored: computed for each mart, of what its purpose may use.",
    ("customer_id",),
    (
        Column(
            "customer_id", pl.String(), "The customer", is_personal=True, sources=("identity/crosswalk.customer_id",)
        ),
        Column("order_count", pl.Int64(), "Orders", sources=(_TYPE,)),
        Column("order_amount_minor", pl.Int64(), "Sum of the orders, in minor units", sources=(_AMOUNT,)),
        Column("refund_amount_minor", pl.Int64(), "Sum of the refunds, in minor units, negative", sources=(_AMOUNT,)),
        Column("last_order_at", UTC, "Latest order", sources=(_TIME,)),
        Column("last_order_amount_minor", pl.Int64(), "Amount of the latest order, in minor units", sources=(_AMOUNT,)),
        Column(
            "currency_code",
            pl.String(),
            "Currency of the latest order (ISO 4217)",
            sources=("standardised/interaction.currency_code",),
        ),
        Column("receipt_count", pl.Int64(), "Receipts of the stores", sources=(_TYPE,)),
        Column("event_count", pl.Int64(), "Events of app and web", sources=(_TYPE,)),
        Column("visit_count", pl.Int64(), "Visits seen by beacons", sources=(_TYPE,)),
        Column("call_count", pl.Int64(), "Calls", sources=(_TYPE,)),
        Column("reading_count", pl.Int64(), "Readings of connected products", sources=(_TYPE,)),
        Column("first_event_at", UTC, "Earliest event of app and web", sources=(_TIME,)),
        Column("last_event_at", UTC, "Latest event of app and web", sources=(_TIME,)),
        Column("last_reading_at", UTC, "Latest reading of a connected product", sources=(_TIME,)),
    ),
    subject=("customer_id",),
)


def window(retention: str, as_of: datetime) -> datetime:
    """Begin of the window that a retention (ISO 8601 duration of years, months, days) leaves open at `as_of`."""
    parts = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", retention)
    years, months, days = (int(part or 0) for part in parts.groups())
    return pl.Series([as_of]).dt.offset_by(f"-{12 * years + months}mo").dt.offset_by(f"-{days}d").item()


def measures(
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
