"""Expiry: which rows and values of raw and quarantine may still be used, and which may still be stored.

Here belong selections of rows by a rule and an instant. Counting what is removed is `log`.

The period of use starts with the event of the record. A value whose period has ended is not used any more; when the
hold after that has ended too, the value is removed from the lake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.elements import record_id
from cdp_pipelines.channels.field_value import read_event_time
from cdp_pipelines.retention.rules import AT_ONCE
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from datetime import datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.retention.rules import ChannelRetention, RetentionRule
    from cdp_pipelines.schema import QuarantineFrame, RawFrame

# Column of the instant at which the period of use of a row starts.
START = "retention_starts_at"


def select_usable(raw: RawFrame, contract: ChannelContract, retention: ChannelRetention, as_of: datetime) -> RawFrame:
    """Rows of `raw/<channel>` that still serve a purpose at `as_of`; values that serve none any more are null."""
    return _select_unexpired(raw, contract, retention, AT_ONCE, as_of)


def select_within_hold(
    raw: RawFrame, contract: ChannelContract, retention: ChannelRetention, hold: str, as_of: datetime
) -> RawFrame:
    """Rows and values of `raw/<channel>` whose hold has not ended at `as_of`: those that the lake may store.

    Where a value is removed, the record as received becomes null too, because it holds the value.
    """
    removed = [has_expired(rule, hold, as_of) & _has_value(rule) for rule in retention.values]
    record = pl.when(~pl.any_horizontal(*removed)).then("record").alias("record") if removed else pl.col("record")
    rows = raw.with_columns(start_of_retention(contract)).with_columns(record)
    return _select_unexpired(rows, contract, retention, hold, as_of)


def select_refused_within_hold(
    quarantine: QuarantineFrame, rule: RetentionRule, hold: str, as_of: datetime
) -> QuarantineFrame:
    """Rows of `quarantine/<channel>` whose hold has not ended at `as_of`.

    The period starts with the night that refused the record, because the event time of a refused record is uncertain.
    """
    return quarantine.filter(~has_expired(rule, hold, as_of, "ingested_at"))


def find_expiring(
    raw: RawFrame, contract: ChannelContract, retention: ChannelRetention, since: datetime, as_of: datetime
) -> pl.LazyFrame:
    """Records of which a row or a value may be used at `since` and not at `as_of` any more; their ids, each once."""
    ends = [
        has_expired(rule, AT_ONCE, as_of) & ~has_expired(rule, AT_ONCE, since)
        for rule in (retention.row, *retention.values)
    ]
    rows = raw.with_columns(start_of_retention(contract)).filter(pl.any_horizontal(ends))
    return rows.select(record_id(contract).unique())


def start_of_retention(contract: ChannelContract) -> pl.Expr:
    """Instant at which the period of use of a raw row starts, as column `START`: the event time of the record.

    In a channel of states an older state never outlives the newest one of its record, or it would come back.
    """
    moment = read_event_time(contract)
    if contract.records == "state":
        newest = moment.sort_by("drop_date", "file", "row_number").last().over(record_id(contract))
        moment = pl.min_horizontal(moment, newest)
    return pl.coalesce(moment, "ingested_at").alias(START)


def has_expired(rule: RetentionRule, hold: str, as_of: datetime, start: str = START) -> pl.Expr:
    """Whether the period of use and the hold after it (ISO 8601 durations) have ended at `as_of`."""
    return add_duration(add_duration(pl.col(start), rule.retention), hold) <= as_of


def _select_unexpired(
    raw: RawFrame, contract: ChannelContract, retention: ChannelRetention, hold: str, as_of: datetime
) -> RawFrame:
    columns = raw.collect_schema().names()
    return (
        raw.with_columns(start_of_retention(contract))
        .filter(~has_expired(retention.row, hold, as_of))
        .with_columns(
            pl.when(~has_expired(rule, hold, as_of)).then(name).alias(name)
            for rule in retention.values
            for name in rule.columns
        )
        .select(name for name in columns if name != START)
    )


def _has_value(rule: RetentionRule) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in rule.columns)
