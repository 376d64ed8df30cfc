"""Values of source fields in their declared types: numbers, dates and time stamps as expressions over raw columns.

An unreadable text gives null; whether that refuses the record is decided in `cdp_pipelines.standardise.admission`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.words import read_boolean, translate_words
from cdp_pipelines.schema import UTC

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.field import SourceField

_FIRST_YEAR = 1000
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}


def read_field(contract: ChannelContract, name: str) -> pl.Expr:
    """A declared field in its declared type."""
    field = contract.fields[name]
    text = pl.col(column_name(name)).str.strip_chars()
    match field.type:
        case "integer":
            # Digits alone are read as they stand, for a float keeps 15 of them; `3.0` is 3.
            number = _parse_number(text, field)
            whole = pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False))
            return pl.coalesce(text.cast(pl.Int64, strict=False), whole)
        case "number":
            return _parse_number(text, field)
        case "boolean":
            return read_boolean(text)
        case "date":
            return pl.coalesce(parse_date(text, format_) for format_ in field.formats)
        case "timestamp":
            return parse_timestamp(text, field.formats, field.zone)
        case _:
            return text


def canonical_text(contract: ChannelContract, name: str) -> pl.Expr:
    """The text of a declared field as its type has it: `true`, `false`, `3` for `3.0`, an allowed value as declared.

    A text that does not read as its type stays as it is.
    """
    field, text = contract.fields[name], pl.col(column_name(name))
    if field.allowed is not None:
        return pl.coalesce(translate_words(text, {value: value for value in field.allowed}), text)
    if field.type in {"boolean", "integer"}:
        return pl.coalesce(read_field(contract, name).cast(pl.String), text)
    return text


def parse_date(text: pl.Expr, format_: str) -> pl.Expr:
    """A date by one format. `%Y` means four digits: `12/25/12` is not a day of the year 12."""
    date = text.str.to_date(format_, strict=False)
    return pl.when(date.dt.year() >= _FIRST_YEAR).then(date) if "%Y" in format_ else date


def read_event_time(contract: ChannelContract) -> pl.Expr:
    """The time of the record's event, in UTC."""
    declared = contract.event_time
    text = pl.concat_str([pl.col(column_name(name)).str.strip_chars() for name in declared.fields], separator=" ")
    return parse_timestamp(text, declared.formats, declared.zone)


def parse_timestamp(text: pl.Expr, formats: tuple[str, ...], zone: str) -> pl.Expr:
    """UTC time stamps from text, by the first format that reads it.

    A format with %z reads the offset, one that ends in Z is UTC, any other is in `zone`. An ambiguous local time
    (clocks set back) is the first of the two; one that does not exist (clocks set forward) is read an hour later.
    """
    return pl.coalesce(_parse_format(text, format_, zone) for format_ in formats)


def _parse_format(text: pl.Expr, format_: str, zone: str) -> pl.Expr:
    if format_ in _EPOCHS:
        return (
            (text.cast(pl.Int64, strict=False) * _EPOCHS[format_]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
    if "%z" in format_ or "%:z" in format_:
        return text.str.to_datetime(format_, strict=False, time_unit="us", time_zone="UTC").cast(UTC)
    local = text.str.to_datetime(format_, strict=False, time_unit="us")
    if format_.endswith("Z") or zone == "UTC":
        return local.dt.replace_time_zone("UTC")
    return pl.coalesce(
        moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
        for moment in (local, local.dt.offset_by("1h"))
    )


def _parse_number(text: pl.Expr, field: SourceField) -> pl.Expr:
    if field.thousands is not None:
        sign, decimal = re.escape(field.thousands), re.escape(field.decimal)
        grouped = text.str.contains(rf"^[+-]?\d{{1,3}}({sign}\d{{3}})+({decimal}\d+)?$")
        text = pl.when(grouped).then(text.str.replace_all(field.thousands, "", literal=True)).otherwise(text)
    if field.decimal == ",":
        # A point is no sign of this number, and must not become one.
        text = pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
    # Python and Polars read "nan", "inf" and 1e999 as floats; in a source they are errors.
    number = pl.when(text.str.contains(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")).then(
        text.cast(pl.Float64, strict=False)
    )
    return pl.when(number.is_finite()).then(number)
