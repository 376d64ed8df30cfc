"""Corrections: mart rows that a split of a customer changed, for the mart's recipients (GDPR Art. 16, 19).

Here belongs the comparison of published and new rows. Splits themselves are recorded in `identity/history`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CORRECTION, UTC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cdp_pipelines.schema import CorrectionRows, HistoryFrame, MartRows

OWN_SYSTEMS = "own_systems"


def find_split_customers(history: HistoryFrame, since: datetime | None, as_of: datetime) -> pl.DataFrame:
    """Customers on either side of a split after `since` (None: of all splits) until `as_of`.

    Columns customer_id and cause, key both.
    """
    splits = history.filter(pl.col("event") == "split", pl.col("occurred_at") <= as_of)
    if since is not None:
        splits = splits.filter(pl.col("occurred_at") > since)
    sides = [splits.select(pl.col(side).alias("customer_id"), "cause") for side in ("customer_id", "other_customer_id")]
    return pl.concat(sides).unique().collect()


def build_corrections(
    before: Mapping[str, MartRows],
    now: Mapping[str, MartRows],
    split: pl.DataFrame,
    recipients: Mapping[str, Sequence[str]],
    as_of: datetime,
) -> CorrectionRows:
    """Rows of marts that differ from the published ones, of customers who were split; columns of `CORRECTION`.

    `before`, `now`: purpose to its published rows and its new rows, both with the key customer_id; `split`: see
    `find_split_customers`; `recipients`: purpose to its recipients. An added or removed row differs in every column
    that is not null. If the columns of a mart changed, only common columns are compared.
    """
    causes = split.group_by("customer_id").agg(pl.col("cause").unique().sort().str.join(", "))
    corrections = [CORRECTION.empty()]
    for purpose, rows in now.items():
        published, new = (
            frame.join(causes, on="customer_id", how="semi").with_columns(is_present=True)
            for frame in (before.get(purpose, rows.clear()), rows)
        )
        names = [name for name in rows.columns if name in published.columns and name != "customer_id"]
        both = published.select("customer_id", "is_present", *names).join(
            new.select("customer_id", "is_present", *names), on="customer_id", how="full", coalesce=True, suffix=":now"
        )
        differs = (pl.when(pl.col(name).ne_missing(pl.col(f"{name}:now"))).then(pl.lit(name)) for name in names)
        change = (
            pl.when(pl.col("is_present").is_null())
            .then(pl.lit("came"))
            .when(pl.col("is_present:now").is_null())
            .then(pl.lit("left"))
            .otherwise(pl.lit("changed"))
        )
        changes = (
            both.select(
                "customer_id", change.alias("change"), pl.concat_list(differs).list.drop_nulls().alias("columns")
            )
            .filter((pl.col("change") != "changed") | (pl.col("columns").list.len() > 0))
            .join(causes, on="customer_id")
            .join(pl.DataFrame({"recipient": list(recipients[purpose]) or [OWN_SYSTEMS]}), how="cross")
            .with_columns(pl.lit(purpose).alias("purpose"), pl.lit(as_of, UTC).alias("occurred_at"))
        )
        corrections.append(CORRECTION.conform(changes.lazy()).collect())
    return pl.concat(corrections).sort(CORRECTION.key)
