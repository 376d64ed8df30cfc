"""Which identifiers a customer has, and which of them are certain ground for a grant."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema import IDENTIFIER_KINDS

RECORD = ["channel", "source_record_id"]
# What a record holds when it carries an identifier of this kind.
CONTRACT_IDENTIFIERS = {"account": "account_id", "membership": "loyalty_card"}
KINDS = IDENTIFIER_KINDS


def list_identifiers(party: pl.LazyFrame, crosswalk: pl.LazyFrame) -> pl.LazyFrame:
    """Identifiers of each customer; key (customer_id, kind, value), with `is_certain` and `is_exclusive`.

    Certain: a record that carries it joins its customer by an exact match, or alone; not by a probable link only.
    Exclusive: no other customer has it, over any link. For an audit, `party` and `crosswalk` are those of the time.
    """
    return (
        party.select(*RECORD, *KINDS)
        .unpivot(index=RECORD, on=list(KINDS), variable_name="kind", value_name="value")
        .filter(pl.col("value").is_not_null())
        .join(crosswalk.select(*RECORD, "customer_id", "is_exact"), on=RECORD)
        .group_by("customer_id", "kind", "value")
        .agg(pl.col("is_exact").any().alias("is_certain"))
        .with_columns((pl.len().over("kind", "value") == 1).alias("is_exclusive"))
    )
