"""Layer `identity`: which records are one customer, how that was found, and what the next night reuses.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.identity`. The module is long
because the layer has ten tables, and a layer is one module.
"""

from __future__ import annotations

import polars as pl

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
from cdp_pipelines.schema.vocabulary import CUSTOMER_EVENTS, IDENTIFIER_KINDS, RECORD_KEY

# What records say that tells one person from another: identifiers, and what is compared and blocked on.
_SAID = tuple(
    f"standardised/party.{name}"
    for name in (
        "first_name", "middle_name", "last_name", "birth_date", "street", "postal_code", "email", "phone",
        "loyalty_card", "device_id", "advertising_id", "serial", "handle", "account_id",
    )
)  # fmt: skip

LINK = Table(
    "identity/link",
    "Pairs of records that are linked as one person, each with its match weight and evidence.",
    ("left_channel", "left_source_record_id", "right_channel", "right_source_record_id", "rule"),
    (
        Column("left_channel", pl.String(), "Channel of the first record", sources=("standardised/party.channel",)),
        Column(
            "left_source_record_id",
            pl.String(),
            "Id of the first record",
            is_personal=True,
            sources=("standardised/party.source_record_id",),
        ),
        Column("right_channel", pl.String(), "Channel of the second record", sources=("standardised/party.channel",)),
        Column(
            "right_source_record_id",
            pl.String(),
            "Id of the second record",
            is_personal=True,
            sources=("standardised/party.source_record_id",),
        ),
        Column(
            "rule",
            pl.String(),
            "Rule that linked them: an identifier, comparison, review (a clerk's decision) or same (equal records)",
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column(
            "is_exact", pl.Boolean(), "The link is an exact match on an identifier, not a probable link", sources=_SAID
        ),
        Column(
            "match_weight",
            pl.Float64(),
            "Sum of log2(m/u) over the comparisons; null where only an identifier linked them",
            sources=_SAID,
        ),
        Column("evidence", TEXTS, "Comparison levels of the pair, as field:level; never a value", sources=_SAID),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(
            Subject("record", ("left_channel", "left_source_record_id")),
            Subject("record", ("right_channel", "right_source_record_id")),
        ),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
LinkFrame = pl.LazyFrame
LinkRows = pl.DataFrame

# The state keeps digests alone of fields that tell people apart, and of parts of them.
_PARTS = {
    name: f"standardised/party.{of}"
    for name, of in (
        ("first_initial", "first_name"), ("first_sound", "first_name"), ("last_sound", "last_name"),
        ("house_number", "street"), ("email_local", "email"), ("phone_tail", "phone"),
    )
}  # fmt: skip

RECORD_STATE = Table(
    "identity/record_state",
    "State of every record when it was last resolved, as digests; so a night resolves only what its changes affect.",
    ("record_digest",),
    (
        Column(
            "record_digest",
            pl.Int64(),
            "Digest of the record's channel and id",
            is_personal=True,
            sources=("standardised/party.source_record_id",),
        ),
        Column(
            "fingerprint",
            pl.Int64(),
            "Digest of all fields of the record, of its reviews, and of the rules by which it was resolved",
            is_personal=True,
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column(
            "distinct_digest",
            pl.Int64(),
            "Digest of the normalised fields; records with the same one are one distinct record",
            is_personal=True,
            sources=_SAID,
        ),
        Column(
            "component_digest",
            pl.Int64(),
            "The least record_digest of the record's component: records tied by links, or by an identifier of a record "
            "without a first name",
            is_personal=True,
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column(
            "block_refinement",
            pl.Int64(),
            "Four bits per blocking rule, the first rule lowest: the number of fields that refine the record's block; "
            "14 if the block is still too large, 15 if the record has no block",
            sources=_SAID,
        ),
        Column(
            "over_shared",
            pl.Int64(),
            "A bit per identifier, exact ones first, in declared order: its value is over-shared and joins nobody",
            sources=_SAID,
        ),
        *(
            Column(
                f"{name.rpartition('.')[2]}_digest",
                pl.Int64(),
                "Digest of this field's normalised value",
                is_personal=True,
                sources=(name,),
            )
            for name in _SAID
        ),
        *(
            Column(f"{name}_digest", pl.Int64(), "Digest of this part of a field", is_personal=True, sources=(source,))
            for name, source in _PARTS.items()
        ),
    ),
    lifecycle=Lifecycle(
        kind="state",
        subjects=(Subject("digest", ("record_digest",)),),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
RecordStateFrame = pl.LazyFrame
RecordStateRows = pl.DataFrame

MODEL = Table(
    "identity/model",
    "The match model: how often pairs of one person, of one household and of two people reach each comparison level, "
    "and on which records that was learned.",
    ("field", "level"),
    (
        Column("field", pl.String(), "The compared field; intercept for a weight that every pair has"),
        Column("level", pl.String(), "The comparison level"),
        Column(
            "m_probability",
            pl.Float64(),
            "Probability of the level among records of one person; null if the classifier has none",
            sources=_SAID,
        ),
        Column(
            "household_probability",
            pl.Float64(),
            "Probability of the level among people of one household; null if the classifier has none",
            sources=_SAID,
        ),
        Column(
            "u_probability",
            pl.Float64(),
            "Probability of the level among two people; null if the classifier has none",
            sources=_SAID,
        ),
        Column(
            "match_weight", pl.Float64(), "What the level adds to the log2 odds of a match: log2(m/u)", sources=_SAID
        ),
        Column(
            "chance_agreement",
            pl.Float64(),
            "Average probability that two people agree exactly; null if the field has no term frequencies",
            sources=_SAID,
        ),
        Column(
            "record_count",
            pl.Int64(),
            "Distinct records that have the field; null if it has no term frequencies",
            sources=_SAID,
        ),
        Column("match_share", pl.Float64(), "Share of pairs of one person among all pairs", sources=_SAID),
        Column("household_share", pl.Float64(), "Share of pairs of one household", sources=_SAID),
        Column("non_match_share", pl.Float64(), "Share of all other pairs", sources=_SAID),
        Column("origin", pl.String(), "Whether the model was learned, by what, or declared, and why"),
        Column(
            "trained_until_date",
            pl.Date(),
            "Newest drop date of the training records",
            sources=("standardised/party.drop_date",),
        ),
        Column(
            "training_record_count",
            pl.Int64(),
            "Number of training records",
            sources=("standardised/party.source_record_id",),
        ),
        Column(
            "training_digest",
            pl.Int64(),
            "Digest of the training records and of the reviews of them",
            sources=("identity/record_state.fingerprint", "identity/review.is_same"),
        ),
        Column("configuration_digest", pl.Int64(), "Digest of the rules and the code that trained the model"),
        Column("table_versions", pl.String(), "Versions of the other identity tables of the same night"),
    ),
    lifecycle=Lifecycle(
        kind="state",
        subjects=(),
        write_mode="replace",
        unit="whole",
        on_erasure=no_person("Probabilities learned from many records; no row is about one person"),
        retention="sources",
    ),
)
ModelFrame = pl.LazyFrame
ModelRows = pl.DataFrame

FREQUENCY = Table(
    "identity/frequency",
    "Number of distinct records per value, as a digest, when the model was trained; values of one record are left out.",
    ("field", "digest"),
    (
        Column("field", pl.String(), "The field"),
        Column("digest", pl.Int64(), "Digest of the value", is_personal=True, sources=_SAID),
        Column("record_count", pl.Int64(), "Distinct records that have the value", sources=_SAID),
    ),
    lifecycle=Lifecycle(
        kind="state",
        subjects=(Subject("digest", ("digest",)),),
        write_mode="replace",
        unit="whole",
        on_erasure=Erasure(
            "delete_row", "A digest can be compared with a guessed value; the next learning counts without the person"
        ),
        retention="sources",
    ),
)
FrequencyFrame = pl.LazyFrame
FrequencyRows = pl.DataFrame

REVIEW = Table(
    "identity/review",
    "Decisions of clerks on pairs of records. From the next night, the latest decision on a pair outranks every rule.",
    ("left_channel", "left_source_record_id", "right_channel", "right_source_record_id"),
    (
        *LINK.columns[:4],
        Column("is_same", pl.Boolean(), "The two records are about one person"),
        Column("decided_by", pl.String(), "Clerk who decided"),
        Column("decided_at", UTC, "When the clerk decided"),
    ),
    lifecycle=Lifecycle(
        kind="source",
        subjects=(
            Subject("record", ("left_channel", "left_source_record_id")),
            Subject("record", ("right_channel", "right_source_record_id")),
        ),
        write_mode="merge",
        unit="record",
        on_erasure=Erasure("delete_row", "A decision on a record that is erased decides nothing"),
        retention="evidence",
    ),
)
ReviewFrame = pl.LazyFrame
ReviewRows = pl.DataFrame

CLUSTER = Table(
    "identity/cluster",
    "The customer of every record, over all records. Only decisions and rights of data subjects use it.",
    RECORD_KEY,
    (
        Column("channel", pl.String(), "Channel of the record", sources=("standardised/party.channel",)),
        Column(
            "source_record_id",
            pl.String(),
            "Id of the record",
            is_personal=True,
            sources=("standardised/party.source_record_id",),
        ),
        Column(
            "customer_id",
            pl.String(),
            "Id of the customer, derived from its earliest record",
            is_personal=True,
            sources=(
                "standardised/party.source_record_id",
                "identity/link.left_source_record_id",
                "identity/link.right_source_record_id",
                "identity/link.rule",
                "identity/link.match_weight",
            ),
        ),
        Column(
            "is_exact",
            pl.Boolean(),
            "The record belongs to the customer by an exact match on an identifier, or is its only record",
            sources=("identity/link.is_exact",),
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
    found_by=("customer_id",),
)
ClusterFrame = pl.LazyFrame
ClusterRows = pl.DataFrame

IDENTIFIER = Table(
    "identity/identifier",
    "Customers of each identifier, for look-ups that do not read every record.",
    ("value", "kind", "customer_id"),
    (
        Column(
            "value",
            pl.String(),
            "The identifier in standard form",
            is_personal=True,
            sources=tuple(f"standardised/party.{kind}" for kind in IDENTIFIER_KINDS),
        ),
        Column("kind", pl.String(), ", ".join(IDENTIFIER_KINDS), sources=("standardised/party.channel",)),
        *carry_columns(CLUSTER, "customer_id"),
        Column(
            "is_certain",
            pl.Boolean(),
            "A record with it belongs to the customer by an exact match, or is its only record",
            sources=("identity/cluster.is_exact",),
        ),
        Column("is_exclusive", pl.Boolean(), "No other customer has it", sources=("identity/cluster.customer_id",)),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT, Subject("identifier", ("kind", "value"))),
        write_mode="replace",
        unit="customer",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
IdentifierFrame = pl.LazyFrame
IdentifierRows = pl.DataFrame

CROSSWALK = Table(
    "identity/crosswalk",
    "The customer of each record, and whether the record may join the customer's profile.",
    RECORD_KEY,
    (
        *carry_columns(CLUSTER, "channel", "source_record_id", "customer_id", "is_exact"),
        Column(
            "is_profiled",
            pl.Boolean(),
            "The record may join the customer's profile",
            sources=("consent/decision.is_allowed",),
        ),
        Column(
            "gate",
            pl.String(),
            "joined, or why it may not join: unification:<reason of that decision, or not_collected_for>, no_purpose",
            sources=("consent/decision.reason",),
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
    found_by=("customer_id",),
)
CrosswalkFrame = pl.LazyFrame
CrosswalkRows = pl.DataFrame

HISTORY = Table(
    "identity/history",
    "Every creation, merge and split of a customer, with its cause; append-only.",
    ("customer_id", "event", "occurred_at", "other_customer_id"),
    (
        *carry_columns(CLUSTER, "customer_id"),
        Column("event", pl.String(), ", ".join(CUSTOMER_EVENTS), sources=("identity/cluster.customer_id",)),
        Column(
            "other_customer_id",
            pl.String(),
            "The customer it was merged into, or that was split from it; null if created",
            is_personal=True,
            sources=("identity/cluster.customer_id",),
        ),
        Column(
            "cause",
            pl.String(),
            "The rule of the link, or why its records were separated",
            sources=("identity/link.rule",),
        ),
        Column("occurred_at", UTC, "Logical time of the night"),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(CUSTOMER_SUBJECT, Subject("customer", ("other_customer_id",))),
        write_mode="append",
        unit="customer",
        on_erasure=Erasure(
            "replace_by_digest",
            "It stays visible that a merge or split happened and why (Art. 5(2)); no row leads to the person",
            ("customer_id", "other_customer_id"),
        ),
        retention="evidence",
    ),
)
HistoryFrame = pl.LazyFrame
HistoryRows = pl.DataFrame

GROUP = Table(
    "identity/group",
    "Customers who count as one person only for purposes that link within their own data.",
    ("purpose", "customer_id"),
    (
        Column(
            "purpose",
            pl.String(),
            "Purpose for which they are linked (`unification` in the register)",
            sources=("identity/link.left_channel", "identity/link.right_channel"),
        ),
        *carry_columns(CLUSTER, "customer_id"),
        Column(
            "group_id",
            pl.String(),
            "Id of the oldest of these customers, which stands for all of them",
            is_personal=True,
            sources=("identity/cluster.customer_id", "identity/link.rule"),
        ),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(CUSTOMER_SUBJECT, Subject("customer", ("group_id",))),
        write_mode="replace",
        unit="whole",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
GroupFrame = pl.LazyFrame
GroupRows = pl.DataFrame
