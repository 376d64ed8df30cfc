"""Layer `audit`: files, nights and table versions; who was in which mart when; corrections and deletions.

Here belong tables and columns alone; each is written by the asset of its name.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.consent import DECISION
from cdp_pipelines.schema.identity import CLUSTER
from cdp_pipelines.schema.table import TEXTS, UTC, Column, Table, carry_columns

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
FileFrame = pl.LazyFrame
FileRows = pl.DataFrame

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
RunFrame = pl.LazyFrame
RunRows = pl.DataFrame

VERSION = Table(
    "audit/version",
    "Which version of each table a night left, and the code that wrote it: what proves later what was there.",
    ("night", "table_name"),
    (
        *carry_columns(RUN, "night", "as_of"),
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
VersionFrame = pl.LazyFrame
VersionRows = pl.DataFrame

MEMBERSHIP = Table(
    "audit/membership",
    "Who was in which mart from when to when, and what let them in and out. A stay is closed, never overwritten.",
    ("purpose", "customer_id", "valid_from"),
    (
        *carry_columns(DECISION, "purpose", "customer_id", "lawful_basis", "purpose_version"),
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
MembershipFrame = pl.LazyFrame
MembershipRows = pl.DataFrame

CORRECTION = Table(
    "audit/correction",
    "What the split of a customer changed in the marts, for everybody who had received them. Append-only.",
    ("occurred_at", "purpose", "customer_id", "recipient"),
    (
        Column(
            "occurred_at", UTC, "Logical time of the night that published it", sources=("identity/history.occurred_at",)
        ),
        Column("purpose", pl.String(), "Whose mart", sources=("consent/decision.purpose",)),
        *carry_columns(CLUSTER, "customer_id"),
        Column("recipient", pl.String(), "Who receives the mart, or own_systems where nobody outside does"),
        Column("change", pl.String(), "came, left or changed"),
        Column("columns", TEXTS, "Columns that are not what they were; no values"),
        Column("cause", pl.String(), "What had held the customer together", sources=("identity/history.cause",)),
    ),
    subject=("customer_id",),
)
CorrectionFrame = pl.LazyFrame
CorrectionRows = pl.DataFrame

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
RetentionFrame = pl.LazyFrame
RetentionRows = pl.DataFrame
