"""Retention: how long each value of a raw record may be used, when it leaves the lake, and by which rule.

A value lives as long as the longest purpose that its channel collects it for and that may use its category. The clock
starts with the record's event. The channel's own retention is the company's promise and caps it, but for a contract or
a legal obligation that the channel's own records create: their decisions rest on these records. `profile_unification`
keeps nothing by itself, for it lives while any purpose lives; a value without a category follows its row; a row lives
as long as its last value. When a value ends it is used no more, and when the hold after that ends it is gone.

Source: GDPR Art. 5(1)(b), (c) and (e), 17(1)(a), 17(3)(b), 30(1)(f).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl
from pydantic import Field

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import read_event_time
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.purposes.terms import Duration
from cdp_pipelines.schema import INTERACTION_TYPES, RECTIFICATION, RETENTION
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose

# What ends a value that is no purpose: the channel's promise, that of refused records, or that nobody may use it.
CHANNEL, QUARANTINE, NO_PURPOSE = "channel", "quarantine", "no_purpose"
AT_ONCE = "P0D"
WHOLE_ROW = ""
RESTS_ON_RECORDS = ("contract", "legal_obligation")
_DAYS = {"Y": 12 * 30.436875, "M": 30.436875, "D": 1}


class RetentionPolicy(PolicyModel):
    """What holds for all channels besides their own retention."""

    hold: Duration = Field(description="How long what has ended stays, unused, before it is gone (backups, disputes)")
    quarantine: Duration = Field(
        description="How long a refused record is kept from the night that refused it, if its channel says no less"
    )


class RetentionRule(NamedTuple):
    """How long values live from the event of their record: the rule, its duration, and the columns that it ends."""

    rule: str
    retention: str
    columns: tuple[str, ...] = ()


class ChannelRetention(NamedTuple):
    """Of one channel: the span of its rows, and those of values that end before their row."""

    row: RetentionRule
    values: tuple[RetentionRule, ...]


def compute_retention_rules(contract: ChannelContract, purposes: Mapping[str, Purpose]) -> ChannelRetention:
    """What `purposes` (those in force, by key) leave of the records of a channel.

    Of two purposes of one duration the first by name is the rule. Durations compare by their mean length in days.
    """
    own = {contract.key, *contract.event_time.fields}
    of_field = {
        name: _longest(contract, field.category, purposes)
        for name, field in contract.fields.items()
        if name not in own and field.category != "other"
    }
    ending = [each for each in of_field.values() if each is not None]
    lasting = [each for each in ending if each.rule != NO_PURPOSE]
    row = max(lasting, key=_order, default=RetentionRule(CHANNEL, contract.retention))
    shorter = sorted({each for each in ending if _length(each.retention) < _length(row.retention)}, key=_order)
    return ChannelRetention(
        row,
        tuple(
            each._replace(columns=tuple(column_name(name) for name, found in of_field.items() if found == each))
            for each in shorter
        ),
    )


def _longest(contract: ChannelContract, category: str, purposes: Mapping[str, Purpose]) -> RetentionRule | None:
    """The span of a category in a channel; none where its values live as long as their row."""
    serves = [key for key in sorted(contract.collected_for) if category in purposes[key].data_categories]
    if not serves:
        return RetentionRule(NO_PURPOSE, AT_ONCE)
    found = [_of_purpose(contract, purposes[key]) for key in serves if key != UNIFICATION]
    return max(found, key=_order, default=None)


def _of_purpose(contract: ChannelContract, purpose: Purpose) -> RetentionRule:
    durations = [purpose.retention, *([purpose.contract.lasts] if purpose.contract else [])]
    own = RetentionRule(purpose.key, max(durations, key=_length))
    creates = purpose.contract.opened_by if purpose.contract else purpose.retaining_types
    if purpose.lawful_basis in RESTS_ON_RECORDS and _tells(contract).intersection(creates):
        return own
    return min(own, RetentionRule(CHANNEL, contract.retention), key=lambda each: _length(each.retention))


def _tells(contract: ChannelContract) -> set[str]:
    """Types of record, as purposes name them, that a channel's records can be."""
    found = set()
    if told := contract.interaction:
        kind = told.type
        found |= {kind.constant} if kind.constant else set(kind.map.values() if kind.map else INTERACTION_TYPES)
        found |= {"refund"} if told.refund_when_negative else set()
    if contract.party:
        held = {"account": contract.party.account_id, "membership": contract.party.loyalty_card}
        found |= {"record", *(name for name, value in held.items() if value)}
    return (
        found
        | ({"consent_event"} if contract.consents else set())
        | ({"request"} if contract.privacy_request else set())
    )


