"""Layer `golden`: the golden record of every customer, the source of each value, and what is derived from both.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.golden`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.identity import CROSSWALK
from cdp_pipelines.schema.standardised import PARTY, PREFERENCE
from cdp_pipelines.schema.table import TEXTS, UTC, Column, Table, carry_columns
from cdp_pipelines.schema.vocabulary import RECORD_KEY

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
            "Source records of the customer",
            sources=("identity/crosswalk.source_record_id",),
        ),
        Column("channel_count", pl.Int64(), "Channels that know the customer", sources=("identity/crosswalk.channel",)),
        Column("first_seen_at", UTC, "Earliest record", sources=("standardised/party.observed_at",)),
        Column("last_seen_at", UTC, "Latest record", sources=("standardised/party.observed_at",)),
    ),
    subject=("customer_id",),
)
CustomerFrame = pl.LazyFrame
CustomerRows = pl.DataFrame

_STANDARD_OF_GOLDEN = (
    *(f"standardised/party.{name}" for name in GOLDEN_ATTRIBUTES),
    *(f"standardised/preference.{name}" for name in PREFERENCE_COLUMNS),
)

RECTIFICATION = Table(
    "golden/rectification",
    "What data subjects or clerks put right (GDPR Art. 16), by `cdp rectify`; it outranks every source from the next "
    "night on until it is withdrawn. Append-only.",
    ("number", "attribute"),
    (
        Column("number", pl.Int64(), "Number of the rectification or withdrawal, from 1; the latest holds"),
        *carry_columns(CROSSWALK, "channel", "source_record_id"),
        Column("attribute", pl.String(), "Column of golden/customer; of attributes that survive together, each"),
        Column(
            "value",
            pl.String(),
            "The right value, as text in the form of the standard column; null of a withdrawal",
            is_personal=True,
            # Said by the subject or a clerk; it stands where these would, and is of their data categories.
            sources=_STANDARD_OF_GOLDEN,
        ),
        Column(
            "replaces",
            pl.String(),
            "The wrong e-mail or phone, of which a customer may have several; null of other attributes, of which it "
            "replaces all that sources say",
            is_personal=True,
            sources=("standardised/party.email", "standardised/party.phone"),
        ),
        Column("ends", pl.Int64(), "Number of the rectification that this withdraws; null of a rectification"),
        Column("rectified_by", pl.String(), "Who took it down"),
        Column("because", pl.String(), "Why: who asked for it, and how it was checked", is_personal=True),
        Column("rectified_at", UTC, "When"),
    ),
    subject=RECORD_KEY,
)
RectificationFrame = pl.LazyFrame
RectificationRows = pl.DataFrame

_OF_GOLDEN = (*_STANDARD_OF_GOLDEN, "golden/rectification.value")

PROVENANCE = Table(
    "golden/provenance",
    "Every candidate value of every golden attribute: which record it came from, what it may be used for, its rank.",
    ("customer_id", "attribute", "rank"),
    (
        *carry_columns(CROSSWALK, "customer_id"),
        Column("attribute", pl.String(), "Column of golden/customer"),
        Column("value", pl.String(), "The value, as text", is_personal=True, sources=_OF_GOLDEN),
        *carry_columns(PARTY, "channel", "source_record_id", "observed_at"),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which its channel collected it, or that were granted on it",
            sources=("standardised/consent_event.purpose", "standardised/consent_event.status"),
        ),
        Column(
            "together",
            pl.String(),
            "First of the attributes that survive together with it, as one record says them; itself where it is alone",
        ),
        Column(
            "rank",
            pl.Int64(),
            "1 is the golden value; of attributes that survive together one rank is one record",
            sources=("standardised/party.observed_at", "standardised/preference.updated_at", "consent/ledger.status"),
        ),
    ),
    subject=("customer_id",),
)
ProvenanceFrame = pl.LazyFrame
ProvenanceRows = pl.DataFrame

CONTACT_POINT = Table(
    "golden/contact_point",
    "Every e-mail and phone of every customer with a profile: what is known of it, and what it may be used for.",
    ("customer_id", "kind", "value"),
    (
        *carry_columns(CROSSWALK, "customer_id"),
        Column("kind", pl.String(), "email or phone", sources=("golden/provenance.attribute",)),
        Column("value", pl.String(), "The e-mail or phone", is_personal=True, sources=("golden/provenance.value",)),
        Column(
            "state",
            pl.String(),
            "replaced (by a rectification), bounced or complained (until verified), unsubscribed (until something is "
            "granted on it), verified, or unverified: the first that holds",
            sources=("consent/ledger.status", "golden/rectification.replaces"),
        ),
        *(
            Column(f"{status}_at", UTC, f"When it last {what}", sources=("consent/ledger.event_at",))
            for status, what in (
                ("verified", "was verified, or granted on in a way that proves that it reaches the person"),
                ("bounced", "bounced for good"),
                ("complained", "was complained from"),
                ("unsubscribed", "was unsubscribed"),
            )
        ),
        Column("is_golden", pl.Boolean(), "It is the value of the golden record", sources=("golden/provenance.rank",)),
        Column(
            "is_preferred",
            pl.Boolean(),
            "It is the value of the golden record, and the customer prefers to be reached this way",
            sources=("golden/provenance.rank", "golden/customer.preferred_channel"),
        ),
        Column(
            "last_reported_at",
            UTC,
            "Latest record or rectification that has it",
            sources=("golden/provenance.observed_at",),
        ),
        Column(
            "last_used_at",
            UTC,
            "Latest time that the customer did something under it (an order, a call, a receipt); null for never",
            sources=("standardised/interaction.occurred_at",),
        ),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which it was collected, or that were granted on it",
            sources=("golden/provenance.collected_for",),
        ),
        Column(
            "allowed_for",
            TEXTS,
            "Of these, those that the standing decisions allow for the customer, or on this very point where the "
            "purpose is about one; publication decides again",
            sources=("golden/provenance.collected_for", "consent/decision.is_allowed"),
        ),
        Column(
            "customer_count",
            pl.Int64(),
            "Customers with a profile who share it, this one included",
            sources=("golden/provenance.customer_id",),
        ),
    ),
    subject=("customer_id",),
)
ContactPointFrame = pl.LazyFrame
ContactPointRows = pl.DataFrame

HOUSEHOLD = Table(
    "golden/household",
    "Customers with a profile who have one family name at one address. No will, decision, value or mart follows from "
    "it.",
    ("customer_id",),
    (
        Column(
            "household_id",
            pl.String(),
            "The household: named after its oldest customer, and so the same while that one belongs to it",
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
        Column("member_count", pl.Int64(), "Customers of the household", sources=("golden/customer.customer_id",)),
        Column(
            "collected_for",
            TEXTS,
            "Purposes for which both the name and the address of this customer were collected",
            sources=("golden/provenance.collected_for",),
        ),
    ),
    subject=("customer_id",),
)
HouseholdFrame = pl.LazyFrame
HouseholdRows = pl.DataFrame

CONFLICT = Table(
    "golden/conflict",
    "Where sources disagree: per attribute, which channel gave the golden value how often while another said something "
    "else. Counts alone.",
    ("attribute", "winner", "loser"),
    (
        Column("attribute", pl.String(), "Column of golden/customer", sources=("golden/provenance.attribute",)),
        Column("winner", pl.String(), "Channel that gave the golden value", sources=("golden/provenance.rank",)),
        Column(
            "loser",
            pl.String(),
            "Channel that has a value too; where it is the winner itself, its own other records",
            sources=("golden/provenance.channel",),
        ),
        Column(
            "customer_count",
            pl.Int64(),
            "Customers of whom both have a value; of a channel and itself, all whose golden value it gave",
            sources=("golden/provenance.customer_id",),
        ),
        Column(
            "differing_count",
            pl.Int64(),
            "Of these, customers of whom the loser says something else than the golden value",
            sources=("golden/provenance.value",),
        ),
    ),
)
ConflictFrame = pl.LazyFrame
ConflictRows = pl.DataFrame
