"""`standardised/party`: what each record says about a person, in standard form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.contract import Value, column_name
from cdp_pipelines.channels.read import read_field
from cdp_pipelines.schema import PARTY
from cdp_pipelines.standardise import parse, privacy_string

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract

_SAYS = tuple(
    name
    for name in PARTY.schema
    if name not in {"channel", "source_record_id", "drop_date", "ingested_at", "observed_at", "defects", "country_code"}
)


def build_party(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record that says anything about a person; key (channel, source_record_id), columns of `PARTY`.

    `current`: see `records.current`. A field that is there but cannot be read is null and named in `defects`; so is a
    TC or GPP string, by its column, for the wills that are lost with it.
    """
    if contract.party is None:
        return PARTY.empty().lazy()
    texts = {
        name: value.expression() if isinstance(value, Value) else pl.col(column_name(value))
        for name in type(contract.party).model_fields
        if (value := getattr(contract.party, name)) is not None and name != "phone_region"
    }
    split = parse.map_distinct(texts["full_name"], parse.split_full_name, parse.NAME) if "full_name" in texts else None
    read: dict[str, pl.Expr] = {}
    for name in (*_SAYS, "country_code"):
        if name in texts:
            read[name] = (
                read_field(contract, contract.party.birth_date)
                if name == "birth_date"
                else spell_value(name, texts[name], contract.party.phone_region)
            )
        elif split is not None and name in parse.NAME_PARTS:
            read[name] = split.struct.field(name)
        else:
            read[name] = pl.lit(None, PARTY.schema[name])
    checked = [name for name in ("birth_date", "email", "phone") if name in texts]
    for column in contract.privacy_strings:
        checked.append(column)
        texts[column] = pl.col(column)
        read[column] = parse.map_distinct(pl.col(column), _readable, pl.String())
    # Values first, then what is wrong with them, so that every parser runs once.
    return PARTY.conform(
        current.with_columns(
            pl.col("event_at").alias("observed_at"),
            **{f"said:{name}": texts[name] for name in checked},
            **{f"read:{name}": value for name, value in read.items()},
        )
        .select(
            "channel",
            "source_record_id",
            "drop_date",
            "ingested_at",
            "observed_at",
            *(pl.col(f"read:{name}").alias(name) for name in (*_SAYS, "country_code")),
            pl.concat_list(
                pl.when(pl.col(f"said:{name}").is_not_null() & pl.col(f"read:{name}").is_null()).then(
                    pl.lit(f"{name}:unreadable")
                )
                for name in checked
            )
            .list.drop_nulls()
            .alias("defects")
            if checked
            else pl.lit([], PARTY.schema["defects"]).alias("defects"),
        )
        .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _SAYS))
    )


def spell_value(name: str, text: pl.Expr, phone_region: str) -> pl.Expr:
    """A text as the standard column `name` has it, null where it cannot be read; of all columns but dates."""
    if name == "phone":
        return parse.map_distinct(text, parse.parse_phone(phone_region), pl.String())
    if name == "street":
        return _squashed(text.str.to_lowercase())
    return parse.map_distinct(text, _READ[name], pl.String()) if name in _READ else _squashed(text)


def _readable(text: str) -> str | None:
    return text if privacy_string.is_readable(text) else None


def _squashed(text: pl.Expr) -> pl.Expr:
    squashed = text.str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.when(squashed != "").then(squashed)


_READ = {
    "email": parse.parse_email,
    "first_name": parse.case_name,
    "middle_name": parse.case_name,
    "last_name": parse.case_name,
    "city": parse.case_name,
}
