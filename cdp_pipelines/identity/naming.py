"""Nodes back to records: the customer of each record, and links between records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.customer_ids import assign_customer_ids
from cdp_pipelines.schema import CLUSTER, LINK, TEXTS

if TYPE_CHECKING:
    import numpy as np

_RECORD = ["channel", "source_record_id"]


def build_clusters(records: pl.DataFrame, customers: np.ndarray, firm: np.ndarray) -> pl.DataFrame:
    """The customer of each record (`CLUSTER`), named after its earliest record.

    `records`: `values.Nodes.records`; `customers`: per node the first node of its customer, `firm`: the first that
    exact matches connect it to.
    """
    node = records["node"].to_numpy()
    found = records.select(*_RECORD, pl.Series("customer", customers[node]), pl.Series("firm", firm[node]))
    earliest = found.unique("customer", keep="first", maintain_order=True)
    named = earliest.select("customer", assign_customer_ids().alias("customer_id"))
    return (
        CLUSTER.conform(
            found.join(named, on="customer")
            .with_columns(
                # Firm ground is what exact matches connect to the record that the customer is named after.
                (pl.col("firm") == pl.col("customer")).alias("is_exact")
            )
            .lazy()
        )
        .collect()
        .sort(CLUSTER.key)
    )


def build_links(links: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Links between nodes as links between their earliest records, and each further record to its node's earliest.

    Of `LINK`, each key once: the first of several stays.
    """
    numbered = records.with_row_index("row")
    first = numbered.unique("node", keep="first", maintain_order=True).sort("node")
    further = numbered.join(first, on="row", how="anti")
    same = further.select(
        *_named(first[further["node"]], "left"),
        *_named(further, "right"),
        pl.lit("same").alias("rule"),
        pl.lit(value=True).alias("is_exact"),
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.lit(["all:exact"], TEXTS).alias("evidence"),
    )
    once = links.unique(["left", "right", "rule"], keep="first", maintain_order=True)
    between = once.select(
        *_named(first[once["left"]], "left"), *_named(first[once["right"]], "right"), pl.exclude("left", "right")
    )
    every = pl.concat([LINK.conform(between.lazy()), LINK.conform(same.lazy())]).collect()
    return every.sort(LINK.key)


def _named(records: pl.DataFrame, side: str) -> list[pl.Series]:
    return [records[name].alias(f"{side}_{name}") for name in _RECORD]
