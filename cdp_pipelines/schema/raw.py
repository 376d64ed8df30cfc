"""Layers `raw` and `quarantine`: records as received, and records that were refused. One table per channel and layer.

Here belong the columns that all channels share; the fields of one channel come from its contract.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema.table import DELETE_SOURCE, UTC, Column, Lifecycle, Subject, Table
from cdp_pipelines.schema.vocabulary import WHOLE_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable

RAW_PROVENANCE = (
    Column(
        "source_record_id",
        pl.String(),
        "The record's own id in its channel; r1#2 is the second element of record r1, where one_row_per splits it",
        is_personal=True,
    ),
    Column(
        "record",
        pl.String(),
        "The record as received, verbatim; in a channel with one_row_per, with one element of its list; null after a "
        "value of it was removed",
        is_personal=True,
    ),
    Column("file", pl.String(), "File name"),
    Column("row_number", pl.Int64(), "Number of the row in its file, from 1"),
    Column(
        "line_number",
        pl.Int64(),
        "Line of the file on which the record begins, from 1; null where the format has no lines",
    ),
    Column("file_sha256", pl.String(), "Digest of the file"),
    Column("drop_date", pl.Date(), "Drop folder (night) in which the file came"),
    Column("ingested_at", UTC, "Logical time of the night that loaded it: the end of its drop date"),
)
RawFrame = pl.LazyFrame
RawRows = pl.DataFrame
QuarantineFrame = pl.LazyFrame
QuarantineRows = pl.DataFrame
# Rows are about the person of a source record; the channel is the table's own.
_RECEIVED = Lifecycle(
    kind="source",
    subjects=(Subject("record", ("source_record_id",)),),
    write_mode="append",
    unit="record",
    on_erasure=DELETE_SOURCE,
    retention="channel",
)


def _list_provenance(key_category: str | None) -> tuple[Column, ...]:
    categories = {"source_record_id": key_category, "record": WHOLE_RECORD}
    return tuple(replace(column, category=categories.get(column.name)) for column in RAW_PROVENANCE)


def raw_table(channel: str, title: str, fields: Iterable[Column], key_category: str | None = None) -> Table:
    """`raw/<channel>`: the declared fields as text, exactly as received, and the place of each record in its file.

    `key_category`: the data category of the record's own id. Key (file_sha256, row_number).
    """
    return Table(
        f"raw/{channel}",
        f"{title}, as received. Append-only, except for data whose retention has ended: see audit/retention.",
        ("file_sha256", "row_number"),
        (
            *_list_provenance(key_category),
            Column("is_duplicate", pl.Boolean(), "An earlier record has the same id and content"),
            *fields,
        ),
        lifecycle=_RECEIVED,
        found_by=("source_record_id",),
    )


def quarantine_table(channel: str, title: str) -> Table:
    """`quarantine/<channel>`: every refused record with the rule that refused it. Key (file_sha256, row_number)."""
    return Table(
        f"quarantine/{channel}",
        f"{title}: refused records, each whole, with the rule that refused it. Append-only, "
        "except for records whose retention has ended: see audit/retention.",
        ("file_sha256", "row_number"),
        (
            *RAW_PROVENANCE,
            Column("rule", pl.String(), "Rule that refused it"),
            Column("field", pl.String(), "Field that broke the rule; null where the whole record did"),
            Column("reason", pl.String(), "What is wrong and what is allowed, without the value"),
        ),
        lifecycle=_RECEIVED,
    )
