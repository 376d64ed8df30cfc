"""`standardised/interaction`: the interactions of all channels in one fact table.

Here belongs the mapping of raw fields to that table. Measures over interactions are in `cdp_pipelines.marts.measures`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from iso4217 import Currency

from cdp_pipelines.channels.field_value import read_field
from cdp_pipelines.schema import INTERACTION

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.mapping import ValueMapping

_SECONDS = {"s": 1.0, "min": 60.0}
# Decimal places of each currency's minor unit (ISO 4217); metals and test codes have none, and are kept in hundredths.
_EXPONENTS = {currency.code: 2 if currency.exponent is None else currency.exponent for currency in Currency}


def build_interaction(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record of a channel with interactions; columns of `INTERACTION`.

    `current`: see `latest.select_latest`. Amounts become Int64 minor units, rounded half away from zero; amounts that
    were paid back are negative. Durations become seconds.
    """
    mapping = contract.interaction
    if mapping is None:
        return INTERACTION.empty().lazy()

    def number(name: str | None) -> pl.Expr:
        return pl.lit(None, pl.Float64) if name is None else read_field(contract, name).cast(pl.Float64)

    def text(value: ValueMapping | None) -> pl.Expr:
        return pl.lit(None, pl.String) if value is None else value.expression()

    interaction_type, currency = mapping.type.expression(), text(mapping.currency_code)
    minor = number(mapping.amount) * (10 ** currency.replace_strict(_EXPONENTS, default=2, return_dtype=pl.Int64))
    minor = minor.round(0, mode="half_away_from_zero").cast(pl.Int64, strict=False)
    if mapping.negative_types:
        minor = pl.when(interaction_type.is_in(mapping.negative_types)).then(-minor.abs()).otherwise(minor)
    if mapping.refund_when_negative:
        interaction_type = pl.when(minor < 0).then(pl.lit("refund")).otherwise(interaction_type)
    return INTERACTION.conform(
        current.with_columns(
            interaction_type.alias("interaction_type"),
            pl.coalesce(*(value.expression() for value in mapping.name), pl.lit(None, pl.String)).alias("name"),
            pl.col("event_at").alias("occurred_at"),
            minor.alias("amount_minor"),
            pl.when(minor.is_not_null()).then(currency).alias("currency_code"),
            number(mapping.quantity).cast(pl.Int64, strict=False).alias("quantity"),
            number(mapping.score).alias("score"),
            (number(mapping.duration) * _SECONDS[mapping.duration_unit]).alias("duration_s"),
            text(mapping.location_code).alias("location_code"),
            text(mapping.detail).alias("detail"),
        )
    )
