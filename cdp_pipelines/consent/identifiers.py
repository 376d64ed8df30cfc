"""The identifiers of each customer, and which of them are certain and exclusive.

How far a consent event on an identifier reaches is decided in `events` and `decision_units`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import IDENTIFIER_KINDS, RECORD_KEY

if TYPE_CHECKING:
    from cdp_pipelines.schema import ClusterFrame, PartyFrame


def list_identifiers(party: PartyFrame, cluster: ClusterFrame) -> pl.LazyFrame:
    """Identifiers of each customer; key (customer_id, kind, value), with `is_certain` and `is_exclusive`.

    Certain: a record that carries it joins its customer by an exact match, or is alone; a probable link is not enough.
    Exclusive: no other customer has it, over any link. For an audit, take `party` and `cluster` as they were then.
    """
    return (
        party.select(*RECORD_KEY, *IDENTIFIER_KINDS)
        .unpivot(index=RECORD_KEY, on=list(IDENTIFIER_KINDS), variable_name="kind", value_name="value")
        .filter(pl.col("value").is_not_null())
        .join(cluster.select(*RECORD_KEY, "customer_id", "is_exact"), on=RECORD_KEY)
        .group_by("customer_id", "kind", "value")
        .agg(pl.col("is_exact").any().alias("is_certain"))
        .with_columns((pl.len().over("kind", "value") == 1).alias("is_exclusive"))
    )
