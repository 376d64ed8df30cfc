"""Training of recordlinkage's classifiers over our comparison levels: ecm, naive_bayes, logistic_regression, svm.

Features, training and the conversion to a `Model` belong here; the built-in classifier belongs in `fellegi_sunter`.
Every classifier of this module adds up a weight per feature, so each becomes match weights by field and level.

Features are 0 or 1 and speak for a match: a field reaches at least a level, and a field does not contradict. A missing
field reaches no level and does not contradict. It has to be neutral, so weights are relative to it: in the linear
classifiers its own sum is a part of the intercept; in ecm and naive_bayes a level's weight is log2(m/u), with m and u
among the pairs that have the field on both sides. A feature without variation, such as a field in which all candidate
pairs agree because it blocks, teaches nothing and is left out.

Source: de Bruin (2019), Python Record Linkage Toolkit; Platt (1999), Probabilistic outputs for support vector machines,
for the log odds of svm.
"""

from __future__ import annotations

from math import log, log2
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from cdp_pipelines.errors import TrainingError
from cdp_pipelines.identity.compare import MISSING
from cdp_pipelines.identity.fellegi_sunter import build_declared_model
from cdp_pipelines.identity.model import Model
from cdp_pipelines.identity.patterns import count_patterns, decode_patterns, encode_levels
from cdp_pipelines.identity.policy import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import IdentityPolicy

# Classifiers that learn from reviews, and how many pairs of each decision they need.
SUPERVISED, LEAST_REVIEWS = ("naive_bayes", "logistic_regression", "svm"), 20
# A level that was never seen is not impossible.
_LEAST = 1e-4
# Laplace's rule of succession: each outcome counts as seen once more.
_SMOOTHING = 1.0


def train_classifier(compared: pl.DataFrame, policy: IdentityPolicy, reviewed: pl.DataFrame) -> Model:
    """Train the classifier that the policy declares.

    `compared`: candidate pairs, from which ecm learns; `reviewed`: pairs that clerks decided on, with is_same, from
    which the others learn. Both with the levels of their pairs, or these as `pattern`. With too few candidate pairs ecm
    gives way to the declared probabilities. `TrainingError` if there are too few reviews.
    """
    if policy.classifier == "ecm":
        return _train_ecm(compared, policy) if compared.height >= policy.min_pairs else build_declared_model(policy)
    same = int(reviewed["is_same"].sum())
    if min(same, reviewed.height - same) < LEAST_REVIEWS:
        raise TrainingError(policy.classifier, LEAST_REVIEWS, same, reviewed.height - same)
    levels = decode_patterns(encode_levels(reviewed, policy.compared).to_numpy(), policy.compared)
    features = _drop_constant(build_features(levels, policy))
    is_same = reviewed["is_same"].to_numpy()
    if policy.classifier == "naive_bayes":
        return _train_naive_bayes(features, is_same, policy)
    return _train_linear(features, is_same, policy)


def build_features(levels: Mapping[str, NDArray[np.int64]], policy: IdentityPolicy) -> pl.DataFrame:
    """Columns of 0 and 1: `field>=level` for each level but the last, and `field!` for no contradiction."""
    features = {}
    for name, comparison in policy.compared.items():
        *better, _ = order = LEVELS[comparison.kind]
        for place, level in enumerate(better):
            features[f"{name}>={level}"] = (levels[name] >= 0) & (levels[name] <= place)
        features[f"{name}!"] = levels[name] != len(order) - 1
    return pl.DataFrame(features).cast(pl.Int8)


def _drop_constant(features: pl.DataFrame) -> pl.DataFrame:
    return features.select(name for name in features.columns if features[name].n_unique() > 1)