def _length(duration: str) -> float:
    number, days = "", 0.0
    for sign in duration.removeprefix("P"):
        if sign.isdigit():
            number += sign
        else:
            number, days = "", days + int(number) * _DAYS[sign]
    return days


def _order(span: RetentionRule) -> tuple[float, list[int]]:
    # The longest, and of those the first by name.
    return _length(span.retention), [-ord(sign) for sign in span.rule]


def select_usable(
    raw: pl.LazyFrame, contract: ChannelContract, spans: ChannelRetention, as_of: datetime
) -> pl.LazyFrame:
    """Rows of `raw/<channel>` that still serve a purpose at `as_of`, without the values that serve none any more."""
    return _living(raw, contract, spans, AT_ONCE, as_of)


def select_within_hold(
    raw: pl.LazyFrame, contract: ChannelContract, spans: ChannelRetention, hold: str, as_of: datetime
) -> pl.LazyFrame:
    """Rows and values of `raw/<channel>` whose hold has not ended at `as_of`: what the lake may have.

    Where a value is gone the record as it came is gone too, for it holds the value.
    """
    gone = [_ended(each, hold, as_of) & _any(each) for each in spans.values]
    told = pl.when(~pl.any_horizontal(*gone)).then("record").alias("record") if gone else pl.col("record")
    return _living(raw.with_columns(_started(contract)).with_columns(told), contract, spans, hold, as_of)


def _living(
    raw: pl.LazyFrame, contract: ChannelContract, spans: ChannelRetention, hold: str, as_of: datetime
) -> pl.LazyFrame:
    columns = raw.collect_schema().names()
    return (
        raw.with_columns(_started(contract))
        .filter(~_ended(spans.row, hold, as_of))
        .with_columns(
            pl.when(~_ended(each, hold, as_of)).then(name).alias(name) for each in spans.values for name in each.columns
        )
        .select(name for name in columns if name != _STARTED)
    )


_STARTED = "retention_starts_at"


def _started(contract: ChannelContract) -> pl.Expr:
    """When the clock of a row starts: with its event.

    In a channel of states an older state never outlives the newest of its record, or it would come back.
    """
    moment = read_event_time(contract)
    if contract.records == "state":
        newest = moment.sort_by("drop_date", "file", "row_number").last().over("source_record_id")
        moment = pl.min_horizontal(moment, newest)
    return pl.coalesce(moment, "ingested_at").alias(_STARTED)


def _ended(span: RetentionRule, hold: str, as_of: datetime, start: str = _STARTED) -> pl.Expr:
    return add_duration(add_duration(pl.col(start), span.retention), hold) <= as_of


def _any(span: RetentionRule) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_not_null() for name in span.columns)


def select_refused_within_hold(
    quarantine: pl.LazyFrame, span: RetentionRule, hold: str, as_of: datetime
) -> pl.LazyFrame:
    """Rows of `quarantine/<channel>` whose hold has not ended: no event time is sure, the night that came counts."""
    return quarantine.filter(~_ended(span, hold, as_of, "ingested_at"))


def quarantine_rule(contract: ChannelContract, policy: RetentionPolicy) -> RetentionRule:
    """How long a channel's refused records are kept: what is declared for them, or the channel's own if shorter."""
    return min(
        RetentionRule(QUARANTINE, policy.quarantine),
        RetentionRule(CHANNEL, contract.retention),
        key=lambda each: _length(each.retention),
    )


