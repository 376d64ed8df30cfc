"""Every table of the lake as data: its key, its columns, what each means, which are personal, where each comes from.

Here belongs what a table *is*; where it lies is `warehouse`, when it is built is `assets`, whether it is fit is
`expectations`. One declaration serves the frame check before a write, Dagster's column schema and lineage, the
comments in DuckDB, and the rights of data subjects (which columns are personal, which names the subject).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

UTC = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Polars type, its meaning, whether it can identify or describe a person, and its sources.

    `sources` are full names, `layer/table.column`; raw fields of all channels are filled in from the contracts.
    """

    name: str
    dtype: pl.DataType
    description: str
    is_personal: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `name` is `layer/table`, `key` the columns that no two rows share, `subject` who a row is about.

    `found_by`: columns by which one person's rows are looked up; rows lie in the files in their order, and then in
    that of the key, so that whoever asks for one person reads little else.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    subject: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name to Polars type, in order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def personal(self) -> frozenset[str]:
        """Names of the columns that can identify or describe a person."""
        return frozenset(column.name for column in self.columns if column.is_personal)

    @property
    def order(self) -> list[str]:
        """Columns in whose order the rows lie in the files: `found_by`, then the rest of the key."""
        return [*self.found_by, *(name for name in self.key if name not in self.found_by)]

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Pick this table's columns in its order and types; a missing column is a Polars error that names it."""
        return frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items())


