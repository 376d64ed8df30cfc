"""Explanations: the match weight of a pair as a sum of steps, and the pairs that a clerk should review first.

Only what a resolution already knows is shown here; scoring belongs in `score`, drawing in `cli` and `reports`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.compare import MISSING, compare_pairs
from cdp_pipelines.identity.model import INTERCEPT
from cdp_pipelines.identity.patterns import PatternIndex, decode_patterns, encode_pattern
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.score import score_pairs, weigh_rarity
from cdp_pipelines.schema import RECORD_KEY

if TYPE_CHECKING:
    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.resolve import Resolution
    from cdp_pipelines.identity.values import DistinctRecords

PRIOR, RARITY, HOUSEHOLD = "odds of any two records", "rarity of the value", "may be of one household"
# Differences of log odds below this are rounding.
_ROUNDING = 1e-9


def build_waterfall(
    distinct: DistinctRecords, model: Model, policy: IdentityPolicy, left: int, right: int
) -> pl.DataFrame:
    """Steps (comparison, level, weight, total) from the odds of any two records to the log odds of a pair, in bits.

    `left`, `right`: two of `distinct`, the lesser first. Each comparison adds the match weight of its level, a rare
    value adds more, and that people of one household agree as well takes something off. The last total is the pair's
    log odds of being one person. Example: odds of any two records -18.2; first_name exact +7.1; ... total +9.6.
    """
    pair = pl.DataFrame({"left": [left], "right": [right]}, schema={"left": pl.Int64, "right": pl.Int64})
    compared = compare_pairs(pair, distinct, policy).with_columns(encode_pattern(policy.compared))
    log_odds = float(score_pairs(compared, distinct, model, policy)["log_odds"][0])
    patterns = PatternIndex.of(compared, policy.compared)
    rarity = {name: float(more[0]) for name, more in weigh_rarity(pair, patterns, distinct, model).items()}
    weights = model.weights_by_level()
    steps = [(PRIOR, "", model.prior_log_odds)]
    if model.intercept:
        steps.append((INTERCEPT, "", model.intercept))
    for name, kind in model.kinds.items():
        if compared[name][0] == MISSING:
            continue
        level = LEVELS[kind][compared[name][0]]
        steps.append((name, level, weights[name][level]))
        if rarity.get(name):
            steps.append((name, RARITY, rarity[name]))
    rest = log_odds - sum(weight for *_, weight in steps)
    if abs(rest) > _ROUNDING:
        steps.append((HOUSEHOLD, "", rest))
    table = pl.DataFrame(steps, schema=["comparison", "level", "weight"], orient="row")
    return table.with_columns(pl.col("weight").cum_sum().alias("total"))


def find_least_certain_pairs(resolution: Resolution, limit: int) -> pl.DataFrame:
    """Pairs of records that a clerk should review first: those whose log odds are nearest to even.

    Key (left_channel, left_source_record_id, right_channel, right_source_record_id), of the earliest records of
    distinct records; with log_odds, probability, is_linked, and levels as text, the least certain first.
    """
    records = resolution.distinct.records
    first = records.unique("distinct", keep="first", maintain_order=True)
    customer = (
        records.join(resolution.cluster, on=list(RECORD_KEY))
        .sort("distinct")
        .unique("distinct", maintain_order=True)["customer_id"]
    )
    scored, kinds = resolution.scored, resolution.model.kinds
    is_separate = customer.gather(scored["left"]) != customer.gather(scored["right"])
    doubted = (
        scored.filter(pl.col("is_linked") | is_separate)
        .with_columns(pl.col("log_odds").abs().alias("certainty"))
        .sort("certainty", "left", "right")
        .head(limit)
    )
    levels = decode_patterns(doubted["pattern"].to_numpy(), kinds)
    doubted = doubted.with_columns(pl.Series(name, of_field) for name, of_field in levels.items())
    evidence = [
        pl.concat_str(pl.lit(f"{name}:"), pl.col(name).replace_strict(dict(enumerate(LEVELS[kind])), default=None))
        for name, kind in kinds.items()
    ]
    sides = []
    for side in ("left", "right"):
        names = [pl.col(name).alias(f"{side}_{name}") for name in RECORD_KEY]
        of_side = first.select(pl.col("distinct").alias(side), *names)
        doubted = doubted.join(of_side, on=side, how="left", maintain_order="left")
        sides += [f"{side}_{name}" for name in RECORD_KEY]
    return doubted.select(
        *sides,
        "log_odds",
        (1 / (1 + 2.0 ** (-pl.col("log_odds")))).alias("probability"),
        "is_linked",
        pl.concat_list(evidence).list.drop_nulls().list.join(", ").alias("evidence"),
    )
