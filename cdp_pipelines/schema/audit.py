"""Layer `audit`: files, nights and table versions; who was in which mart when; corrections and deletions.

Here belong tables and columns alone; each is written by the asset of its name.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.consent import DECISION
from cdp_pipelines.schema.identity import CLUSTER
from cdp_pipelines.schema.table import (
    CUSTOMER_SUBJECT,
    TEXTS,
    UTC,
    Column,
    Erasure,
    Lifecycle,
    Table,
    carry_columns,
    no_person,
)
from cdp_pipelines.schema.vocabulary import FILE_OUTCOMES

FILE = Table(
    "audit/file",
    "Every file that was ever received, and the counts of its rows: received = raw + quarantined.",
    ("channel", "drop_date", "file", "file_sha256"),
    (
        Column("channel", pl.String(), "Channel; empty where the file matches no channel"),
        Column("drop_date", pl.Date(), "Drop folder"),
        Column("file", pl.String(), "File name"),
        Column("file_sha256", pl.String(), "SHA-256 of its bytes"),
        Column("byte_count", pl.Int64(), "Size in bytes"),
        Column(
            "received_count",
            pl.Int64(),
            "Rows in the file: records, or their elements by one_row_per",
        ),
        Column("raw_count", pl.Int64(), "Number of rows loaded into raw"),
        Column("quarantined_count", pl.Int64(), "Number of rows put into quarantine"),
        Column(
            "duplicate_count",
            pl.Int64(),
            "Number of rows in raw that repeat an earlier row with the same id and content",
        ),
        Column("outcome", pl.String(), ", ".join(FILE_OUTCOMES)),
        Column("detail", pl.String(), "What was wrong; never a value"),
        Column("ingested_at", UTC, "Logical time of the night that loaded it"),
        Column(
            "replaced_sha256",
            pl.String(),
            "SHA-256 of the earlier content of the file, with which it begins and whose rows it "
            "replaced; null where it did not grow",
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(),
        write_mode="append",
        unit="whole",
        on_erasure=no_person("Names, digests and counts of files"),
        retention="evidence",
    ),
)
FileFrame = pl.LazyFrame
FileRows = pl.DataFrame

RUN = Table(
    "audit/run",
    "Every night that the lake has been run for, and every instant within a night as of which a run decided.",
    ("as_of",),
    (
        Column(
            "night",
            pl.Date(),
            "Logical date: a drop date, or a night without deliveries",
            sources=("audit/file.drop_date",),
        ),
        Column("as_of", UTC, "Logical time of the decisions: the end of the night, or an instant within it"),
        Column("file_count", pl.Int64(), "Number of files of this night until then", sources=("audit/file.file",)),
        Column(
            "received_count",
            pl.Int64(),
            "Number of rows received in this night until then",
            sources=("audit/file.received_count",),
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(),
        write_mode="replace",
        unit="whole",
        on_erasure=no_person("Nights and counts"),
        retention="evidence",
    ),
)
RunFrame = pl.LazyFrame
RunRows = pl.DataFrame

VERSION = Table(
    "audit/version",
    "The version of each table after every night and the code that wrote it, as proof of what the lake held.",
    ("night", "table_name"),
    (
        *carry_columns(RUN, "night", "as_of"),
        Column("table_name", pl.String(), "Full name of the table"),
        Column("delta_version", pl.Int64(), "Its Delta version at the end of the night"),
        Column("row_count", pl.Int64(), "Number of its rows in that version"),
        Column(
            "code_version",
            pl.String(),
            "Code that wrote that version: package version, + and the digest of source files and declarations",
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(),
        write_mode="merge",
        unit="whole",
        on_erasure=no_person("Versions and counts of tables"),
        retention="evidence",
    ),
)
VersionFrame = pl.LazyFrame
VersionRows = pl.DataFrame

MEMBERSHIP = Table(
    "audit/membership",
    "Who was in which mart in which period, and why they entered and left. A membership is closed, never overwritten.",
    ("purpose", "customer_id", "valid_from"),
    (
        *carry_columns(DECISION, "purpose", "customer_id", "lawful_basis", "purpose_version"),
        Column(
            "evidence",
            TEXTS,
            "Ids of the events or records that allowed the membership",
            is_personal=True,
            sources=("consent/decision.evidence",),
        ),
        Column(
            "valid_from",
            UTC,
            "Logical time of the night that added the customer",
            sources=("consent/decision.valid_from",),
        ),
        Column(
            "valid_to", UTC, "Logical time of the night that removed the customer; null while the membership is current"
        ),
        Column(
            "exit_reason",
            pl.String(),
            "Reason of the decision that ended it, or no_usable_value where the mart has no value for an allowed "
            "customer, or their contact point is in the row of another; null while the membership is current",
            sources=("consent/decision.reason",),
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(CUSTOMER_SUBJECT,),
        write_mode="versioned",
        unit="purpose",
        on_erasure=Erasure(
            "replace_by_digest",
            "The proof stays why a mart had each row (Art. 5(2)); no row leads to the person",
            ("customer_id", "evidence"),
        ),
        retention="evidence",
    ),
)
MembershipFrame = pl.LazyFrame
MembershipRows = pl.DataFrame

CORRECTION = Table(
    "audit/correction",
    "Changes in the marts that follow from the split of a customer, for each recipient of the mart. Append-only.",
    ("occurred_at", "purpose", "customer_id", "recipient"),
    (
        Column(
            "occurred_at", UTC, "Logical time of the night that published it", sources=("identity/history.occurred_at",)
        ),
        Column("purpose", pl.String(), "Purpose of the mart", sources=("consent/decision.purpose",)),
        *carry_columns(CLUSTER, "customer_id"),
        Column("recipient", pl.String(), "Recipient of the mart, or own_systems where it has no outside recipient"),
        Column("change", pl.String(), "Change of the row: came, left or changed"),
        Column("columns", TEXTS, "Names of the columns that changed; never a value"),
        Column(
            "cause", pl.String(), "Rule of the link that had joined the customer", sources=("identity/history.cause",)
        ),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(CUSTOMER_SUBJECT,),
        write_mode="append",
        unit="whole",
        on_erasure=Erasure(
            "replace_by_digest",
            "The proof stays that recipients were corrected (Art. 19); no row leads to the person",
            ("customer_id",),
        ),
        retention="evidence",
    ),
)
CorrectionFrame = pl.LazyFrame
CorrectionRows = pl.DataFrame

RETENTION = Table(
    "audit/retention",
    "Number of rows and values that retention removed from raw, quarantine and rectifications, by file, field and "
    "rule. Append-only.",
    ("table", "file_sha256", "field", "rule", "retention", "hold", "ended_date"),
    (
        Column("table", pl.String(), "raw/<channel>, quarantine/<channel> or golden/rectification"),
        Column(
            "file_sha256", pl.String(), "SHA-256 of the file that had delivered it", sources=("audit/file.file_sha256",)
        ),
        Column("field", pl.String(), "Column whose values were removed; empty where whole rows were"),
        Column(
            "rule",
            pl.String(),
            "Rule that ended last: a purpose, channel (its own retention), quarantine, or no_purpose where no purpose "
            "may use it",
        ),
        Column("retention", pl.String(), "Period of use from the event (ISO 8601)"),
        Column("hold", pl.String(), "Period after that in which it was stored but not used (ISO 8601)"),
        Column("ended_date", pl.Date(), "Day on which the period of use ended; removal follows after the hold"),
        Column("removed_count", pl.Int64(), "Number of removed rows, or of removed values of the field"),
        Column("removed_at", UTC, "Logical time of the night that removed it", sources=("audit/run.as_of",)),
    ),
    lifecycle=Lifecycle(
        kind="log",
        subjects=(),
        write_mode="append",
        unit="whole",
        on_erasure=no_person("Counts of what was removed"),
        retention="evidence",
    ),
)
RetentionFrame = pl.LazyFrame
RetentionRows = pl.DataFrame
