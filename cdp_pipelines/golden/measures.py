"""What customers did, as one row of measures per customer, out of interactions that a purpose may use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.tables import UTC, Column, Table

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

# A measure is of the rows of its type: that there is such a record is told by each of them.
_ROW = ("standardised/interaction.source_record_id", "standardised/interaction.interaction_type")
_TIME = (*_ROW, "standardised/interaction.occurred_at")
_AMOUNT = (*_ROW, "standardised/interaction.amount_minor")

MEASURES = Table(
    "measures",
    "What a customer did within a purpose's window. Never stored: computed for each mart, of what its purpose may use.",
    ("customer_id",),
    (
        Column(
            "customer_id", pl.String(), "The customer", is_personal=True, sources=("identity/crosswalk.customer_id",)
        ),
        Column("order_count", pl.Int64(), "Orders", sources=_ROW),
        Column("order_amount_minor", pl.Int64(), "Sum of the orders, in minor units", sources=_AMOUNT),
        Column("refund_amount_minor", pl.Int64(), "Sum of the refunds, in minor units, negative", sources=_AMOUNT),
        Column("last_order_at", UTC, "Latest order", sources=_TIME),
        Column(
            "last_order_amount_minor",
            pl.Int64(),
            "Amount of the latest order, in minor units",
            sources=(*_AMOUNT, "standardised/interaction.occurred_at"),
        ),
        Column(
            "currency_code",
            pl.String(),
            "Currency of the latest order (ISO 4217)",
            sources=(*_TIME, "standardised/interaction.currency_code"),
        ),
        Column("receipt_count", pl.Int64(), "Receipts of the stores", sources=_ROW),
        Column("event_count", pl.Int64(), "Events of app and web", sources=_ROW),
        Column("visit_count", pl.Int64(), "Visits seen by beacons", sources=_ROW),
        Column("call_count", pl.Int64(), "Calls", sources=_ROW),
        Column("reading_count", pl.Int64(), "Readings of connected products", sources=_ROW),
        Column("first_event_at", UTC, "Earliest event of app and web", sources=_TIME),
        Column("last_event_at", UTC, "Latest event of app and web", sources=_TIME),
        Column("last_reading_at", UTC, "Latest reading of a connected product", sources=_TIME),
    ),
    subject=("customer_id",),
)


# Of which interactions each measure is.
TYPES = {
    **dict.fromkeys(("order_count", "order_amount_minor", "last_order_at", "last_order_amount_minor"), "order"),
    "currency_code": "order",
    "refund_amount_minor": "refund",
    "receipt_count": "receipt",
    "event_count": "event",
    "first_event_at": "event",
    "last_event_at": "event",
    "visit_count": "visit",
    "call_count": "call",
    "reading_count": "reading",
    "last_reading_at": "reading",
}


def months_and_days(duration: str) -> tuple[int, int]:
    """An ISO 8601 duration of years, months and days, in months and days."""
    parts = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", duration)
    years, months, days = (int(part or 0) for part in parts.groups())
    return 12 * years + months, days


def window(retention: str, as_of: datetime) -> datetime:
    """Begin of the window that a retention (ISO 8601 duration of years, months, days) leaves open at `as_of`."""
    return _moved(as_of, retention, "-")


def end(retention: str, since: datetime) -> datetime:
    """Instant at which a retention (ISO 8601 duration of years, months, days) that began at `since` ends."""
    return _moved(since, retention, "")


def _moved(moment: datetime, duration: str, sign: str) -> datetime:
    months, days = months_and_days(duration)
    return pl.Series([moment]).dt.offset_by(f"{sign}{months}mo").dt.offset_by(f"{sign}{days}d").item()


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
