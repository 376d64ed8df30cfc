"""`standardised/party`: the personal details of each record, in standard form.

Here belongs the mapping of raw fields to that table. Single values are parsed in `parse`; which value a customer gets
is decided in `cdp_pipelines.golden`.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import parse_date
from cdp_pipelines.channels.mapping import ValueMapping
from cdp_pipelines.schema import PARTY
from cdp_pipelines.standardise import parse, privacy_string
from cdp_pipelines.standardise.contacts import read_party_identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.channels.contract import ChannelContract

_EARLIEST_BIRTH = date(1900, 1, 1)
# A network and the account on it.
_HANDLE = r"^[^:]+:.+$"
_DEFECTS = PARTY.schema["defects"]
_PERSONAL = tuple(
    name
    for name in PARTY.schema
    if name not in {"channel", "source_record_id", "drop_date", "ingested_at", "observed_at", "defects", "country_code"}
)


def build_party(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record with any personal detail; key (channel, source_record_id), columns of `PARTY`.

    `current`: see `latest.select_latest`. An unreadable field is null and named in `defects`. An unreadable TC or GPP
    string, or section of one, is named there too, by its column, because its consent events are lost.
    """
    if contract.party is None:
        return PARTY.empty().lazy()
    texts = {
        name: value.expression() if isinstance(value, ValueMapping) else pl.col(column_name(value))
        for name in type(contract.party).model_fields
        if (value := getattr(contract.party, name)) is not None
    }
    split = None
    if (full_name := contract.party.full_name) is not None:
        split_name = partial(parse.split_full_name, title_before=full_name.title_before)
        split = parse.map_distinct(texts["full_name"], split_name, parse.NAME)
    values: dict[str, pl.Expr] = {}
    for name in (*_PERSONAL, "country_code"):
        if name == "birth_date" and contract.party.birth_date is not None:
            values[name] = _read_birth_date(contract, contract.party.birth_date)
        elif name in texts:
            values[name] = spell_value(name, texts[name], contract.phone_region)
        elif split is not None and name in parse.NAME_PARTS:
            values[name] = split.struct.field(name)
        else:
            values[name] = pl.lit(None, PARTY.schema[name])
    checked: list[str] = [name for name in ("birth_date", "email", "phone", "handle") if name in texts]
    defects = [
        pl.when(pl.col(f"text:{name}").is_not_null() & pl.col(f"value:{name}").is_null())
        .then(pl.lit([f"{name}:unreadable"]))
        .otherwise(pl.lit([], _DEFECTS))
        for name in checked
    ]
    defects += [
        parse.map_distinct(pl.col(column), _defects_of(column), _DEFECTS).fill_null(pl.lit([], _DEFECTS))
        for column in contract.privacy_strings
    ]
    # Values first, then their defects, so that every parser runs once.
    return PARTY.conform(
        current.with_columns(
            pl.col("event_at").alias("observed_at"),
            **{f"text:{name}": texts[name] for name in checked},
            **{f"value:{name}": value for name, value in values.items()},
        )
        .select(
            "channel",
            "source_record_id",
            "drop_date",
            "ingested_at",
            "observed_at",
            *(pl.col(f"value:{name}").alias(name) for name in (*_PERSONAL, "country_code")),
            (pl.concat_list(defects) if defects else pl.lit([], _DEFECTS)).alias("defects"),
        )
        .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _PERSONAL))
    )


def spell_value(name: str, text: pl.Expr, phone_region: str | None) -> pl.Expr:
    """A text in the standard form of the column `name`, null where it is unreadable; for all columns but dates."""
    if name == "phone":
        return parse.map_distinct(text, parse.parse_phone(phone_region), pl.String())
    if name == "handle":
        handle = _collapse_blanks(text)
        return pl.when(handle.str.contains(_HANDLE)).then(handle)
    if name == "street":
        return _collapse_blanks(text.str.to_lowercase())
    return parse.map_distinct(text, _PARSERS[name], pl.String()) if name in _PARSERS else _collapse_blanks(text)


def _read_birth_date(contract: ChannelContract, name: str) -> pl.Expr:
    """A day of birth from 1900 on that is not after the record; a two-digit year is the latest that is not.

    So a child is never a century older than it is (GDPR Art. 8).
    """
    text, day = pl.col(column_name(name)).str.strip_chars(), pl.col("event_at").dt.date()
    dates = []
    for format_ in contract.fields[name].formats:
        born = parse_date(text, format_)
        is_short = "%y" in format_
        dates.append(pl.when(born > day).then(born.dt.offset_by("-100y")).otherwise(born) if is_short else born)
    born = pl.coalesce(dates)
    return pl.when((born >= _EARLIEST_BIRTH) & (born <= day)).then(born)


def _defects_of(column: str) -> Callable[[str], list[str]]:
    return lambda text: [f"{column}:{defect}" for defect in privacy_string.list_defects(text)]


def _collapse_blanks(text: pl.Expr) -> pl.Expr:
    collapsed = text.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.when(collapsed != "").then(collapsed)


_PARSERS: dict[str, Callable[[str], str | None]] = {
    "email": parse.parse_email,
    "first_name": parse.case_name,
    "middle_name": parse.case_name,
    "last_name": parse.case_name,
    "city": parse.case_name,
    **dict.fromkeys(("loyalty_card", "device_id", "advertising_id", "serial", "account_id"), read_party_identifier),
}
