"""Which records a channel takes in: (accepted, refused with the rule's name), never an exception.

A record is refused for what would make it useless or wrong downstream: no id, no time, a value outside of what the
contract allows, another content under a known id. A field that is merely unreadable and not declared `strict` is kept
and told in `standardised/party.defects`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.contract import column_name
from cdp_pipelines.channels.read import read_event_time, read_field
from cdp_pipelines.standardise.consent_event import read_consent_value as said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.channels.contract import ChannelContract

FAULT = ("rule", "field", "reason")


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """`accepted` in the columns of `raw/<channel>`, `refused` in those of `quarantine/<channel>`."""

    accepted: pl.DataFrame
    refused: pl.DataFrame


def admit_records(records: pl.DataFrame, known: pl.DataFrame, contract: ChannelContract) -> AdmissionResult:
    """Split the records of one or more files into accepted and refused.

    `records`: `channel.records.FileRecords.frame` with `file`, `file_sha256`, `drop_date`, `ingested_at` added.
    `known`: rows of `raw/<channel>` that hold any of the same ids, from files taken in before.
    Order is (drop_date, file, row_number): of several records of one id the first is the one, a later one with the
    same content is marked `is_duplicate`, and one with other content is refused as `conflicting_id` in a channel of
    events, and its newer state in a channel of states.
    """
    judged = (
        records.with_columns(pl.col(column_name(contract.key)).alias("source_record_id"))
        .with_columns(
            pl.coalesce(
                pl.when(pl.col("rule").is_not_null()).then(pl.struct(FAULT)),
                *(
                    pl.when(fails).then(
                        pl.struct(
                            pl.lit(rule).alias("rule"),
                            pl.lit(field, pl.String).alias("field"),
                            pl.lit(reason).alias("reason"),
                        )
                    )
                    for rule, field, reason, fails in _rules(contract)
                ),
            ).alias("fault")
        )
        .with_columns(pl.col("fault").struct.field(name) for name in FAULT)
    )
    sound = _sequence(judged.filter(pl.col("rule").is_null()), known, contract)
    clashes = pl.col("is_clash")
    refused = pl.concat(
        [
            judged.filter(pl.col("rule").is_not_null()),
            sound.filter(clashes).with_columns(
                pl.lit("conflicting_id").alias("rule"),
                pl.lit(contract.key).alias("field"),
                pl.lit("the id is known with other content; the first is kept").alias("reason"),
            ),
        ],
        how="diagonal",
    )
    return AdmissionResult(
        contract.raw.conform(sound.filter(~clashes).lazy()).collect(),
        contract.quarantine.conform(refused.lazy()).collect().sort("drop_date", "file", "row_number"),
    )


def _rules(contract: ChannelContract) -> Iterator[tuple[str, str | None, str, pl.Expr]]:
    """(rule, field, reason, expression that is true where the record fails), in the order in which they are told."""
    yield "missing_id", contract.key, "has no id", _blank(contract.key)
    for name, field in contract.fields.items():
        column, text, value = column_name(name), pl.col(column_name(name)), read_field(contract, name)
        if field.required and name != contract.key:
            yield f"missing_{column}", name, "is missing", _blank(name)
        if field.allowed is not None:
            allowed = ", ".join(field.allowed)
            yield f"unknown_{column}", name, f"is none of: {allowed}", text.is_not_null() & ~text.is_in(field.allowed)
        if field.pattern is not None:
            yield f"bad_{column}", name, f"does not read as {field.pattern}", ~text.str.contains(field.pattern)
        if field.strict:
            kind = {"timestamp": "date", "integer": "number"}.get(field.type, field.type)
            how = f" as {' or '.join(field.formats)}" if field.formats else ""
            yield f"bad_{kind}", name, f"cannot be read{how}", text.is_not_null() & value.is_null()
        if field.minimum is not None:
            yield "out_of_range", name, f"is less than {field.minimum:g}", value < field.minimum
        if field.maximum is not None:
            yield "out_of_range", name, f"is more than {field.maximum:g}", value > field.maximum
    declared, moment = contract.event_time, read_event_time(contract)
    told = " ".join(declared.fields)
    yield "bad_date", told, f"cannot be read as {' or '.join(declared.formats)}", moment.is_null()
    latest = pl.col("drop_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + timedelta(
        days=1, hours=declared.tolerance_h
    )
    yield (
        "future",
        told,
        f"lies more than {declared.tolerance_h:g} hours after the end of its drop date",
        moment > latest,
    )
    yield "past", told, f"lies before {declared.earliest}", moment.dt.date() < declared.earliest
    if declared.recorded is not None:
        late = moment > read_field(contract, declared.recorded) + timedelta(hours=declared.tolerance_h)
        for will in contract.consents:
            says = said(will).list.eval(pl.element().struct.field("status"))
            grants = says.list.contains("granted").fill_null(value=False)
            yield "future", told, f"is a grant dated after {declared.recorded}", grants & late


def _blank(name: str) -> pl.Expr:
    text = pl.col(column_name(name))
    return text.is_null() | (text.str.strip_chars() == "")


def _sequence(sound: pl.DataFrame, known: pl.DataFrame, contract: ChannelContract) -> pl.DataFrame:
    """Adds `is_duplicate` and `is_clash`: compares each record with the one that stands for its id before it."""
    # Almost every id comes once: only the others are worth comparing.
    recurs = pl.col("source_record_id").is_duplicated() | pl.col("source_record_id").is_in(
        known["source_record_id"].implode()
    )
    sound = sound.with_columns(recurs.alias("recurs"))
    once, again = sound.filter(~pl.col("recurs")), sound.filter("recurs")
    order = ["drop_date", "file", "row_number"]
    content = pl.struct(contract.columns.values())
    together = pl.concat(
        [
            known.select(*order, "source_record_id", *contract.columns.values(), pl.lit(value=True).alias("is_known")),
            again.with_columns(pl.lit(value=False).alias("is_known")),
        ],
        how="diagonal",
    ).sort("source_record_id", "is_known", *order, descending=[False, True, False, False, False])
    before = content.first() if contract.records == "event" else content.shift(1)
    is_first = pl.int_range(pl.len()).over("source_record_id") == 0
    is_same = content.eq_missing(before).over("source_record_id")
    verdict = {
        "is_duplicate": ~is_first & is_same,
        "is_clash": ~is_first & ~is_same if contract.records == "event" else pl.lit(value=False),
    }
    never = {name: pl.lit(value=False) for name in verdict}
    return pl.concat(
        [once.with_columns(**never), together.with_columns(**verdict).filter(~pl.col("is_known"))], how="diagonal"
    ).sort(order)
