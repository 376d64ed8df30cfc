"""What a split of a customer changed for those who read the marts: a recipient must be told (GDPR Art. 16, 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CORRECTION, UTC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

OWN = "own_systems"


def find_split_customers(history: pl.LazyFrame, since: datetime | None, as_of: datetime) -> pl.DataFrame:
    """Customers of splits after `since` (always, where None) until `as_of`; customer_id and cause, key both.

    `history`: `HISTORY`. Both sides of a split are among them.
    """
    splits = history.filter(pl.col("event") == "split", pl.col("occurred_at") <= as_of)
    if since is not None:
        splits = splits.filter(pl.col("occurred_at") > since)
    sides = [splits.select(pl.col(side).alias("customer_id"), "cause") for side in ("customer_id", "other_customer_id")]
    return pl.concat(sides).unique().collect()


def build_corrections(
    before: Mapping[str, pl.DataFrame],
    now: Mapping[str, pl.DataFrame],
    split: pl.DataFrame,
    recipients: Mapping[str, Sequence[str]],
    as_of: datetime,
) -> pl.DataFrame:
    """Rows of marts that are not what was read until now, of customers who came apart; columns of `CORRECTION`.

    `before`, `now`: purpose to the rows that are published and those that are to be, with one key, customer_id;
    `split`: see `come_apart`; `recipients`: purpose to those who receive it. A row that came or left differs in every
    column that says something; where a mart has other columns than it had, those that it still has are compared.
    """
    causes = split.group_by("customer_id").agg(pl.col("cause").unique().sort().str.join(", "))
    found = [CORRECTION.empty()]
    for purpose, rows in now.items():
        was, is_ = (
            frame.join(causes, on="customer_id", how="semi").with_columns(is_there=True)
            for frame in (before.get(purpose, rows.clear()), rows)
        )
        names = [name for name in rows.columns if name in was.columns and name != "customer_id"]
        both = was.select("customer_id", "is_there", *names).join(
            is_.select("customer_id", "is_there", *names), on="customer_id", how="full", coalesce=True, suffix=":now"
        )
        differs = (pl.when(pl.col(name).ne_missing(pl.col(f"{name}:now"))).then(pl.lit(name)) for name in names)
        change = (
            pl.when(pl.col("is_there").is_null())
            .then(pl.lit("came"))
            .when(pl.col("is_there:now").is_null())
            .then(pl.lit("left"))
            .otherwise(pl.lit("changed"))
        )
        told = (
            both.select(
                "customer_id", change.alias("change"), pl.concat_list(differs).list.drop_nulls().alias("columns")
            )
            .filter((pl.col("change") != "changed") | (pl.col("columns").list.len() > 0))
            .join(causes, on="customer_id")
            .join(pl.DataFrame({"recipient": list(recipients[purpose]) or [OWN]}), how="cross")
            .with_columns(pl.lit(purpose).alias("purpose"), pl.lit(as_of, UTC).alias("occurred_at"))
        )
        found.append(CORRECTION.conform(told.lazy()).collect())
    return pl.concat(found).sort(CORRECTION.key)
