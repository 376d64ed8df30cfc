"""Why two records are, or are not, held to be one person: the match weight as a sum, bit by bit."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.compare import MISSING, compare_pairs
from cdp_pipelines.identity.model import PatternIndex, decode_patterns, encode_pattern, weigh_term_frequency
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.resolve import score_pairs

if TYPE_CHECKING:
    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.resolve import Resolution
    from cdp_pipelines.identity.values import DistinctRecords

PRIOR, RARE, HOUSEHOLD = "odds of any two records", "how common the value is", "may be of one household"


def build_waterfall(
    nodes: DistinctRecords, model: Model, policy: IdentityPolicy, left: int, right: int
) -> pl.DataFrame:
    """Steps (comparison, level, weight, total) from the odds of any two records to the log odds of a pair, log2.

    `left`, `right`: two of `nodes`, the lesser first. Each comparison adds log2(m/u) of its level, a rare value
    something more, and that people of one household agree as well takes something off. The last total is the pair's log
    odds of being one person.
    """
    pair = pl.DataFrame({"left": [left], "right": [right]}, schema={"left": pl.Int64, "right": pl.Int64})
    names = list(policy.comparisons)
    compared = compare_pairs(pair, nodes, policy).with_columns(encode_pattern(names))
    scored = score_pairs(compared, nodes, model, policy)
    of = PatternIndex.of(compared, names)
    rare = {name: float(more[0]) for name, more in weigh_term_frequency(pair, of, nodes, model).items()}
    match, *_ = model.shares
    steps = [(PRIOR, "", log2(match / (1 - match)))]
    for name, kind in model.kinds.items():
        level = compared[name][0]
        if level != MISSING:
            steps.append((name, LEVELS[kind][level], model.weights[name][LEVELS[kind][level]]))
            if more := rare.get(name, 0.0):
                steps.append((name, RARE, more))
    told = sum(weight for *_, weight in steps)
    steps.append((HOUSEHOLD, "", float(scored["log_odds"][0]) - told))
    return pl.DataFrame(steps, schema=["comparison", "level", "weight"], orient="row").with_columns(
        pl.col("weight").cum_sum().alias("total")
    )


def find_least_certain_pairs(found: Resolution, limit: int) -> pl.DataFrame:
    """Pairs of records that a clerk would best look at: those whose log odds are nearest to even.

    Key (left_channel, left_source_record_id, right_channel, right_source_record_id), of nodes' earliest records; with
    log_odds, probability, is_linked, and levels as texts, the least certain first.
    """
    first = found.nodes.records.unique("node", keep="first", maintain_order=True)
    customer = (
        found.nodes.records.join(found.cluster, on=["channel", "source_record_id"])
        .sort("node")
        .unique("node", maintain_order=True)["customer_id"]
    )
    is_apart = customer.gather(found.scored["left"]) != customer.gather(found.scored["right"])
    doubted = (
        found.scored.filter(pl.col("is_linked") | is_apart)
        .with_columns(pl.col("log_odds").abs().alias("doubt"))
        .sort("doubt", "left", "right")
        .head(limit)
    )
    doubted = doubted.with_columns(
        pl.Series(name, each)
        for name, each in decode_patterns(doubted["pattern"].to_numpy(), list(found.model.kinds)).items()
    )
    named = [
        pl.concat_str(pl.lit(f"{name}:"), pl.col(name).replace_strict(dict(enumerate(LEVELS[kind])), default=None))
        for name, kind in found.model.kinds.items()
    ]
    for side in ("left", "right"):
        doubted = doubted.join(
            first.select(
                pl.col("node").alias(side),
                pl.col("channel").alias(f"{side}_channel"),
                pl.col("source_record_id").alias(f"{side}_source_record_id"),
            ),
            on=side,
            how="left",
            maintain_order="left",
        )
    return doubted.select(
        "left_channel",
        "left_source_record_id",
        "right_channel",
        "right_source_record_id",
        "log_odds",
        (1 / (1 + 2.0 ** (-pl.col("log_odds")))).alias("probability"),
        "is_linked",
        pl.concat_list(named).list.drop_nulls().list.join(", ").alias("evidence"),
    )
