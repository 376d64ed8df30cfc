"""The log of retention: counts of the rows and values that have to be removed, as rows of `audit/retention`.

Here belong functions that find and count; selecting the rows that stay is `expiry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.retention.expiry import START, has_expired, start_of_retention
from cdp_pipelines.schema import RECTIFICATION, RETENTION
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.retention.rules import ChannelRetention, RetentionRule
    from cdp_pipelines.schema import (
        QuarantineFrame,
        RawFrame,
        RectificationFrame,
        RetentionFrame,
        RetentionRows,
    )

# `field` of a count of whole rows.
WHOLE_ROW = ""


def find_expired_values(
    raw: RawFrame, contract: ChannelContract, retention: ChannelRetention, hold: str, as_of: datetime
) -> RetentionFrame:
    """Counts of rows and values that have to be removed from `raw/<channel>` at `as_of`.

    A function of the rows alone: a value that is removed with its row is counted as if it had been removed before it,
    so that nights run one by one count the same as nights run at once.
    """
    rows, name = raw.with_columns(start_of_retention(contract)), contract.raw.name
    return pl.concat(
        [
            _count_expired(rows, name, WHOLE_ROW, retention.row, hold, as_of),
            *(
                _count_expired(rows.filter(pl.col(column).is_not_null()), name, column, rule, hold, as_of)
                for rule in retention.values
                for column in rule.columns
            ),
        ]
    )


def find_expired_quarantine(
    quarantine: QuarantineFrame, contract: ChannelContract, rule: RetentionRule, hold: str, as_of: datetime
) -> RetentionFrame:
    """Counts of rows that have to be removed from `quarantine/<channel>` at `as_of`."""
    rows = quarantine.with_columns(pl.col("ingested_at").alias(START))
    return _count_expired(rows, contract.quarantine.name, WHOLE_ROW, rule, hold, as_of)


def find_orphaned_rectifications(
    rectification: RectificationFrame,
    raw: RawFrame,
    contract: ChannelContract,
    retention: ChannelRetention,
    hold: str,
    as_of: datetime,
) -> pl.LazyFrame:
    """Rectifications on records of a channel of which no row is stored any more: they are removed with the record.

    Columns of `RECTIFICATION`, with `file_sha256` and the start of retention of the record's newest row.
    """
    on_channel = rectification.filter(pl.col("channel") == contract.name)
    newest = pl.all().sort_by("drop_date", "file", "row_number").last()
    records = (
        raw.join(on_channel, on="source_record_id", how="semi")
        .with_columns(start_of_retention(contract))
        .filter(has_expired(retention.row, hold, as_of).all().over("source_record_id"))
        .group_by("source_record_id")
        .agg(newest)
    )
    return on_channel.join(records.select("source_record_id", "file_sha256", START), on="source_record_id")


def find_expired_rectifications(
    orphaned: pl.LazyFrame, retention: ChannelRetention, hold: str, as_of: datetime
) -> RetentionFrame:
    """Counts of rows that have to be removed from `golden/rectification`; takes `find_orphaned_rectifications`."""
    return _count_expired(orphaned, RECTIFICATION.name, WHOLE_ROW, retention.row, hold, as_of)


def extend_retention_log(log: RetentionRows, expired: RetentionRows) -> RetentionRows:
    """Counts to append to `log`: a key that it has stays as it is, so that an interrupted run counts once."""
    return expired.join(log, on=list(RETENTION.key), how="anti").sort(RETENTION.key)


def count_removed_rows(log: RetentionFrame, tables: Collection[str]) -> pl.LazyFrame:
    """Whole rows that were removed from these tables, as `removed_count`; key file_sha256."""
    return (
        log.filter(pl.col("table").is_in(list(tables)), pl.col("field") == WHOLE_ROW)
        .group_by("file_sha256")
        .agg(pl.col("removed_count").sum())
    )


def _count_expired(
    rows: pl.LazyFrame, table: str, field: str, rule: RetentionRule, hold: str, as_of: datetime
) -> RetentionFrame:
    """Expired rows by file and by the day on which their period of use ended; takes `file_sha256` and `START`."""
    key = {"table": table, "field": field, "rule": rule.rule, "retention": rule.retention, "hold": hold}
    return RETENTION.conform(
        rows.filter(has_expired(rule, hold, as_of))
        .group_by("file_sha256", add_duration(pl.col(START), rule.retention).dt.date().alias("ended_date"))
        .agg(pl.len().alias("removed_count"))
        .with_columns(pl.lit(as_of).alias("removed_at"), **{name: pl.lit(value) for name, value in key.items()})
    )
