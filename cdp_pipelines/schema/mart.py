"""What marts are made of besides the golden record: measures of behaviour, and the keys that stand for a person."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.table import UTC, Column, Table

MartFrame = pl.LazyFrame
MartRows = pl.DataFrame

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

SUBJECT = Table(
    "subject",
    "Under what name a person is in a mart. Never stored: computed for each mart, under the key of its purpose.",
    ("key",),
    (
        Column(
            "key",
            pl.String(),
            "The person in this mart: HMAC-SHA-256 of the customer under the purpose's own key",
            is_personal=True,
            sources=("identity/cluster.customer_id",),
        ),
        Column(
            "evidence",
            pl.String(),
            "Reference of the decision and its evidence, in this mart alone; `cdp audit mart` resolves it",
            is_personal=True,
            sources=("consent/decision.evidence",),
        ),
    ),
    subject=("key",),
)
