"""Candidate pairs: each pair once, over several blocking rules, none of which is allowed to explode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy


def block(frame: pl.DataFrame, policy: IdentityPolicy) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """Pairs (left, right) of nodes that agree on any blocking rule, and what each rule did.

    `frame`: node and the numbers of its values (`values.Nodes.frame`). Key (left, right) with left < right. A block of
    more than `policy.max_block` nodes is cut down by the fields of `policy.cut_by`, one after another; what is still
    too large then is skipped and counted: a value that so many share is a placeholder or a switchboard.
    """
    found, report = [], []
    for fields in policy.blocking:
        pairs, told = _of_rule(frame, fields, policy)
        found.append(pairs)
        report.append({"rule": "+".join(fields), **told})
    every = pl.concat(found)
    packed = every.select((pl.col("left").cast(pl.UInt64) * 2**32 + pl.col("right").cast(pl.UInt64)).alias("pair"))
    once = packed.unique().sort("pair")
    return once.select(
        (pl.col("pair") // 2**32).cast(pl.Int64).alias("left"), (pl.col("pair") % 2**32).cast(pl.Int64).alias("right")
    ), report


def _of_rule(
    frame: pl.DataFrame, fields: tuple[str, ...], policy: IdentityPolicy
) -> tuple[pl.DataFrame, dict[str, int]]:
    on, pairs, cut, largest = list(fields), [], 0, 0
    rest = frame.select("node", *dict.fromkeys([*fields, *policy.cut_by])).drop_nulls(on)
    for more in (None, *(name for name in policy.cut_by if name not in fields)):
        if more:
            on.append(more)
            rest = rest.drop_nulls(more)
        sized = rest.with_columns(pl.len().over(on).alias("size")).filter(pl.col("size") > 1)
        largest = max(largest, sized["size"].max() or 0)
        kept = sized.filter(pl.col("size") <= policy.max_block).select("node", *on)
        pairs.append(
            kept.join(kept, on=on, suffix="_right")
            .filter(pl.col("node") < pl.col("node_right"))
            .select(pl.col("node").alias("left"), pl.col("node_right").alias("right"))
        )
        rest = sized.filter(pl.col("size") > policy.max_block).drop("size")
        if more is None:
            cut = rest.select(on).n_unique() if rest.height else 0
        if rest.is_empty():
            break
    skipped = rest.select(on).n_unique() if rest.height else 0
    together = pl.concat(pairs)
    return together, {
        "pairs": together.height,
        "largest block": largest,
        "blocks cut down": cut,
        "blocks skipped": skipped,
    }
