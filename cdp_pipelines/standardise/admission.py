"""Admission of records to a channel's raw table: accepted records, and refused records with the rule's name.

A record is refused for a fault that would make it useless or wrong downstream: a missing id or time, a value outside
of what the contract allows, other content under a known id. An unreadable field that is not declared `strict` does not
refuse its record; `standardised/party.defects` lists it. Splitting files into records is in `cdp_pipelines.channels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import read_event_time, read_field
from cdp_pipelines.channels.formats.file_records import FAULT_COLUMNS
from cdp_pipelines.channels.words import is_one_of
from cdp_pipelines.standardise.consent_statement import read_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.channels.contract import ChannelContract

# In the currency's major unit: in minor units with up to four decimal places it fits 64 bits.
MOST_AMOUNT = 900_000_000_000_000


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """`accepted` in the columns of `raw/<channel>`, `refused` in those of `quarantine/<channel>`."""

    accepted: pl.DataFrame
    refused: pl.DataFrame


def admit_records(records: pl.DataFrame, known: pl.DataFrame, contract: ChannelContract) -> AdmissionResult:
    """Split the records of one or more files into accepted and refused.

    `records`: `FileRecords.frame` with `file`, `file_sha256`, `drop_date`, `ingested_at` added. `known`: rows of
    `raw/<channel>` with any of the same ids, from earlier files. Order is (drop_date, file, row_number). Of several
    records of one id the first is accepted. A later one with the same content is accepted and marked `is_duplicate`.
    One with other content is refused as `conflicting_id` in a channel of events, and is the newer state in a channel of
    states.
    """
    checked = records.with_columns(
        pl.coalesce(
            pl.when(pl.col("rule").is_not_null()).then(pl.struct(FAULT_COLUMNS)),
            *(
                pl.when(fails).then(
                    pl.struct(
                        pl.lit(rule).alias("rule"),
                        pl.lit(field, pl.String).alias("field"),
                        pl.lit(reason).alias("reason"),
                    )
                )
                for rule, field, reason, fails in _list_rules(contract)
            ),
        ).alias("fault")
    ).with_columns(pl.col("fault").struct.field(name) for name in FAULT_COLUMNS)
    valid = _compare_with_earlier(checked.filter(pl.col("rule").is_null()), known, contract)
    refused = pl.concat(
        [
            checked.filter(pl.col("rule").is_not_null()),
            valid.filter("is_clash").with_columns(
                pl.lit("conflicting_id").alias("rule"),
                pl.lit(contract.key).alias("field"),
                pl.lit("the id is known with other content; the first is kept").alias("reason"),
            ),
        ],
        how="diagonal",
    )
    return AdmissionResult(
        contract.raw.conform(valid.filter(~pl.col("is_clash")).lazy()).collect(),
        contract.quarantine.conform(refused.lazy()).collect().sort("drop_date", "file", "row_number"),
    )


def _list_rules(contract: ChannelContract) -> Iterator[tuple[str, str | None, str, pl.Expr]]:
    """(rule, field, reason, expression that is true where the record fails); a record gets the first that fails."""
    yield "missing_id", contract.key, "has no id", _is_blank(contract.key)
    for name, field in contract.fields.items():
        column, text, value = column_name(name), pl.col(column_name(name)), read_field(contract, name)
        if field.required and name != contract.key:
            yield f"missing_{column}", name, "is missing", _is_blank(name)
        if field.allowed is not None:
            allowed = ", ".join(field.allowed)
            yield f"unknown_{column}", name, f"is none of: {allowed}", ~is_one_of(text, field.allowed)
        if field.pattern is not None:
            yield f"bad_{column}", name, f"does not match {field.pattern}", ~text.str.contains(field.pattern)
        if field.strict:
            kind = {"timestamp": "date", "integer": "number"}.get(field.type, field.type)
            formats = f" as {' or '.join(field.formats)}" if field.formats else ""
            yield f"bad_{kind}", name, f"cannot be read{formats}", text.is_not_null() & value.is_null()
        if field.minimum is not None:
            yield "out_of_range", name, f"is less than {field.minimum:g}", value < field.minimum
        if field.maximum is not None:
            yield "out_of_range", name, f"is more than {field.maximum:g}", value > field.maximum
    for name in sorted({contract.key, *_list_statement_fields(contract)}):
        # An array or an object in place of a word: its content would be lost, and a denial may be in it.
        is_nested = pl.col(column_name(name)).str.contains(r"^\s*(\[.*\]|\{.*\})\s*$")
        yield "nested_value", name, "is a list or an object where one value is declared", is_nested
    yield from _list_time_rules(contract)


def _list_statement_fields(contract: ChannelContract) -> set[str]:
    """Source fields whose whole value is the subject, the purpose or the status of a consent event."""
    return {
        name
        for consent in contract.consents
        for value in (consent.subject_value, consent.purpose, consent.status)
        if value is not None and value.extract is None and value.match is None
        for name in value.from_
    }


def _list_time_rules(contract: ChannelContract) -> Iterator[tuple[str, str | None, str, pl.Expr]]:
    """The rules about the event time, as in `_list_rules`."""
    if contract.interaction is not None and contract.interaction.amount is not None:
        name = contract.interaction.amount
        yield "out_of_range", name, f"is more than {MOST_AMOUNT:,}", read_field(contract, name).abs() > MOST_AMOUNT
    declared, moment = contract.event_time, read_event_time(contract)
    field = " ".join(declared.fields)
    yield "bad_date", field, f"cannot be read as {' or '.join(declared.formats)}", moment.is_null()
    latest = pl.col("drop_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + timedelta(
        days=1, hours=declared.tolerance_h
    )
    yield (
        "future",
        field,
        f"lies more than {declared.tolerance_h:g} hours after the end of its drop date",
        moment > latest,
    )
    yield "past", field, f"lies before {declared.earliest}", moment.dt.date() < declared.earliest
    if declared.recorded is not None:
        is_late = moment > read_field(contract, declared.recorded) + timedelta(hours=declared.tolerance_h)
        for consent in contract.consents:
            statuses = read_statements(consent).list.eval(pl.element().struct.field("status"))
            is_grant = statuses.list.contains("granted").fill_null(value=False)
            yield "future", field, f"is a grant dated after {declared.recorded}", is_grant & is_late


def _is_blank(field: str) -> pl.Expr:
    text = pl.col(column_name(field))
    return text.is_null() | (text.str.strip_chars() == "")


def _compare_with_earlier(valid: pl.DataFrame, known: pl.DataFrame, contract: ChannelContract) -> pl.DataFrame:
    """`valid` with `is_duplicate` and `is_clash`, by comparison with the earlier record of the same id.

    The earlier record is the first one of the id in a channel of events, and the one before in a channel of states.
    """
    # Almost every id occurs once: only the others need a comparison.
    recurs = pl.col("source_record_id").is_duplicated() | pl.col("source_record_id").is_in(
        known["source_record_id"].implode()
    )
    valid = valid.with_columns(recurs.alias("recurs"))
    once, again = valid.filter(~pl.col("recurs")), valid.filter("recurs")
    order = ["drop_date", "file", "row_number"]
    content = pl.struct(contract.columns.values())
    by_id = pl.concat(
        [
            known.select(*order, "source_record_id", *contract.columns.values(), pl.lit(value=True).alias("is_known")),
            again.with_columns(pl.lit(value=False).alias("is_known")),
        ],
        how="diagonal",
    ).sort("source_record_id", "is_known", *order, descending=[False, True, False, False, False])
    earlier = content.first() if contract.records == "event" else content.shift(1)
    is_first = pl.int_range(pl.len()).over("source_record_id") == 0
    is_same = content.eq_missing(earlier).over("source_record_id")
    flags = {
        "is_duplicate": ~is_first & is_same,
        "is_clash": ~is_first & ~is_same if contract.records == "event" else pl.lit(value=False),
    }
    unset = {name: pl.lit(value=False) for name in flags}
    return pl.concat(
        [once.with_columns(**unset), by_id.with_columns(**flags).filter(~pl.col("is_known"))], how="diagonal"
    ).sort(order)
