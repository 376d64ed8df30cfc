"""Scores of pairs: match weight, log odds, and whether fields that may contradict do.

Applying a model to pairs belongs here; the model belongs in `model`, linking the pairs in `links` and `clusters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.clusters import find_uncompared_pairs, label_components
from cdp_pipelines.identity.model import LEAST_U
from cdp_pipelines.identity.patterns import PatternIndex, compare_as_patterns
from cdp_pipelines.identity.policy import LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

# No parent is younger than this many years more than a child.
GENERATION_YEARS = 13


def score_pairs(
    compared: pl.DataFrame, distinct: DistinctRecords, model: Model, policy: IdentityPolicy
) -> pl.DataFrame:
    """Pairs with their match weight and log odds; columns left, right, pattern, match_weight, log_odds and two more.

    `compared`: left, right, pattern. contradicts: a field declared so is at level other, and the log odds are against a
    match, or below the threshold where the birth dates are a generation apart (a father and a son may share all else);
    agrees: all such fields are at a better level.
    """
    patterns = PatternIndex.of(compared, policy.compared)
    last = {name: len(LEVELS[field.kind]) - 1 for name, field in policy.compared.items() if field.contradicts}
    differs, agrees = np.zeros(patterns.count, dtype=bool), np.ones(patterns.count, dtype=bool)
    for name, place in last.items():
        differs |= patterns.levels[name] == place
        agrees &= (patterns.levels[name] >= 0) & (patterns.levels[name] < place)
    scored = model.score(patterns, weigh_rarity(compared, patterns, distinct, model))
    limit = np.where(are_a_generation_apart(compared, distinct), policy.min_log_odds, 0.0)
    return compared.select("left", "right", "pattern").with_columns(
        *scored,
        pl.Series("contradicts", differs[patterns.of_pair] & (scored["log_odds"].to_numpy() < limit)),
        pl.Series("agrees", agrees[patterns.of_pair]),
    )


def are_a_generation_apart(pairs: pl.DataFrame, distinct: DistinctRecords) -> NDArray[np.bool_]:
    """Whether the birth years of each pair (left, right) differ by `GENERATION_YEARS` or more; false where unknown."""
    if "birth_date" not in distinct.codes.columns:
        return np.zeros(pairs.height, dtype=bool)
    years = distinct.values["birth_date"]["value"].str.head(4).cast(pl.Int64).gather(distinct.codes["birth_date"])
    left, right = (years.gather(pairs[side]) for side in ("left", "right"))
    return ((left - right).abs() >= GENERATION_YEARS).fill_null(value=False).to_numpy()


def weigh_rarity(
    pairs: pl.DataFrame, patterns: PatternIndex, distinct: DistinctRecords, model: Model
) -> dict[str, NDArray[np.float64]]:
    """Per field with term frequencies: log2 of its average chance agreement over the share of the pair's own value.

    `pairs`: left, right; `patterns`: their patterns. 0 where the pair does not agree exactly.
    """
    left = pairs["left"].to_numpy()
    rarity = {}
    for name, term in model.term_frequencies.items():
        codes, values = distinct.codes[name], distinct.values[name]
        # A value that came after the training counts as one record.
        counts = values.join(term.counts, on="digest", how="left", maintain_order="left")["record_count"].fill_null(1)
        share = np.append(counts.to_numpy(), 1) / max(1, term.record_count)
        of_value = np.log2(term.chance_agreement / np.maximum(share, LEAST_U))
        exact = np.flatnonzero((patterns.levels[name] == 0)[patterns.of_pair])
        rarity[name] = np.zeros(left.size)
        rarity[name][exact] = of_value[codes.fill_null(0).to_numpy()[left[exact]]]
    return rarity


def score_rest_of_groups(
    scored: pl.DataFrame, exact: pl.DataFrame, distinct: DistinctRecords, model: Model, policy: IdentityPolicy
) -> pl.DataFrame:
    """`scored` and, after them, the pairs that blocking did not find within each group of linked records.

    `exact`: links on identifiers and reviews. So a conflict within a group is seen, however its records came together.
    """
    group = label_components(
        distinct.count, pl.concat([select_ends(exact), select_ends(select_likely(scored, policy))])
    )
    rest = find_uncompared_pairs(group, distinct.is_identifying, scored)
    if rest.is_empty():
        return scored
    return pl.concat([scored, score_pairs(compare_as_patterns(rest, distinct, policy), distinct, model, policy)])


def select_likely(scored: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """The pairs from the threshold on."""
    return scored.filter(pl.col("log_odds") >= policy.min_log_odds)


def select_ends(pairs: pl.DataFrame) -> pl.DataFrame:
    """Left and right of pairs or links."""
    return pairs.select("left", "right")
