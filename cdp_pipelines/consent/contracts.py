"""Contracts and other records of customers: past interactions, contract holdings, live contracts, latest records.

What a purpose makes of them belongs in `basis`; which purpose needs which of them in `evidence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.subject_index import HOLDING_IDENTIFIERS, record_reference
from cdp_pipelines.schema import RECORD_KEY, UTC
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cdp_pipelines.consent.subject_index import SubjectIndex
    from cdp_pipelines.purposes.terms import ContractTerms
    from cdp_pipelines.schema import InteractionFrame


def past_interactions(
    interactions: InteractionFrame, subjects: SubjectIndex, as_of: datetime, known_at: datetime
) -> pl.LazyFrame:
    """Interactions of customers before `as_of` that were taken in until `known_at`.

    Columns customer, type, record_at, record_id, amount_minor, currency_code.
    """
    return (
        interactions.filter(pl.col("occurred_at") < as_of, pl.col("ingested_at") <= known_at)
        .join(subjects.records.lazy(), on=RECORD_KEY)
        .select(
            "customer",
            pl.col("interaction_type").alias("type"),
            pl.col("occurred_at").alias("record_at"),
            record_reference(),
            "amount_minor",
            "currency_code",
        )
    )


def contract_holdings(facts: pl.LazyFrame, types: Collection[str], as_of: datetime) -> list[pl.LazyFrame]:
    """Records before `as_of` that carry an account or a loyalty card; one frame for each of these `types`.

    Columns customer, type, record_at (when it was observed), record_id; `facts`: see `read_subject_facts`.
    """
    return [
        facts.filter(pl.col(f"has_{holding}"), pl.col("record_at") < as_of).select(
            "customer", pl.lit(holding).alias("type"), "record_at", "record_id"
        )
        for holding in HOLDING_IDENTIFIERS
        if holding in types
    ]


def select_live_contracts(interactions: pl.LazyFrame, terms: ContractTerms, as_of: datetime) -> pl.LazyFrame:
    """Live contracts; key (customer, record_id), with record_at (when it was opened) and ends_at.

    `interactions`: see `past_interactions` and `contract_holdings`. A contract is live from its opening until before
    `ends_at`. Sources do not name the order that a refund is for: a refund ends the latest order that is not later, has
    not ended yet, and has the same customer, absolute amount and currency. One refund ends one order. At one instant
    orders come before refunds, then by record id. Source: GDPR Art. 6(1)(b).

    The refunds of one amount close its orders as brackets close: count orders up and refunds down, from 0 and never
    below; an order and the refund that ends it are then neighbours on their level.
    """
    same = ["customer", "amount", "currency_code"]
    amount = pl.col("amount_minor").abs().alias("amount")
    # Expired orders are left out: a refund would end one of them only if it found no later order.
    opened = (
        interactions.filter(pl.col("type").is_in(list(terms.opened_by)))
        .with_columns(amount, add_duration(pl.col("record_at"), terms.lasts).alias("ends_at"), pl.lit(1).alias("step"))
        .filter(pl.col("ends_at") > as_of)
    )
    closed = (
        interactions.filter(pl.col("type").is_in(list(terms.closed_by)), pl.col("amount_minor").is_not_null())
        .with_columns(amount, pl.lit(None, UTC).alias("ends_at"), pl.lit(-1).alias("step"))
        .join(opened, on=same, how="semi", nulls_equal=True)
    )
    depth = pl.col("balance") - pl.min_horizontal(pl.col("balance").cum_min().over(same), 0)
    return (
        pl.concat([opened, closed])
        .sort("record_at", -pl.col("step"), "record_id")
        .with_columns(pl.col("step").cum_sum().over(same).alias("balance"))
        .with_columns((depth + (pl.col("step") < 0).cast(pl.Int32)).alias("level"))
        .with_columns((pl.col("step").shift(-1).over(*same, "level") < 0).fill_null(value=False).alias("is_ended"))
        .filter(pl.col("step") > 0, ~pl.col("is_ended"))
        .select("customer", "record_id", "record_at", "ends_at")
    )


def select_latest_records(records: pl.LazyFrame, *by: str) -> pl.LazyFrame:
    """The latest record of each `by`, with record_id and record_at; of several at one instant the greatest id."""
    times = records.group_by(by).agg(pl.col("record_at").max())
    return records.join(times, on=[*by, "record_at"]).group_by(*by, "record_at").agg(pl.col("record_id").max())
