"""Layers `raw` and `quarantine`: records as received, and records that were refused. One table per channel and layer.

Here belong the columns that all channels share; the fields of one channel come from its contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema.table import UTC, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

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
RawFrame = pl.LazyFrame
RawRows = pl.DataFrame
QuarantineFrame = pl.LazyFrame
QuarantineRows = pl.DataFrame


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
