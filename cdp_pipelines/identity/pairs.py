"""Candidate pairs and their comparison: each pair once, each field into a level, missing as null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from polars_strsim import jaro_winkler

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import Comparison, IdentityPolicy

DATES = ("birth_date",)
LEVELS = ("other", "initial", "close", "exact")


def block(nodes: pl.DataFrame, policy: IdentityPolicy) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """Pairs (left, right, rule) of nodes that agree on any blocking rule, and what each rule did.

    Key (left, right) with left < right; `rule` is the first rule that found the pair. Blocks of more than
    `policy.max_block` nodes are skipped and counted: a value that so many share is a placeholder or a switchboard.
    """
    found, report = [], []
    for fields in policy.blocking:
        rule = "+".join(fields)
        keyed = nodes.select("node", *fields).drop_nulls().with_columns(pl.len().over(fields).alias("size"))
        kept = keyed.filter(pl.col("size").is_between(2, policy.max_block))
        pairs = (
            kept.join(kept, on=list(fields), suffix="_right")
            .filter(pl.col("node") < pl.col("node_right"))
            .select(pl.col("node").alias("left"), pl.col("node_right").alias("right"), pl.lit(rule).alias("rule"))
        )
        found.append(pairs)
        skipped = keyed.filter(pl.col("size") > policy.max_block).select(pl.struct(fields).n_unique()).item()
        report.append({"rule": rule, "pairs": pairs.height, "blocks skipped": skipped})
    return pl.concat(found).unique(["left", "right"], keep="first", maintain_order=True).sort("left", "right"), report


def compare(pairs: pl.DataFrame, nodes: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """`pairs` with a column per compared field: its level, null where either side is missing.

    Where the field asks for it, `<field>_frequency` is the share of the nodes that say the left side's value, of all
    that say one.
    """
    fields = list(policy.comparisons)
    wide = pairs.join(nodes.select("node", *fields), left_on="left", right_on="node", maintain_order="left").join(
        nodes.select("node", *fields), left_on="right", right_on="node", suffix="_right", maintain_order="left"
    )
    for name, each in policy.comparisons.items():
        if each.close is not None and name not in DATES:
            wide = wide.join(_similarities(wide, name), on=[name, f"{name}_right"], how="left", maintain_order="left")
    counted = [name for name, each in policy.comparisons.items() if each.term_frequency]
    for name in counted:
        wide = wide.join(_frequencies(nodes, name), on=name, how="left", maintain_order="left")
    return wide.select(
        "left",
        "right",
        "rule",
        *(_level(name, each).alias(name) for name, each in policy.comparisons.items()),
        *(f"{name}_frequency" for name in counted),
    )


def _frequencies(nodes: pl.DataFrame, name: str) -> pl.DataFrame:
    values = nodes.select(name).drop_nulls()
    return values.group_by(name).agg((pl.len() / values.height).alias(f"{name}_frequency"))


def _similarities(wide: pl.DataFrame, name: str) -> pl.DataFrame:
    """Jaro-Winkler similarity (Winkler 1990) of each distinct pair of values that differ, as `<name>_similarity`."""
    both = [name, f"{name}_right"]
    distinct = wide.select(both).drop_nulls().filter(pl.col(name) != pl.col(f"{name}_right")).unique()
    # The plugin panics on frames of fewer than two rows; two that cannot be in the data make up for them.
    padded = pl.concat([distinct, pl.DataFrame({name: ["\0", "\1"], f"{name}_right": ["\2", "\3"]})])
    return padded.with_columns(jaro_winkler(*both).alias(f"{name}_similarity"))


def almost(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Two dates that one slip of the pen could make of one another: one part differs, or day and month are swapped."""
    parts = [
        part(left) == part(right) for part in (lambda d: d.dt.year(), lambda d: d.dt.month(), lambda d: d.dt.day())
    ]
    swapped = parts[0] & (left.dt.day() == right.dt.month()) & (left.dt.month() == right.dt.day())
    return (pl.sum_horizontal(part.cast(pl.Int8) for part in parts) == len(parts) - 1) | swapped


def _level(name: str, comparison: Comparison) -> pl.Expr:
    left, right = pl.col(name), pl.col(f"{name}_right")
    level = pl.when(left.is_null() | right.is_null()).then(None).when(left == right).then(pl.lit("exact"))
    if comparison.initial:
        is_initial = (left.str.len_chars() == 1) | (right.str.len_chars() == 1)
        same = left.str.head(1) == right.str.head(1)
        level = level.when(is_initial & same).then(pl.lit("initial"))
    if name in DATES:
        level = level.when(almost(left, right)).then(pl.lit("close"))
    elif comparison.close is not None:
        level = level.when(pl.col(f"{name}_similarity") >= comparison.close).then(pl.lit("close"))
    return level.otherwise(pl.lit("other"))
