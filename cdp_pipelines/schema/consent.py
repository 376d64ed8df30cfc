"""Layer `consent`: the ledger of consent events, its seals, and the decisions on every customer and purpose.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.consent`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.identity import CLUSTER
from cdp_pipelines.schema.standardised import CONSENT_EVENT, PRIVACY_REQUEST, UNNAMED_STATEMENT
from cdp_pipelines.schema.table import (
    CUSTOMER_SUBJECT,
    DELETE_DERIVED,
    IDENTIFIER_SUBJECT,
    RECORD_SUBJECT,
    TEXTS,
    UTC,
    Column,
    Erasure,
    Lifecycle,
    Table,
    carry_columns,
    no_person,
)
from cdp_pipelines.schema.vocabulary import RECORD_KEY, UNRESOLVED_REASONS

_UNRESOLVED_SUBJECT = tuple(
    f"{table.name}.subject_value" for table in (CONSENT_EVENT, UNNAMED_STATEMENT, PRIVACY_REQUEST)
)

LEDGER = Table(
    "consent/ledger",
    "Every consent event that was ever received, and the digest of every report that was given to a data subject or "
    "auditor, in the order of their arrival; append-only.",
    ("event_id", "purpose", "status"),
    (
        Column(
            "position", pl.Int64(), "Position in the ledger, from 1", sources=("standardised/consent_event.event_id",)
        ),
        *carry_columns(
            CONSENT_EVENT,
            "event_id",
            "channel",
            "source_record_id",
            "drop_date",
            "subject_kind",
            "subject_value",
            "purpose",
            "status",
            "event_at",
            "recorded_at",
            "expires_at",
            "notice_version",
            "jurisdiction",
            "method",
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(IDENTIFIER_SUBJECT, RECORD_SUBJECT),
        write_mode="append",
        unit="record",
        on_erasure=Erasure(
            "replace_by_digest",
            "The proof stays that consent was given and obeyed (Art. 7(1), 17(3)(e)); no row leads to the person",
            ("event_id", "source_record_id", "subject_value"),
        ),
        retention="evidence",
    ),
    found_by=("subject_value",),
)
LedgerFrame = pl.LazyFrame
LedgerRows = pl.DataFrame

SEAL = Table(
    "consent/seal",
    "Seals of the ledger: for the events of each night a Merkle root, chained to the seal before it and signed; "
    "append-only.",
    ("seal_number",),
    (
        Column("seal_number", pl.Int64(), "Number of the seal, from 1"),
        *carry_columns(LEDGER, "drop_date"),
        Column("first_position", pl.Int64(), "First ledger position covered", sources=("consent/ledger.position",)),
        Column("last_position", pl.Int64(), "Last ledger position covered", sources=("consent/ledger.position",)),
        Column("event_count", pl.Int64(), "Number of events covered", sources=("consent/ledger.position",)),
        Column("merkle_root", pl.String(), "Merkle root (RFC 9162, SHA-256) over its events, hex"),
        Column("previous_head", pl.String(), "Head of the seal before it, hex; zeros for the first"),
        Column("head", pl.String(), "SHA-256 over seal number, Merkle root, positions and previous head, hex"),
        Column("signature", pl.String(), "Ed25519 signature of the 32 bytes of head, hex"),
        Column("public_key", pl.String(), "Ed25519 public key that checks the signature, hex"),
        Column("leaf_hashes", pl.Binary(), "Leaf hashes in order, 32 bytes each: they locate a changed event"),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(),
        write_mode="append",
        unit="whole",
        on_erasure=no_person("Hashes over many events; they stay, so that proofs of all other events hold"),
        retention="evidence",
    ),
)
SealFrame = pl.LazyFrame
SealRows = pl.DataFrame

RESOLUTION = Table(
    "consent/resolution",
    "Decisions of clerks, made with `cdp consent resolve`, on records of consent/unresolved: whom the record names, or "
    "that it names nobody. The latest decision on a record applies. Append-only.",
    ("resolution_number",),
    (
        Column("resolution_number", pl.Int64(), "Number of the resolution, from 1"),
        *carry_columns(CONSENT_EVENT, "channel", "source_record_id"),
        Column("subject_kind", pl.String(), "Kind of the identifier; null where the record names nobody"),
        Column(
            "subject_value",
            pl.String(),
            "Identifier that the record is about; null where the record names nobody",
            is_personal=True,
            # Entered by a clerk in place of these, so it is of their data categories.
            sources=_UNRESOLVED_SUBJECT,
        ),
        Column("resolved_by", pl.String(), "Clerk who decided"),
        Column("reason", pl.String(), "How the clerk knows", is_personal=True),
        Column("resolved_at", UTC, "When the clerk decided"),
    ),
    lifecycle=Lifecycle(
        kind="source",
        subjects=(IDENTIFIER_SUBJECT, RECORD_SUBJECT),
        write_mode="append",
        unit="record",
        on_erasure=Erasure("delete_row", "A decision on a record that is erased decides nothing"),
        retention="evidence",
    ),
)
ResolutionFrame = pl.LazyFrame
ResolutionRows = pl.DataFrame

UNRESOLVED = Table(
    "consent/unresolved",
    "Records with consent events or a request that name nobody whom the lake knows. `cdp consent unresolved` lists "
    "them, `cdp consent resolve` names the person. A row leaves when its subject arrives or a clerk resolves it.",
    RECORD_KEY,
    (
        *carry_columns(CONSENT_EVENT, "channel", "source_record_id", "drop_date", "subject_kind"),
        Column(
            "reason",
            pl.String(),
            f"{', '.join(UNRESOLVED_REASONS)}: the record has no subject, a grant names several, its text cannot be "
            "read, or no record of a person has it",
            sources=_UNRESOLVED_SUBJECT,
        ),
        Column("subject_value", pl.String(), "The subject as received", is_personal=True, sources=_UNRESOLVED_SUBJECT),
        Column(
            "statements",
            TEXTS,
            "What the record states, as `status purpose` or `request: kind`",
            sources=(
                "standardised/consent_event.status",
                "standardised/unnamed_statement.status",
                "standardised/privacy_request.kind",
            ),
        ),
        Column(
            "event_at",
            UTC,
            "When the person stated it",
            sources=(
                "standardised/consent_event.event_at",
                "standardised/unnamed_statement.event_at",
                "standardised/privacy_request.received_at",
            ),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(IDENTIFIER_SUBJECT, RECORD_SUBJECT),
        write_mode="replace",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
UnresolvedFrame = pl.LazyFrame
UnresolvedRows = pl.DataFrame

# Consent events, contracts, obligations and interests, contact points, and age.
_DECIDED_BY = (
    "consent/ledger.status",
    "consent/ledger.event_at",
    "consent/ledger.notice_version",
    "consent/ledger.subject_value",
    "standardised/interaction.interaction_type",
    "standardised/interaction.occurred_at",
    "standardised/interaction.amount_minor",
    "standardised/party.account_id",
    "standardised/party.loyalty_card",
    "standardised/party.birth_date",
    "standardised/privacy_request.kind",
)

DECISION = Table(
    "consent/decision",
    "One decision per customer, purpose and period (and contact point, where the purpose decides on each): whether the "
    "customer may be processed, and why. A new decision closes the row before it and never overwrites it.",
    ("customer_id", "purpose", "contact_point", "valid_from"),
    (
        *carry_columns(CLUSTER, "customer_id"),
        Column("purpose", pl.String(), "Purpose that the decision is about"),
        Column(
            "contact_point",
            pl.String(),
            "The e-mail, phone or device; a keyed digest (gone:…) once nobody has it any more; empty where the "
            "purpose decides on the person as a whole",
            is_personal=True,
            sources=("standardised/party.email", "standardised/party.phone", "standardised/party.device_id"),
        ),
        Column("is_allowed", pl.Boolean(), "The customer may be processed for the purpose", sources=_DECIDED_BY),
        Column("reason", pl.String(), "allowed, or the first check that denied it", sources=_DECIDED_BY),
        Column("lawful_basis", pl.String(), "Lawful basis of the purpose, GDPR Art. 6(1)"),
        Column(
            "since_at",
            UTC,
            "Time of the event or record that decided",
            sources=(
                "consent/ledger.event_at",
                "standardised/interaction.occurred_at",
                "standardised/party.observed_at",
                "standardised/privacy_request.received_at",
            ),
        ),
        Column(
            "evidence",
            TEXTS,
            "Ids of the events or records that decided",
            is_personal=True,
            sources=(
                "consent/ledger.event_id",
                "standardised/interaction.source_record_id",
                "standardised/party.source_record_id",
                "standardised/privacy_request.source_record_id",
            ),
        ),
        Column("purpose_version", pl.String(), "Version of the purpose that was applied"),
        Column(
            "ledger_position",
            pl.Int64(),
            "Newest position of the ledger that the decision knew",
            sources=("consent/ledger.position",),
        ),
        Column("valid_from", UTC, "Logical time of the night that made the decision", sources=("audit/run.as_of",)),
        Column("valid_to", UTC, "Logical time of the night that replaced it; null while it is current"),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(CUSTOMER_SUBJECT,),
        write_mode="versioned",
        unit="customer",
        on_erasure=Erasure(
            "replace_by_digest",
            "The proof stays that every row of a mart had a right (Art. 5(2)); no row leads to the person",
            ("customer_id", "contact_point", "evidence"),
        ),
        retention="evidence",
    ),
)
DecisionFrame = pl.LazyFrame
DecisionRows = pl.DataFrame
