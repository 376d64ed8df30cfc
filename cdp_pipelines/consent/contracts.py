"""Contracts out of interactions: which are live at an instant, and which a full refund has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from datetime import datetime

    from cdp_pipelines.consent.purpose import ContractTerms


def live_contracts(
    interaction: pl.LazyFrame, crosswalk: pl.LazyFrame, terms: ContractTerms, as_of: datetime
) -> pl.LazyFrame:
    """Customers with a live contract; key customer_id, with its latest one: `opened_at` and `evidence` (record ids).

    Sources do not say which order a refund is of. A refund ends the order of the same customer, amount and currency
    that came before it; the n-th refund of an amount ends the n-th order of that amount, in order of time, so that
    each ends one order at the most.
    """
    done = interaction.filter(
        pl.col("interaction_type").is_in([*terms.opened_by, *terms.closed_by]), pl.col("occurred_at") < as_of
    ).join(crosswalk.select("channel", "source_record_id", "customer_id"), on=["channel", "source_record_id"])
    sale = ["customer_id", "currency_code", pl.col("amount_minor").abs().alias("amount")]
    order = ["occurred_at", "channel", "source_record_id"]
    numbered = [
        done.filter(pl.col("interaction_type").is_in(list(kinds)))
        .sort(order)
        .select(*sale, *order, pl.int_range(pl.len()).over(*sale).alias("number"))
        for kinds in (terms.opened_by, terms.closed_by)
    ]
    opened, closed = numbered
    same = ["customer_id", "currency_code", "amount", "number"]
    ended = closed.select(*same, pl.col("occurred_at").alias("ended_at"))
    lasting = pl.col("occurred_at").dt.offset_by(_offset(terms.lasts)) > as_of
    return (
        opened.join(ended, on=same, how="left", nulls_equal=True)
        .filter(lasting, pl.col("ended_at").is_null() | (pl.col("ended_at") < pl.col("occurred_at")))
        .sort(order)
        .group_by("customer_id")
        .agg(
            pl.col("occurred_at").last().alias("opened_at"),
            pl.concat_str("channel", "source_record_id", separator=":").last().alias("evidence"),
        )
    )


def _offset(duration: str) -> str:
    return duration.removeprefix("P").replace("Y", "y").replace("M", "mo").replace("D", "d")
