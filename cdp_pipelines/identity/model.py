"""The Fellegi-Sunter model: match weights learned without labels by recordlinkage's ECMClassifier.

Its features are yes or no, and it takes missing for no. So each field gives one feature per level reached ("at least
close") and one that says "does not contradict"; a field that is missing then shows neither agreement nor
contradiction, and its weight is left out of the sum. Sources: Fellegi & Sunter (1969), A Theory for Record Linkage;
Meng & Rubin (1993), Maximum likelihood estimation via the ECM algorithm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from cdp_pipelines.identity.pairs import LEVELS

if TYPE_CHECKING:
    from recordlinkage import ECMClassifier

    from cdp_pipelines.identity.policy import IdentityPolicy

# A level that was never seen among matches, or among others, is not impossible.
_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class Model:
    """Match weights by field and level, the share of matches among the pairs, and how they came about."""

    weights: dict[str, dict[str, float]]
    prior: float
    origin: str

    def score(self, compared: pl.DataFrame) -> pl.DataFrame:
        """`compared` with `match_weight` (log2) and `probability` of being one person; missing fields add nothing."""
        weight = pl.sum_horizontal(
            pl.col(name).replace_strict(weights, default=0.0, return_dtype=pl.Float64).fill_null(0.0)
            for name, weights in self.weights.items()
        )
        odds = log2(self.prior / (1 - self.prior))
        return compared.with_columns(weight.alias("match_weight")).with_columns(
            (1 / (1 + 2.0 ** -(pl.col("match_weight") + odds).clip(-500, 500))).alias("probability")
        )


def learn(compared: pl.DataFrame, policy: IdentityPolicy) -> Model:
    """Weights from the pairs themselves, or the declared ones where there are too few pairs to learn from."""
    declared = Model(
        {name: dict(each.weights) for name, each in policy.comparisons.items()},
        policy.prior,
        "declared: too few pairs to learn from",
    )
    if compared.height < policy.min_pairs:
        return declared
    # Every n-th pair of a fixed order, so that the same pairs teach the same weights.
    sample = compared.gather_every(-(-compared.height // policy.max_pairs))
    features = pl.DataFrame(
        {
            f"{name}>={level}": _reaches(sample[name], level)
            for name, each in policy.comparisons.items()
            for level in LEVELS[1:]
            if level in each.weights
        }
        | {f"{name}!": (sample[name] != "other").fill_null(True) for name in policy.comparisons}
    )
    varied = features.select(name for name in features.columns if features[name].n_unique() > 1)
    # Imported here: it takes a second, and small data has no need of it.
    import recordlinkage

    frame = varied.cast(pl.Int8).to_pandas()
    frame.index = pd.MultiIndex.from_arrays([sample["left"].to_numpy(), sample["right"].to_numpy()])
    classifier = recordlinkage.ECMClassifier(init="jaro", max_iter=200, atol=1e-5)
    warnings = _fit(classifier, frame)
    m = {name: classifier.m_probs[name].get(1, 0.0) for name in varied.columns}
    u = {name: classifier.u_probs[name].get(1, 0.0) for name in varied.columns}
    weights = {name: _weights(name, tuple(each.weights), m, u) for name, each in policy.comparisons.items()}
    return Model(weights, float(classifier.p), "; ".join(["learned", *warnings]))


def _fit(classifier: ECMClassifier, frame: pd.DataFrame) -> list[str]:
    """Fit, and give what the classifier warns of: it logs to the root logger, where nobody looks.

    On few pairs a feature may never occur in a class; the fit then stops at the last iteration that was sound.
    """
    warnings: list[str] = []
    root = logging.getLogger()

    def take(record: logging.LogRecord) -> bool:
        warnings.append(record.getMessage())
        return False

    root.addFilter(take)
    try:
        # The logarithm of a probability of 0 is what the classifier's own stop is for.
        with np.errstate(divide="ignore", invalid="ignore"):
            classifier.fit(frame)
    finally:
        root.removeFilter(take)
    return warnings


def _reaches(levels: pl.Series, level: str) -> pl.Series:
    return levels.is_in(LEVELS[LEVELS.index(level) :]).fill_null(False)


def _weights(name: str, levels: tuple[str, ...], m: dict[str, float], u: dict[str, float]) -> dict[str, float]:
    """log2(m/u) per level: the probability of a level is that of reaching it less that of reaching the next."""
    found, m_above, u_above = {}, 0.0, 0.0
    for level in reversed(LEVELS[1:]):
        feature = f"{name}>={level}"
        if level in levels and feature in m:
            found[level] = log2(max(m[feature] - m_above, _LEAST) / max(u[feature] - u_above, _LEAST))
            m_above, u_above = m[feature], u[feature]
    if f"{name}!" in m:
        found["other"] = log2(max(1 - m[f"{name}!"], _LEAST) / max(1 - u[f"{name}!"], _LEAST))
    return found