def find_expired_values(
    raw: pl.LazyFrame, contract: ChannelContract, spans: ChannelRetention, hold: str, as_of: datetime
) -> pl.LazyFrame:
    """Counts of what has to leave `raw/<channel>` at `as_of`; columns of `RETENTION`.

    A function of the rows: a value that leaves with its row is counted as if it had left before it, so that nights one
    by one count what nights at once count.
    """
    started = raw.with_columns(_started(contract))
    name = contract.raw.name
    return pl.concat(
        [
            _counted(started, name, WHOLE_ROW, spans.row, hold, as_of),
            *(
                _counted(started.filter(pl.col(column).is_not_null()), name, column, each, hold, as_of)
                for each in spans.values
                for column in each.columns
            ),
        ]
    )


def find_expired_quarantine(
    quarantine: pl.LazyFrame, contract: ChannelContract, span: RetentionRule, hold: str, as_of: datetime
) -> pl.LazyFrame:
    """Counts of what has to leave `quarantine/<channel>` at `as_of`; columns of `RETENTION`."""
    started = quarantine.with_columns(pl.col("ingested_at").alias(_STARTED))
    return _counted(started, contract.quarantine.name, WHOLE_ROW, span, hold, as_of)


def find_orphaned_rectifications(
    rectification: pl.LazyFrame,
    raw: pl.LazyFrame,
    contract: ChannelContract,
    spans: ChannelRetention,
    hold: str,
    as_of: datetime,
) -> pl.LazyFrame:
    """Rows of `RECTIFICATION` on records of a channel of which no row is held: they leave with the record.

    Adds `file_sha256` of the record's newest row.
    """
    mine = rectification.filter(pl.col("channel") == contract.name)
    newest = pl.all().sort_by("drop_date", "file", "row_number").last()
    records = (
        raw.join(mine, on="source_record_id", how="semi")
        .with_columns(_started(contract))
        .filter(_ended(spans.row, hold, as_of).all().over("source_record_id"))
        .group_by("source_record_id")
        .agg(newest)
    )
    return mine.join(records.select("source_record_id", "file_sha256", _STARTED), on="source_record_id")


def find_expired_rectifications(
    hanging: pl.LazyFrame, spans: ChannelRetention, hold: str, as_of: datetime
) -> pl.LazyFrame:
    """Counts of what has to leave `golden/rectification` (`hanging_on_gone`); columns of `RETENTION`."""
    return _counted(hanging, RECTIFICATION.name, WHOLE_ROW, spans.row, hold, as_of)


def _counted(
    rows: pl.LazyFrame, table: str, field: str, span: RetentionRule, hold: str, as_of: datetime
) -> pl.LazyFrame:
    told = {"table": table, "field": field, "rule": span.rule, "retention": span.retention, "hold": hold}
    return RETENTION.conform(
        rows.filter(_ended(span, hold, as_of))
        .group_by("file_sha256", add_duration(pl.col(_STARTED), span.retention).dt.date().alias("ended_date"))
        .agg(pl.len().alias("n"))
        .with_columns(pl.lit(as_of).alias("removed_at"), **{name: pl.lit(value) for name, value in told.items()})
    )


def extend_retention_log(history: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
    """The counts to append to `RETENTION`: what it has under a key stays, so that a run cut short counts once."""
    return leaving.join(history, on=list(RETENTION.key), how="anti").sort(RETENTION.key)


def count_removed_rows(history: pl.LazyFrame, tables: Collection[str]) -> pl.LazyFrame:
    """Whole rows of these tables that left, as `removed_count`; key file_sha256."""
    return (
        history.filter(pl.col("table").is_in(list(tables)), pl.col("field") == WHOLE_ROW)
        .group_by("file_sha256")
        .agg(pl.col("n").sum().alias("removed_count"))
    )