def _train_ecm(compared: pl.DataFrame, policy: IdentityPolicy) -> Model:
    """Without labels, on at most `random_pairs` candidate pairs, taken evenly from all patterns."""
    import recordlinkage

    levels, counts = count_patterns(compared, policy.compared)
    step = -(-compared.height // policy.random_pairs)
    rows = np.repeat(np.arange(counts.size), counts)[::step]
    features = _drop_constant(build_features({name: of_field[rows] for name, of_field in levels.items()}, policy))
    # The library takes the logarithm of a probability that has become 0, and stops with NaN. So each outcome is seen
    # once more in either class: a pair that agrees in all but one feature, and one that agrees in one alone.
    single = np.eye(features.width, dtype=np.int8)
    more = pl.DataFrame(np.vstack([1 - single, single]), schema=features.schema)
    classifier = recordlinkage.ECMClassifier(init="jaro", max_iter=200, atol=1e-5)
    classifier.fit(pl.concat([features, more]).to_pandas())
    return _read_probabilities(classifier, features.columns, policy)


def _train_naive_bayes(features: pl.DataFrame, is_same: NDArray[np.bool_], policy: IdentityPolicy) -> Model:
    import recordlinkage

    frame = features.to_pandas()
    classifier = recordlinkage.NaiveBayesClassifier(alpha=_SMOOTHING)
    classifier.fit(frame, frame.index[is_same])
    return _read_probabilities(classifier, features.columns, policy)


def _read_probabilities(classifier: Any, columns: list[str], policy: IdentityPolicy) -> Model:
    """The model of a classifier with m and u probabilities."""
    m, u = (_compute_level_probabilities(of, columns, policy) for of in (classifier.m_probs, classifier.u_probs))
    weights = {name: np.log2(m[name] / u[name]) for name in m}
    return _build_model(policy, weights, float(classifier.p), 0.0, m, u)


def _compute_level_probabilities(
    of_feature: Mapping[str, Mapping[int, float]], columns: list[str], policy: IdentityPolicy
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of the levels among pairs that have the field, from those of the features.

    The probability of a level is that of reaching it less that of reaching a better one.
    """
    found = {}
    for name, comparison in policy.compared.items():
        reached, probabilities = 0.0, []
        for level in LEVELS[comparison.kind][:-1]:
            feature = f"{name}>={level}"
            at_least = float(of_feature[feature][1]) if feature in columns else reached
            probabilities.append(max(at_least - reached, 0.0))
            reached = at_least
        contradicts = float(of_feature[f"{name}!"][0]) if f"{name}!" in columns else 0.0
        values = np.array([*probabilities, contradicts])
        found[name] = np.maximum(values / (values.sum() or 1.0), _LEAST)
    return found


def _train_linear(features: pl.DataFrame, is_same: NDArray[np.bool_], policy: IdentityPolicy) -> Model:
    """Logistic regression, or a support vector machine whose decision scores become log odds by Platt's method."""
    import recordlinkage

    frame = features.to_pandas()
    if policy.classifier == "logistic_regression":
        classifier = recordlinkage.LogisticRegressionClassifier()
        classifier.fit(frame, frame.index[is_same])
        coefficients, intercept = classifier.coefficients, float(classifier.intercept)
    else:
        machine = recordlinkage.SVMClassifier(random_state=0)
        machine.fit(frame, frame.index[is_same])
        scores = pl.DataFrame({"score": machine.kernel.decision_function(frame.values)}).to_pandas()
        scale = recordlinkage.LogisticRegressionClassifier()
        scale.fit(scores, scores.index[is_same])
        slope = float(scale.coefficients[0])
        coefficients = machine.kernel.coef_[0] * slope
        intercept = float(machine.kernel.intercept_[0]) * slope + float(scale.intercept)
    # Natural logarithms become bits.
    bits = dict(zip(features.columns, coefficients / log(2), strict=True))
    weights, missing_total = _sum_coefficients(bits, policy)
    match_share = float(is_same.mean())
    bias = intercept / log(2) + missing_total - log2(match_share / (1 - match_share))
    return _build_model(policy, weights, match_share, bias, {}, {})


def _sum_coefficients(
    coefficients: Mapping[str, float], policy: IdentityPolicy
) -> tuple[dict[str, NDArray[np.float64]], float]:
    """The weight of each level relative to a missing field, and the sum of all missing fields' coefficients."""
    weights, missing_total = {}, 0.0
    for name, comparison in policy.compared.items():
        count = len(LEVELS[comparison.kind])
        every = {other: np.full(count + 1, MISSING) for other in policy.compared}
        every[name] = np.array([*range(count), MISSING])
        features = build_features(every, policy).select(pl.col(f"^{name}(>=.*|!)$"))
        sums = features.to_numpy() @ np.array([coefficients.get(feature, 0.0) for feature in features.columns])
        weights[name] = sums[:-1] - sums[-1]
        missing_total += float(sums[-1])
    return weights, missing_total


def _build_model(
    policy: IdentityPolicy,
    weights: dict[str, NDArray[np.float64]],
    match_share: float,
    intercept: float,
    m: dict[str, NDArray[np.float64]],
    u: dict[str, NDArray[np.float64]],
) -> Model:
    kinds = {name: comparison.kind for name, comparison in policy.compared.items()}
    shares = (match_share, 0.0, 1 - match_share)
    return Model(kinds, weights, shares, f"learned by {policy.classifier}", intercept, m, u)
