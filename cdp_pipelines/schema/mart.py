"""Layer `mart`: columns of marts that are not in the golden record, namely measures of behaviour and pseudonyms.

Here belong columns that are computed for each mart and never stored by themselves. The columns of one mart come from
its purpose.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.table import DELETE_DERIVED, UTC, Column, Lifecycle, Relation, Subject, no_person

MartFrame = pl.LazyFrame
MartRows = pl.DataFrame

# Every measure reveals that a record of its type exists, so it derives from the record id and the type.
_ROW = ("standardised/interaction.source_record_id", "standardised/interaction.interaction_type")
_TIME = (*_ROW, "standardised/interaction.occurred_at")
_AMOUNT = (*_ROW, "standardised/interaction.amount_minor")

MEASURES = Relation(
    "measures",
    "Behaviour of a customer within the retention window of a purpose. Computed for each mart from the data that its "
    "purpose may use; never stored.",
    ("customer_id",),
    (
        Column(
            "customer_id", pl.String(), "The customer", is_personal=True, sources=("identity/crosswalk.customer_id",)
        ),
        Column("order_count", pl.Int64(), "Number of orders", sources=_ROW),
        Column("order_amount_minor", pl.Int64(), "Sum of the orders, in minor units", sources=_AMOUNT),
        Column("refund_amount_minor", pl.Int64(), "Sum of the refunds, in minor units, negative", sources=_AMOUNT),
        Column("last_order_at", UTC, "Time of the latest order", sources=_TIME),
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
        Column("receipt_count", pl.Int64(), "Number of store receipts", sources=_ROW),
        Column("event_count", pl.Int64(), "Number of app and web events", sources=_ROW),
        Column("visit_count", pl.Int64(), "Number of visits that beacons registered", sources=_ROW),
        Column("call_count", pl.Int64(), "Number of calls", sources=_ROW),
        Column("reading_count", pl.Int64(), "Number of readings of connected products", sources=_ROW),
        Column("first_event_at", UTC, "Time of the earliest app or web event", sources=_TIME),
        Column("last_event_at", UTC, "Time of the latest app or web event", sources=_TIME),
        Column("last_reading_at", UTC, "Time of the latest reading of a connected product", sources=_TIME),
    ),
)


# Interaction type that each measure summarises.
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

SUBJECT = Relation(
    "subject",
    "Pseudonyms of a person in a mart. Computed for each mart with the key of its purpose; never stored.",
    ("key",),
    (
        Column(
            "key",
            pl.String(),
            "Pseudonym of the person in this mart: HMAC-SHA-256 of the customer id with the purpose's own key",
            is_personal=True,
            sources=("identity/cluster.customer_id",),
        ),
        Column(
            "evidence",
            pl.String(),
            "Reference to the decision and its evidence, valid in this mart only; `cdp audit mart` resolves it",
            is_personal=True,
            sources=("consent/decision.evidence",),
        ),
    ),
)

AGGREGATE_LIFECYCLE = Lifecycle(
    kind="derived",
    subjects=(),
    write_mode="replace",
    unit="purpose",
    on_erasure=no_person("Groups of people; small groups are suppressed, and the next night counts without the person"),
    retention="purpose",
)


def declare_mart_lifecycle(key: tuple[str, ...]) -> Lifecycle:
    """Lifecycle of a mart about persons; `key`: the columns of the pseudonym, a keyed digest of the customer id."""
    return Lifecycle(
        kind="derived",
        subjects=(Subject("digest", key),),
        write_mode="replace",
        unit="purpose",
        on_erasure=DELETE_DERIVED,
        retention="purpose",
    )
