"""Layer `golden`: the golden record of every customer, the source of each value, and what is derived from both.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.golden`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.identity import CROSSWALK
from cdp_pipelines.schema.standardised import PARTY, PREFERENCE
from cdp_pipelines.schema.table import (
    CUSTOMER_SUBJECT,
    DELETE_DERIVED,
    RECORD_SUBJECT,
    TEXTS,
    UTC,
    Column,
    Erasure,
    Lifecycle,
    Subject,
    Table,
    carry_columns,
    no_person,
)

GOLDEN_ATTRIBUTES = (
    "honorific",
    "first_name",
    "middle_name",
    "last_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "city",
    "region_code",
    "postal_code",
    "country_code",
    "loyalty_card",
)

PREFERENCE_COLUMNS = ("language_code", "preferred_channel", "quiet_from", "quiet_until", "max_per_week")

CUSTOMER = Table(
    "golden/customer",
    "The golden record: one row per customer, each value the best among the customer's records.",
    ("customer_id",),
    (
        *carry_columns(CROSSWALK, "customer_id"),
        *carry_columns(PARTY, *GOLDEN_ATTRIBUTES),
        *carry_columns(PREFERENCE, *PREFERENCE_COLUMNS),
        Column(
            "record_count",
            pl.Int64(),
            "Number of source records of the customer",
            sources=("identity/crosswalk.source_record_id",),
        ),
        Column(
            "channel_count",
            pl.Int64(),
            "Number of channels with a record of the customer",
            sources=("identity/crosswalk.channel",),
        ),
        Column("first_seen_at", UTC, "Time of the earliest record", sources=("standardised/party.observed_at",)),
        Column("last_seen_at", UTC, "Time of the latest record", sources=("standardised/party.observed_at",)),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT,),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
CustomerFrame = pl.LazyFrame
CustomerRows = pl.DataFrame

_STANDARD_OF_GOLDEN = (
    *(f"standardised/party.{name}" for name in GOLDEN_ATTRIBUTES),
    *(f"standardised/preference.{name}" for name in PREFERENCE_COLUMNS),
)

RECTIFICATION = Table(
    "golden/rectification",
    "Corrections that data subjects or clerks made with `cdp rectify` (GDPR Art. 16). A correction outranks every "
    "source from the next night until it is withdrawn. Append-only.",
    ("rectification_number", "attribute"),
    (
        Column(
            "rectification_number",
            pl.Int64(),
            "Number of the rectification or withdrawal, from 1; the latest one applies",
        ),
        *carry_columns(CROSSWALK, "channel", "source_record_id"),
        Column(
            "attribute",
            pl.String(),
            "Column of golden/customer; a rectification of an attribute group has one row for each of its attributes",
        ),
        Column(
            "value",
            pl.String(),
            "The correct value, as text in the form of the standard column; null for a withdrawal",
            is_personal=True,
            # Entered by the subject or a clerk in place of these, so it is of their data categories.
            sources=_STANDARD_OF_GOLDEN,
        ),
        Column(
            "replaces",
            pl.String(),
            "The wrong e-mail or phone, because a customer may have several; null for other attributes, where the "
            "rectification replaces the values of all sources",
            is_personal=True,
            sources=("standardised/party.email", "standardised/party.phone"),
        ),
        Column(
            "withdraws_number",
            pl.Int64(),
            "Number of the rectification that this row withdraws; null for a rectification",
        ),
        Column("rectified_by", pl.String(), "Clerk who entered it"),
        Column("reason", pl.String(), "Who requested it, and how it was checked", is_personal=True),
        Column("rectified_at", UTC, "When it was entered"),
    ),
    lifecycle=Lifecycle(
        kind="source",
        subjects=(RECORD_SUBJECT,),
        write_mode="append",
        unit="record",
        on_erasure=Erasure("delete_row", "The row holds a value of the person"),
        retention="record",
    ),
)
RectificationFrame = pl.LazyFrame
RectificationRows = pl.DataFrame

_OF_GOLDEN = (*_STANDARD_OF_GOLDEN, "golden/rectification.value")

PROVENANCE = Table(
    "golden/provenance",
    "Every candidate value of every golden attribute: the record it came from, the purposes it may serve, and its "
    "rank.",
    ("customer_id", "attribute", "rank"),
    (
        *carry_columns(CROSSWALK, "customer_id"),
        Column("attribute", pl.String(), "Column of golden/customer"),
        Column("value", pl.String(), "The value, as text", is_personal=True, sources=_OF_GOLDEN),
        *carry_columns(PARTY, "channel", "source_record_id", "observed_at"),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which its channel collected it, or that were granted for it",
            sources=("standardised/consent_event.purpose", "standardised/consent_event.status"),
        ),
        Column(
            "attribute_group",
            pl.String(),
            "First attribute of the group whose values are taken from one record; the attribute itself where it is "
            "not in a group",
        ),
        Column(
            "rank",
            pl.Int64(),
            "1 is the golden value; within an attribute group, values of one rank come from one record",
            sources=("standardised/party.observed_at", "standardised/preference.updated_at", "consent/ledger.status"),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT, RECORD_SUBJECT),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
ProvenanceFrame = pl.LazyFrame
ProvenanceRows = pl.DataFrame

CONTACT_POINT = Table(
    "golden/contact_point",
    "Every e-mail and phone of every customer with a profile: its state, and the purposes it may serve.",
    ("customer_id", "kind", "value"),
    (
        *carry_columns(CROSSWALK, "customer_id"),
        Column("kind", pl.String(), "email or phone", sources=("golden/provenance.attribute",)),
        Column("value", pl.String(), "The e-mail or phone", is_personal=True, sources=("golden/provenance.value",)),
        Column(
            "state",
            pl.String(),
            "The first that applies: replaced (by a rectification), bounced or complained (until verified), "
            "unsubscribed (until a grant on it), verified, unverified",
            sources=("consent/ledger.status", "golden/rectification.replaces"),
        ),
        *(
            Column(f"{status}_at", UTC, f"Latest time at which it {event}", sources=("consent/ledger.event_at",))
            for status, event in (
                ("verified", "was verified, or a grant on it proved that it reaches the person"),
                ("bounced", "bounced permanently"),
                ("complained", "received a complaint"),
                ("unsubscribed", "was unsubscribed"),
            )
        ),
        Column("is_golden", pl.Boolean(), "It is the value in the golden record", sources=("golden/provenance.rank",)),
        Column(
            "is_preferred",
            pl.Boolean(),
            "It is the value in the golden record, and the customer prefers this way of contact",
            sources=("golden/provenance.rank", "golden/customer.preferred_channel"),
        ),
        Column(
            "last_reported_at",
            UTC,
            "Time of the latest record or rectification that has it",
            sources=("golden/provenance.observed_at",),
        ),
        Column(
            "last_used_at",
            UTC,
            "Time of the latest interaction with it (an order, a call, a receipt); null where there is none",
            sources=("standardised/interaction.occurred_at",),
        ),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which it was collected, or that were granted for it",
            sources=("golden/provenance.collected_for",),
        ),
        Column(
            "allowed_for",
            TEXTS,
            "Those of collected_for that the current decisions allow for the customer, or for this contact point where "
            "the purpose decides on each; publication decides again",
            sources=("golden/provenance.collected_for", "consent/decision.is_allowed"),
        ),
        Column(
            "customer_count",
            pl.Int64(),
            "Number of customers with a profile who share it, including this one",
            sources=("golden/provenance.customer_id",),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT,),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
ContactPointFrame = pl.LazyFrame
ContactPointRows = pl.DataFrame

HOUSEHOLD = Table(
    "golden/household",
    "Customers with a profile who share a family name and an address. No consent event, decision, golden value or mart "
    "is derived from it.",
    ("customer_id",),
    (
        Column(
            "household_id",
            pl.String(),
            "Id of the household: that of its oldest customer, so it stays the same while that customer belongs to it",
            is_personal=True,
            sources=(
                "golden/customer.last_name",
                "golden/customer.street",
                "golden/customer.postal_code",
                "golden/customer.country_code",
                "identity/history.customer_id",
            ),
        ),
        *carry_columns(CROSSWALK, "customer_id"),
        Column(
            "member_count", pl.Int64(), "Number of customers in the household", sources=("golden/customer.customer_id",)
        ),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which both the name and the address of this customer were collected",
            sources=("golden/provenance.collected_for",),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT, Subject("customer", ("household_id",))),
        write_mode="replace",
        unit="whole",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
HouseholdFrame = pl.LazyFrame
HouseholdRows = pl.DataFrame

CONFLICT = Table(
    "golden/conflict",
    "How often sources disagree: per attribute, the channel of the golden value against each channel with another "
    "value. It holds only counts.",
    ("attribute", "winner", "loser"),
    (
        Column("attribute", pl.String(), "Column of golden/customer", sources=("golden/provenance.attribute",)),
        Column("winner", pl.String(), "Channel of the golden value", sources=("golden/provenance.rank",)),
        Column(
            "loser",
            pl.String(),
            "Channel that also has a value; the winner itself stands for its other records",
            sources=("golden/provenance.channel",),
        ),
        Column(
            "customer_count",
            pl.Int64(),
            "Number of customers for whom both have a value; where winner and loser are one channel, all its golden "
            "values",
            sources=("golden/provenance.customer_id",),
        ),
        Column(
            "differing_count",
            pl.Int64(),
            "Number of these customers for whom the loser differs from the golden value",
            sources=("golden/provenance.value",),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(),
        write_mode="replace",
        unit="whole",
        on_erasure=no_person("Counts over all customers"),
        retention="sources",
    ),
)
ConflictFrame = pl.LazyFrame
ConflictRows = pl.DataFrame
