"""Layer `identity`: which records are one customer, how that was found, and what the next night reuses.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.identity`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.table import TEXTS, UTC, Column, Table, carry_columns
from cdp_pipelines.schema.vocabulary import IDENTIFIER_KINDS, RECORD_KEY

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
    "Pairs of records held to be one person, each with its match weight and evidence.",
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
            "What brought the two together: an identifier, comparison, review (a clerk) or same (they say the same)",
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column("is_exact", pl.Boolean(), "An exact match on an identifier, not a probable link", sources=_SAID),
        Column(
            "match_weight",
            pl.Float64(),
            "Sum of log2(m/u) over the comparisons; null where an identifier alone joined them",
            sources=_SAID,
        ),
        Column("evidence", TEXTS, "Comparison levels reached, as field:level; never a value", sources=_SAID),
    ),
)
LinkFrame = pl.LazyFrame
LinkRows = pl.DataFrame

# Of what a record says to tell one person from another, and of parts of it, a night remembers digests alone.
_PARTS = {
    name: f"standardised/party.{of}"
    for name, of in (
        ("first_initial", "first_name"), ("first_sound", "first_name"), ("last_sound", "last_name"),
        ("house_number", "street"), ("email_local", "email"), ("phone_tail", "phone"),
    )
}  # fmt: skip

RECORD_STATE = Table(
    "identity/record_state",
    "What every record said when it was last resolved, as digests, so that a night looks again at what it touches.",
    ("record",),
    (
        Column(
            "record",
            pl.Int64(),
            "Digest of the record's channel and id",
            is_personal=True,
            sources=("standardised/party.source_record_id",),
        ),
        Column(
            "fingerprint",
            pl.Int64(),
            "Digest of all that the record says, of decisions on it, and of the rules by which it was resolved",
            is_personal=True,
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column(
            "node",
            pl.Int64(),
            "Digest of what it says, by which records that say the same are one",
            is_personal=True,
            sources=_SAID,
        ),
        Column(
            "neighbourhood",
            pl.Int64(),
            "The least `record` of those that it hangs together with: over links, or over an identifier said alone",
            is_personal=True,
            sources=(*_SAID, "identity/review.is_same"),
        ),
        Column(
            "cut",
            pl.Int64(),
            "Four bits per blocking rule, from the lowest on: by how many fields its block was cut down; 14 too large "
            "for all, 15 none",
            sources=_SAID,
        ),
        Column(
            "crowded",
            pl.Int64(),
            "A bit per identifier, exact ones first, as declared: so many share its value that it joins nobody",
            sources=_SAID,
        ),
        *(
            Column(
                f"{name.rpartition('.')[2]}_digest",
                pl.Int64(),
                "Digest of what it says here",
                is_personal=True,
                sources=(name,),
            )
            for name in _SAID
        ),
        *(
            Column(f"{name}_digest", pl.Int64(), "Digest of this part of it", is_personal=True, sources=(source,))
            for name, source in _PARTS.items()
        ),
    ),
)
RecordStateFrame = pl.LazyFrame
RecordStateRows = pl.DataFrame

MODEL = Table(
    "identity/model",
    "How often records of one person, of one household and of two people compare so; and from what that was learned.",
    ("field", "level"),
    (
        Column("field", pl.String(), "The field compared"),
        Column("level", pl.String(), "How it compares"),
        Column("m", pl.Float64(), "Probability of the level among records of one person", sources=_SAID),
        Column("h", pl.Float64(), "The same among people of one household", sources=_SAID),
        Column("u", pl.Float64(), "The same among two people", sources=_SAID),
        Column(
            "common", pl.Float64(), "Probability that two people agree by chance; where values weigh", sources=_SAID
        ),
        Column("told", pl.Int64(), "Records, each said once, that say the field; where values weigh", sources=_SAID),
        Column("one_person", pl.Float64(), "Share of one person's among all pairs", sources=_SAID),
        Column("one_household", pl.Float64(), "Share of one household's", sources=_SAID),
        Column("two_people", pl.Float64(), "Share of the rest", sources=_SAID),
        Column("origin", pl.String(), "Whether it was learned or declared, and why"),
        Column(
            "trained_until_date",
            pl.Date(),
            "Newest drop date of the records that it was learned from",
            sources=("standardised/party.drop_date",),
        ),
        Column("training_record_count", pl.Int64(), "Their number", sources=("standardised/party.source_record_id",)),
        Column(
            "learned",
            pl.Int64(),
            "Digest of what these say, and of decisions on them",
            sources=("identity/record_state.fingerprint", "identity/review.is_same"),
        ),
        Column("made_by", pl.Int64(), "Digest of rules and code by which it was learned"),
        Column("versions", pl.String(), "Versions of the other tables of identity that belong to it"),
    ),
)
ModelFrame = pl.LazyFrame
ModelRows = pl.DataFrame

FREQUENCY = Table(
    "identity/frequency",
    "How many said a value, as a digest, when the model was learned; those that one said alone are left out.",
    ("field", "digest"),
    (
        Column("field", pl.String(), "The field"),
        Column("digest", pl.Int64(), "Digest of the value", is_personal=True, sources=_SAID),
        Column("n", pl.Int64(), "Records that said it, each once", sources=_SAID),
    ),
)
FrequencyFrame = pl.LazyFrame
FrequencyRows = pl.DataFrame

REVIEW = Table(
    "identity/review",
    "What clerks decided on pairs of records; it outranks all else from the next night on. The latest holds.",
    ("left_channel", "left_source_record_id", "right_channel", "right_source_record_id"),
    (
        *LINK.columns[:4],
        Column("is_same", pl.Boolean(), "The two records are about one person"),
        Column("decided_by", pl.String(), "Who decided"),
        Column("decided_at", UTC, "When"),
    ),
)
ReviewFrame = pl.LazyFrame
ReviewRows = pl.DataFrame

CLUSTER = Table(
    "identity/cluster",
    "Which records are one person, over all records: what decisions and rights are about. Nothing else reads it.",
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
            "The customer: named after its earliest record",
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
            "The record joins by an exact match on an identifier, or alone",
            sources=("identity/link.is_exact",),
        ),
    ),
    subject=("customer_id",),
    found_by=("customer_id",),
)
ClusterFrame = pl.LazyFrame
ClusterRows = pl.DataFrame

IDENTIFIER = Table(
    "identity/identifier",
    "To which customers an identifier leads: what whoever asks is found by, without reading every record.",
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
            "A record that carries it joins the customer by an exact match, or alone",
            sources=("identity/cluster.is_exact",),
        ),
        Column("is_exclusive", pl.Boolean(), "No other customer has it", sources=("identity/cluster.customer_id",)),
    ),
    subject=("customer_id",),
)
IdentifierFrame = pl.LazyFrame
IdentifierRows = pl.DataFrame

CROSSWALK = Table(
    "identity/crosswalk",
    "Which customer each record is about, and whether it may join the customer's profile.",
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
            "joined, or what keeps it out: unification:<reason of that decision, or not_collected_for>, no_purpose",
            sources=("consent/decision.reason",),
        ),
    ),
    subject=("customer_id",),
    found_by=("customer_id",),
)
CrosswalkFrame = pl.LazyFrame
CrosswalkRows = pl.DataFrame

HISTORY = Table(
    "identity/history",
    "Every customer that began, was merged into another or was split, and why; append-only.",
    ("customer_id", "event", "occurred_at", "other_customer_id"),
    (
        *carry_columns(CLUSTER, "customer_id"),
        Column("event", pl.String(), "born, merged or split", sources=("identity/cluster.customer_id",)),
        Column(
            "other_customer_id",
            pl.String(),
            "The customer it was merged into, or that was split from it; null of a birth",
            is_personal=True,
            sources=("identity/cluster.customer_id",),
        ),
        Column("cause", pl.String(), "The rule of the link, or what held no longer", sources=("identity/link.rule",)),
        Column("occurred_at", UTC, "Logical time of the night"),
    ),
    subject=("customer_id",),
)
HistoryFrame = pl.LazyFrame
HistoryRows = pl.DataFrame

GROUP = Table(
    "identity/group",
    "Customers who are one person for purposes that asked for links of their own data, and for no others.",
    ("purpose", "customer_id"),
    (
        Column(
            "purpose",
            pl.String(),
            "For which purpose's data they are linked (`unification` of the register)",
            sources=("identity/link.left_channel", "identity/link.right_channel"),
        ),
        *carry_columns(CLUSTER, "customer_id"),
        Column(
            "group_id",
            pl.String(),
            "The oldest of these customers, who stands for all",
            is_personal=True,
            sources=("identity/cluster.customer_id", "identity/link.rule"),
        ),
    ),
    subject=("customer_id",),
)
GroupFrame = pl.LazyFrame
GroupRows = pl.DataFrame
