"""`standardised/party`: the personal details of each record, in standard form.

Here belongs the mapping of raw fields to that table. Single values are parsed in `parse`; which value a customer gets
is decided in `cdp_pipelines.golden`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import read_field
from cdp_pipelines.channels.mapping import ValueMapping
from cdp_pipelines.schema import PARTY
from cdp_pipelines.standardise import parse, privacy_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.channels.contract import ChannelContract

_PERSONAL = tuple(
    name
    for name in PARTY.schema
    if name not in {"channel", "source_record_id", "drop_date", "ingested_at", "observed_at", "defects", "country_code"}
)


def build_party(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record with any personal detail; key (channel, source_record_id), columns of `PARTY`.

    `current`: see `latest.select_latest`. An unreadable field is null and named in `defects`. An unreadable TC or GPP
    string is named there too, by its column, because its consent events are lost.
    """
    if contract.party is None:
        return PARTY.empty().lazy()
    texts = {
        name: value.expression() if isinstance(value, ValueMapping) else pl.col(column_name(value))
        for name in type(contract.party).model_fields
        if (value := getattr(contract.party, name)) is not None
    }
    split = parse.map_distinct(texts["full_name"], parse.split_full_name, parse.NAME) if "full_name" in texts else None
    values: dict[str, pl.Expr] = {}
    for name in (*_PERSONAL, "country_code"):
        if name == "birth_date" and contract.party.birth_date is not None:
            values[name] = read_field(contract, contract.party.birth_date)
        elif name in texts:
            values[name] = spell_value(name, texts[name], contract.phone_region)
        elif split is not None and name in parse.NAME_PARTS:
            values[name] = split.struct.field(name)
        else:
            values[name] = pl.lit(None, PARTY.schema[name])
    checked: list[str] = [name for name in ("birth_date", "email", "phone") if name in texts]
    for column in contract.privacy_strings:
        checked.append(column)
        texts[column] = pl.col(column)
        values[column] = parse.map_distinct(pl.col(column), _keep_readable, pl.String())
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
            pl.concat_list(
                pl.when(pl.col(f"text:{name}").is_not_null() & pl.col(f"value:{name}").is_null()).then(
                    pl.lit(f"{name}:unreadable")
                )
                for name in checked
            )
            .list.drop_nulls()
            .alias("defects")
            if checked
            else pl.lit([], PARTY.schema["defects"]).alias("defects"),
        )
        .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _PERSONAL))
    )


def spell_value(name: str, text: pl.Expr, phone_region: str | None) -> pl.Expr:
    """A text in the standard form of the column `name`, null where it is unreadable; for all columns but dates."""
    if name == "phone":
        return parse.map_distinct(text, parse.parse_phone(phone_region), pl.String())
    if name == "street":
        return _collapse_blanks(text.str.to_lowercase())
    return parse.map_distinct(text, _PARSERS[name], pl.String()) if name in _PARSERS else _collapse_blanks(text)


def _keep_readable(text: str) -> str | None:
    return text if privacy_string.is_readable(text) else None


def _collapse_blanks(text: pl.Expr) -> pl.Expr:
    collapsed = text.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.when(collapsed != "").then(collapsed)


_PARSERS: dict[str, Callable[[str], str | None]] = {
    "email": parse.parse_email,
    "first_name": parse.case_name,
    "middle_name": parse.case_name,
    "last_name": parse.case_name,
    "city": parse.case_name,
}