def index_by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Tables by full name."""
    return {table.name: table for table in tables}


RECORD_KEY = ("channel", "source_record_id")
# Columns of a record of party by which wills, requests and whoever asks reach a person.
IDENTIFIERS = ("email", "phone", "device_id", "advertising_id", "loyalty_card", "account_id")


def _record(*more: Column) -> tuple[Column, ...]:
    return (
        Column("channel", pl.String(), "Channel that delivered the record"),
        Column("source_record_id", pl.String(), "The record's own id in its channel", is_personal=True),
        *more,
    )


INGESTION_COLUMNS = (
    Column("drop_date", pl.Date(), "Drop folder (night) in which the record came"),
    Column("ingested_at", UTC, "Logical time of the night that took it in: the end of its drop date"),
)

PARTY = Table(
    "standardised/party",
    "One row per source record that says something about a person; of a record sent again, its latest state.",
    RECORD_KEY,
    _record(
        *INGESTION_COLUMNS,
        Column("observed_at", UTC, "When the record says this of the person (its event time)"),
        Column("honorific", pl.String(), "Mr, Mrs, Ms, Dr as spoken", is_personal=True),
        Column("first_name", pl.String(), "Given name, cased", is_personal=True),
        Column("middle_name", pl.String(), "Middle name or initial, cased", is_personal=True),
        Column("last_name", pl.String(), "Family name, cased", is_personal=True),
        Column("birth_date", pl.Date(), "Date of birth", is_personal=True),
        Column("email", pl.String(), "E-mail, lower-cased and valid in form", is_personal=True),
        Column("phone", pl.String(), "Phone in E.164", is_personal=True),
        Column("street", pl.String(), "Street and number, lower-cased, one space between words", is_personal=True),
        Column("city", pl.String(), "City, cased", is_personal=True),
        Column("region_code", pl.String(), "State or province code", is_personal=True),
        Column("postal_code", pl.String(), "Postal code", is_personal=True),
        Column("country_code", pl.String(), "ISO 3166-1 alpha-2", is_personal=True),
        Column("loyalty_card", pl.String(), "Loyalty card number", is_personal=True),
        Column("device_id", pl.String(), "Device or browser id", is_personal=True),
        Column("advertising_id", pl.String(), "Advertising id of a device", is_personal=True),
        Column("serial", pl.String(), "Serial number of a connected product", is_personal=True),
        Column("handle", pl.String(), "network:handle on a social network", is_personal=True),
        Column("account_id", pl.String(), "Account id in the web shop", is_personal=True),
        Column("defects", TEXTS, "Fields that were there but could not be read, as field:why"),
    ),
    subject=RECORD_KEY,
)

INTERACTION = Table(
    "standardised/interaction",
    "One row per thing that happened: orders, refunds, receipts, events, calls, posts, surveys, readings, visits, "
    "warranties.",
    RECORD_KEY,
    _record(
        *INGESTION_COLUMNS,
        Column(
            "interaction_type",
            pl.String(),
            "order, refund, receipt, event, call, post, survey, reading, visit, warranty",
        ),
        Column("name", pl.String(), "What it was, within its type (event name, topic, metric, network, kind)"),
        Column("occurred_at", UTC, "When it happened"),
        Column("amount_minor", pl.Int64(), "Amount in the currency's minor unit; what went back is negative"),
        Column("currency_code", pl.String(), "ISO 4217"),
        Column("quantity", pl.Int64(), "Units, items"),
        Column("score", pl.Float64(), "Answer or reading: net promoter score 0 to 10, or the metric's own unit"),
        Column("duration_s", pl.Float64(), "Duration in seconds"),
        Column("location_code", pl.String(), "Store"),
        Column("detail", pl.String(), "Free text as it came: notes, comments, posts", is_personal=True),
    ),
    subject=RECORD_KEY,
)

CONSENT_EVENT = Table(
    "standardised/consent_event",
    "One row per expression of will about one purpose, from every channel that carries one.",
    ("event_id", "purpose", "status"),
    (
        Column("event_id", pl.String(), "channel:source_record_id of the record that carries it"),
        *_record(*INGESTION_COLUMNS),
        Column("subject_kind", pl.String(), "email, phone, device_id, loyalty_card or account_id"),
        Column("subject_value", pl.String(), "The identifier on which the will was expressed", is_personal=True),
        Column(
            "purpose", pl.String(), "Purpose it is about; * for a will that is about the person or contact point itself"
        ),
        Column(
            "status",
            pl.String(),
            "granted, denied, withdrawn, objected, objection_withdrawn; on *: restricted, "
            "restriction_lifted, erased, unsubscribed, complained, bounced, verified",
        ),
        Column("event_at", UTC, "When the person expressed it"),
        Column("recorded_at", UTC, "When the source recorded it"),
        Column("expires_at", UTC, "When a grant ends by itself"),
        Column("notice_version", pl.String(), "Version of the notice shown"),
        Column("jurisdiction", pl.String(), "Law under which it was given"),
        Column("method", pl.String(), "How it was given: web form, double opt-in, agent, link"),
    ),
    subject=("subject_kind", "subject_value"),
)

PREFERENCE = Table(
    "standardised/preference",
    "How a person wants to be reached; one row per record, its latest state.",
    RECORD_KEY,
    _record(
        *INGESTION_COLUMNS,
        Column("email", pl.String(), "E-mail by which the person is named", is_personal=True),
        Column("preferred_channel", pl.String(), "email, sms, push, post or social"),
        Column("language_code", pl.String(), "ISO 639-1"),
        Column("quiet_from", pl.Int64(), "Hour (0 to 23) from which not to disturb"),
        Column("quiet_until", pl.Int64(), "Hour (0 to 23) until which not to disturb"),
        Column("max_per_week", pl.Int64(), "Messages a week at most"),
        Column("updated_at", UTC, "When it was set"),
    ),
    subject=RECORD_KEY,
)

PRIVACY_REQUEST = Table(
    "standardised/privacy_request",
    "Requests of data subjects.",
    RECORD_KEY,
    _record(
        *INGESTION_COLUMNS,
        Column("kind", pl.String(), "access, erasure, portability, rectification, objection or restriction"),
        Column("subject_kind", pl.String(), "Kind of identifier by which the person is named"),
        Column("subject_value", pl.String(), "The identifier", is_personal=True),
        Column("received_at", UTC, "When the request came"),
        Column("detail", pl.String(), "What the person wrote", is_personal=True),
    ),
    subject=("subject_kind", "subject_value"),
)

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


def _from(source: Table, *names: str) -> tuple[Column, ...]:
    """Columns carried over unchanged from another table."""
    carried = {column.name: column for column in source.columns}
    return tuple(
        Column(
            name, carried[name].dtype, carried[name].description, carried[name].is_personal, (f"{source.name}.{name}",)
        )
        for name in names
    )


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
            sources=tuple(f"standardised/party.{kind}" for kind in IDENTIFIERS),
        ),
        Column("kind", pl.String(), ", ".join(IDENTIFIERS), sources=("standardised/party.channel",)),
        *_from(CLUSTER, "customer_id"),
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

CROSSWALK = Table(
    "identity/crosswalk",
    "Which customer each record is about, and whether it may join the customer's profile.",
    RECORD_KEY,
    (
        *_from(CLUSTER, "channel", "source_record_id", "customer_id", "is_exact"),
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

HISTORY = Table(
    "identity/history",
    "Every customer that began, was merged into another or was split, and why; append-only.",
    ("customer_id", "event", "occurred_at", "other_customer_id"),
    (
        *_from(CLUSTER, "customer_id"),
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
        *_from(CLUSTER, "customer_id"),
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

LEDGER = Table(
    "consent/ledger",
    "Every expression of will that was ever received, and the digest of every answer that was given, in the order in "
    "which they were taken in; append-only.",
    ("event_id", "purpose", "status"),
    (
        Column("position", pl.Int64(), "Place in the ledger, from 1", sources=("standardised/consent_event.event_id",)),
        *_from(
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
    subject=("subject_kind", "subject_value"),
    found_by=("subject_value",),
)

SEAL = Table(
    "consent/seal",
    "The seals of the ledger: per night's batch of events a Merkle root, chained to the batch before and signed; "
    "append-only.",
    ("batch",),
    (
        Column("batch", pl.Int64(), "Number of the batch, from 1"),
        *_from(LEDGER, "drop_date"),
        Column("first_position", pl.Int64(), "First place in the ledger", sources=("consent/ledger.position",)),
        Column("last_position", pl.Int64(), "Last place in the ledger", sources=("consent/ledger.position",)),
        Column("event_count", pl.Int64(), "Events of the batch", sources=("consent/ledger.position",)),
        Column("root", pl.String(), "Merkle root (RFC 9162, SHA-256) over its events, hex"),
        Column("previous", pl.String(), "Head of the batch before, hex; zeros before the first"),
        Column("head", pl.String(), "SHA-256 over batch, root, positions and previous head, hex"),
        Column("signature", pl.String(), "Ed25519 signature of the 32 bytes of head, hex"),
        Column("public_key", pl.String(), "Ed25519 public key that checks the signature, hex"),
        Column("leaves", pl.Binary(), "Leaf hashes in order, 32 bytes each: they tell which event was changed"),
    ),
)

# Wills, contracts that are live or settled, obligations and interests, contact points, and age.
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
    "For every customer and purpose (and contact point, where it is about one): may they be processed, why, and from "
    "when to when that was decided. A row is closed when another takes its place, never overwritten.",
    ("customer_id", "purpose", "contact_point", "valid_from"),
    (
        *_from(CLUSTER, "customer_id"),
        Column("purpose", pl.String(), "Purpose decided on"),
        Column(
            "contact_point",
            pl.String(),
            "The e-mail, phone or device, a keyed digest (gone:…) once nobody has it; empty for a person-wide purpose",
            is_personal=True,
            sources=("standardised/party.email", "standardised/party.phone", "standardised/party.device_id"),
        ),
        Column("is_allowed", pl.Boolean(), "Allowed", sources=_DECIDED_BY),
        Column("reason", pl.String(), "allowed, or the first check that denied", sources=_DECIDED_BY),
        Column("lawful_basis", pl.String(), "Lawful basis of the purpose, Art. 6(1)"),
        Column(
            "since_at",
            UTC,
            "When the deciding event or record happened",
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
            "Newest position of the ledger that was read",
            sources=("consent/ledger.position",),
        ),
        Column("valid_from", UTC, "Logical time of the night that decided so first", sources=("audit/run.as_of",)),
        Column("valid_to", UTC, "Logical time of the night that ended it; null while it stands"),
    ),
    subject=("customer_id",),
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
        *_from(CROSSWALK, "customer_id"),
        *_from(PARTY, *GOLDEN_ATTRIBUTES),
        *_from(PREFERENCE, *PREFERENCE_COLUMNS),
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
        *_from(CROSSWALK, "channel", "source_record_id"),
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

_OF_GOLDEN = (*_STANDARD_OF_GOLDEN, "golden/rectification.value")

PROVENANCE = Table(
    "golden/provenance",
    "Every candidate value of every golden attribute: which record it came from, what it may be used for, its rank.",
    ("customer_id", "attribute", "rank"),
    (
        *_from(CROSSWALK, "customer_id"),
        Column("attribute", pl.String(), "Column of golden/customer"),
        Column("value", pl.String(), "The value, as text", is_personal=True, sources=_OF_GOLDEN),
        *_from(PARTY, "channel", "source_record_id", "observed_at"),
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

CONTACT_POINT = Table(
    "golden/contact_point",
    "Every e-mail and phone of every customer with a profile: what is known of it, and what it may be used for.",
    ("customer_id", "kind", "value"),
    (
        *_from(CROSSWALK, "customer_id"),
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
        *_from(CROSSWALK, "customer_id"),
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

FILE = Table(
    "audit/file",
    "Every file that was ever taken in, with what became of its rows: received = raw + quarantined.",
    ("channel", "drop_date", "file", "file_sha256"),
    (
        Column("channel", pl.String(), "Channel; empty where no channel claims the file"),
        Column("drop_date", pl.Date(), "Drop folder"),
        Column("file", pl.String(), "File name"),
        Column("file_sha256", pl.String(), "Digest of its bytes"),
        Column("byte_count", pl.Int64(), "Size"),
        Column("received_count", pl.Int64(), "Rows found"),
        Column("raw_count", pl.Int64(), "Rows taken into raw"),
        Column("quarantined_count", pl.Int64(), "Rows refused"),
        Column("duplicate_count", pl.Int64(), "Rows in raw that repeat an earlier row of the same id and content"),
        Column("outcome", pl.String(), "loaded, loaded_with_warnings, refused, empty or no_channel"),
        Column("detail", pl.String(), "What was wrong, without values"),
        Column("ingested_at", UTC, "Logical time of the night that took it in"),
    ),
)

RUN = Table(
    "audit/run",
    "Every night to which the lake was brought.",
    ("night",),
    (
        Column("night", pl.Date(), "A drop date, or a night without deliveries", sources=("audit/file.drop_date",)),
        Column("as_of", UTC, "Logical time of the night's decisions: its end"),
        Column("file_count", pl.Int64(), "Files of this night", sources=("audit/file.file",)),
        Column("received_count", pl.Int64(), "Rows received in this night", sources=("audit/file.received_count",)),
    ),
)

VERSION = Table(
    "audit/version",
    "Which version of each table a night left, and the code that wrote it: what proves later what was there.",
    ("night", "table_name"),
    (
        *_from(RUN, "night", "as_of"),
        Column("table_name", pl.String(), "Full name of the table"),
        Column("delta_version", pl.Int64(), "Its Delta version at the end of the night"),
        Column("row_count", pl.Int64(), "Its rows in that version"),
        Column(
            "code_version",
            pl.String(),
            "Code that wrote that version: package version, + and the digest of the sources and declarations",
        ),
    ),
)

MEMBERSHIP = Table(
    "audit/membership",
    "Who was in which mart from when to when, and what let them in and out. A stay is closed, never overwritten.",
    ("purpose", "customer_id", "valid_from"),
    (
        *_from(DECISION, "purpose", "customer_id", "lawful_basis", "purpose_version"),
        Column(
            "evidence",
            TEXTS,
            "Ids of the events or records that let them in",
            sources=("consent/decision.evidence",),
        ),
        Column(
            "valid_from", UTC, "Logical time of the night that took them in", sources=("consent/decision.valid_from",)
        ),
        Column("valid_to", UTC, "Logical time of the night that left them out; null while they are in"),
        Column(
            "exit_reason",
            pl.String(),
            "Reason of the decision that let them out, or no_usable_value; null while they are in",
            sources=("consent/decision.reason",),
        ),
    ),
    subject=("customer_id",),
)

CORRECTION = Table(
    "audit/correction",
    "What the split of a customer changed in the marts, for everybody who had received them. Append-only.",
    ("occurred_at", "purpose", "customer_id", "recipient"),
    (
        Column(
            "occurred_at", UTC, "Logical time of the night that published it", sources=("identity/history.occurred_at",)
        ),
        Column("purpose", pl.String(), "Whose mart", sources=("consent/decision.purpose",)),
        *_from(CLUSTER, "customer_id"),
        Column("recipient", pl.String(), "Who receives the mart, or own_systems where nobody outside does"),
        Column("change", pl.String(), "came, left or changed"),
        Column("columns", TEXTS, "Columns that are not what they were; no values"),
        Column("cause", pl.String(), "What had held the customer together", sources=("identity/history.cause",)),
    ),
    subject=("customer_id",),
)

RETENTION = Table(
    "audit/retention",
    "What left raw and quarantine because nothing may use it any more: by file, field and rule, how many. Append-only.",
    ("table", "file_sha256", "field", "rule", "retention", "hold", "ended_date"),
    (
        Column("table", pl.String(), "raw/<channel>, quarantine/<channel> or golden/rectification"),
        Column(
            "file_sha256", pl.String(), "Digest of the file that had brought it", sources=("audit/file.file_sha256",)
        ),
        Column("field", pl.String(), "Column whose values left; empty where whole rows did"),
        Column(
            "rule",
            pl.String(),
            "What ended last: a purpose, channel (its own retention), quarantine, or no_purpose where none may use it",
        ),
        Column("retention", pl.String(), "How long it might be used, from the event (ISO 8601)"),
        Column("hold", pl.String(), "How long it stayed after that, unused (ISO 8601)"),
        Column("ended_date", pl.Date(), "Day on which it ended; it left when the hold had passed"),
        Column("n", pl.Int64(), "Rows, or values of the field"),
        Column("removed_at", UTC, "Logical time of the night that took it out", sources=("audit/run.as_of",)),
    ),
)

RAW_PROVENANCE = (
    Column("source_record_id", pl.String(), "The record's own id in its channel", is_personal=True),
    Column(
        "record", pl.String(), "The record as it came, verbatim; null once a value of it had to leave", is_personal=True
    ),
    Column("file", pl.String(), "File name"),
    Column("row_number", pl.Int64(), "Record within the file, from 1"),
    Column("line_number", pl.Int64(), "Line on which the record begins, from 1; null where the format has no lines"),
    Column("file_sha256", pl.String(), "Digest of the file"),
    Column("drop_date", pl.Date(), "Drop folder (night) in which the file came"),
    Column("ingested_at", UTC, "Logical time of the night that took it in: the end of its drop date"),
)


def raw_table(channel: str, title: str, fields: Iterable[Column]) -> Table:
    """`raw/<channel>`: the declared fields as text, exactly as received, and where each record stood."""
    return Table(
        f"raw/{channel}",
        f"{title}, as received. Append-only, but for what may be used no more: see audit/retention.",
        ("file_sha256", "row_number"),
        (
            *RAW_PROVENANCE,
            Column("is_duplicate", pl.Boolean(), "Repeats an earlier record of the same id and content"),
            *fields,
        ),
        subject=("source_record_id",),
        found_by=("source_record_id",),
    )


def quarantine_table(channel: str, title: str) -> Table:
    """`quarantine/<channel>`: every refused record, whole, with the rule that refused it."""
    return Table(
        f"quarantine/{channel}",
        f"{title}: refused records, each whole, with the rule that refused it. Append-only, "
        "but for what may be kept no more: see audit/retention.",
        ("file_sha256", "row_number"),
        (
            *RAW_PROVENANCE,
            Column("rule", pl.String(), "Rule that refused it"),
            Column("field", pl.String(), "Field concerned; null where the whole record is"),
            Column("reason", pl.String(), "What is wrong and what is allowed, without the value"),
        ),
        subject=("source_record_id",),
    )


STATIC = index_by_name(
    (
        PARTY,
        INTERACTION,
        CONSENT_EVENT,
        PREFERENCE,
        PRIVACY_REQUEST,
        LINK,
        CLUSTER,
        RECORD_STATE,
        MODEL,
        FREQUENCY,
        IDENTIFIER,
        REVIEW,
        CROSSWALK,
        HISTORY,
        GROUP,
        LEDGER,
        SEAL,
        DECISION,
        CUSTOMER,
        PROVENANCE,
        RECTIFICATION,
        CONTACT_POINT,
        HOUSEHOLD,
        CONFLICT,
        FILE,
        RUN,
        VERSION,
        MEMBERSHIP,
        CORRECTION,
        RETENTION,
    )
)
