"""`standardised/interaction`: everything that happened, of all channels, in one fact table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.read import read_field
from cdp_pipelines.schema import INTERACTION

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract

_SECONDS = {"s": 1.0, "min": 60.0}
# Currencies whose minor unit is not a hundredth (ISO 4217).
_EXPONENTS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "BHD": 3, "KWD": 3, "JOD": 3, "OMR": 3, "TND": 3}


def build_interaction(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record of a channel that tells of something that happened; columns of `INTERACTION`.

    `current`: see `records.current`. Amounts become Int64 minor units, rounded half away from zero; what went back is
    negative. Durations become seconds.
    """
    told = contract.interaction
    if told is None:
        return INTERACTION.empty().lazy()

    def number(name: str | None) -> pl.Expr:
        return pl.lit(None, pl.Float64) if name is None else read_field(contract, name).cast(pl.Float64)

    def text(value: object) -> pl.Expr:
        return pl.lit(None, pl.String) if value is None else value.expression()

    happened, currency = told.type.expression(), text(told.currency_code)
    minor = number(told.amount) * (10 ** currency.replace_strict(_EXPONENTS, default=2, return_dtype=pl.Int64))
    minor = minor.round(0, mode="half_away_from_zero").cast(pl.Int64)
    if told.negative_types:
        minor = pl.when(happened.is_in(told.negative_types)).then(-minor.abs()).otherwise(minor)
    if told.refund_when_negative:
        happened = pl.when(minor < 0).then(pl.lit("refund")).otherwise(happened)
    return INTERACTION.conform(
        current.with_columns(
            happened.alias("interaction_type"),
            pl.coalesce(*(value.expression() for value in told.name), pl.lit(None, pl.String)).alias("name"),
            pl.col("event_at").alias("occurred_at"),
            minor.alias("amount_minor"),
            pl.when(minor.is_not_null()).then(currency).alias("currency_code"),
            number(told.quantity).cast(pl.Int64).alias("quantity"),
            number(told.score).alias("score"),
            (number(told.duration) * _SECONDS[told.duration_unit]).alias("duration_s"),
            text(told.location_code).alias("location_code"),
            text(told.detail).alias("detail"),
        )
    )
