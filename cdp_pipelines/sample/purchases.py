"""Channels of purchases: orders of the shop, receipts of the stores. Amounts are drawn in pence, log-normal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample.noise import add_typos, draw_chance, keep_some
from cdp_pipelines.sample.records import (
    ISO,
    add_times,
    build_hidden_columns,
    draw_by_activity,
    format_amount,
    number_ids,
    pick,
)

if TYPE_CHECKING:
    from cdp_pipelines.sample.clock import Clock

_OPEN = (8, 20)
_COUNTRIES = (
    "United Kingdom", "Germany", "France", "EIRE", "Spain", "Netherlands", "Belgium", "Switzerland", "Portugal", "Italy",
    "Romania", "Australia", "Norway", "Sweden", "USA", "Channel Islands",
)  # fmt: skip
_ABROAD = 0.11 / (len(_COUNTRIES) - 1)


def _draw_pence(n: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.clip(np.exp(rng.normal(10.2, 1.2, n)), 85, 9_999_999).astype(np.int64))


def _draw_units(n: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series(np.exp(rng.normal(4, 1.2, n)).astype(np.int64) + 1)


def _draw_returns(sold: pl.DataFrame, share: float, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """What comes back of a `share` of the sales: most for their whole amount, some for a part, all after the sale."""
    back = sold.filter(draw_chance(sold.height, share, rng))
    # Whole days later, so that stores are open again.
    days = pl.Series(rng.geometric(0.07, back.height)).cast(pl.Int64)
    part = pl.Series(rng.integers(20, 90, back.height))
    pence = pl.when(draw_chance(back.height, 0.85, rng)).then("pence").otherwise(pl.col("pence") * part // 100)
    back = back.with_columns(pence.alias("pence"), is_refund=pl.lit(value=True))
    at = back["at"] + (days * 86_400_000_000).cast(pl.Duration("us"))
    return add_times(back, at, clock).filter(pl.col("drop").is_not_null())


def _add_returns(sold: pl.DataFrame, share: float, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    sold = sold.with_columns(_draw_pence(sold.height, rng).alias("pence"), is_refund=pl.lit(value=False))
    both = pl.concat([sold, _draw_returns(sold, share, clock, rng)]).sort("at", maintain_order=True)
    prefix = pl.when("is_refund").then(pl.lit("C")).otherwise(pl.lit(""))
    row = pl.int_range(pl.len())
    return both.with_columns(pl.format("{}{}-{}", prefix, row + 536_365, row).alias("number"))


def generate_webshop_orders(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Orders of account holders; a sixth of the records are refunds, most of a whole earlier order."""
    sold = draw_by_activity(people.filter(pl.col("account").is_not_null()), 3.3, clock, rng, _OPEN)
    sold = sold.with_columns(pl.col("at").dt.truncate("1m"))
    who = _add_returns(sold, 0.2, clock, rng)
    n = who.height
    ids = pl.select(pl.format("gid://shop/Order/{}", who["number"])).to_series()
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "id": ids,
            "customer": who.select(pl.col("account").alias("id")).to_struct(),
            "email": who["email"],
            "created_at": who["at"].dt.strftime(ISO),
            "currency": pl.Series(["GBP"] * n, dtype=pl.String),
            "total_price": format_amount(who["pence"]),
            "units": _draw_units(n, rng),
            "kind": who.select(pl.when("is_refund").then(pl.lit("refund")).otherwise(pl.lit("sale"))).to_series(),
            "ship_to_country": pick(_COUNTRIES, n, rng, (0.89, *[_ABROAD] * (len(_COUNTRIES) - 1))),
        }
    )


def generate_pos_receipts(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Receipts of the stores. Truth knows whose they are where a card was shown, which is about every second time."""
    holders = draw_by_activity(people.filter(pl.col("card").is_not_null()), 2.4, clock, rng, _OPEN)
    others = draw_by_activity(people, 0.62, clock, rng, _OPEN).with_columns(
        pl.lit(None, pl.String).alias("card"), pl.lit(None, pl.String).alias("person")
    )
    sold = pl.concat([holders, others]).sort("at", maintain_order=True)
    who = _add_returns(sold, 0.17, clock, rng)
    n = who.height
    # Samples and write-offs cost nothing; a write-off has the amount minus zero.
    is_nothing = who["card"].is_null() & draw_chance(n, 0.1, rng)
    pence = who["pence"].set(is_nothing, 0)
    sign = pl.when(who["is_refund"]).then(pl.lit("-")).otherwise(pl.lit(""))
    units = _draw_units(n, rng)
    return pl.DataFrame(
        {
            **build_hidden_columns(who["number"], who),
            "Receipt No": who["number"],
            "Store": pick(tuple(number_ids("S{}", 14, start=1, width=2)), n, rng),
            "Date": who["at"].dt.strftime("%Y%m%d"),
            "Time": who["at"].dt.strftime("%H%M"),
            "Loyalty Card": who["card"],
            "E-mail for receipt": add_typos(keep_some(who["email"], 0.15, rng), 0.006, rng),
            "Amount": pl.select(pl.concat_str(sign, format_amount(pence, ","))).to_series(),
            "Items": pl.select(pl.concat_str(sign, units)).to_series(),
        }
    )
