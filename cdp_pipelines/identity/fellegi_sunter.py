"""Training of the Fellegi-Sunter model with three classes: one person, two people of one household, two people.

Estimating its probabilities belongs here; the model itself belongs in `model`. u, the probability of a level among two
people, is counted: exact agreement on all pairs there are, the other levels on random pairs. m, the probability among
records of one person, and that among people of one household, are estimated by expectation maximisation with fixed u,
on the candidate pairs of all blocking rules at once, each rule for the fields that it leaves free, because its own
fields agree in all its pairs. People of one household share the fields declared as `of_household`, and agree in all
others by chance. Missing fields add nothing.

Source: Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.compare import MISSING
from cdp_pipelines.identity.model import (
    HOUSEHOLD,
    LEAST_U,
    MATCH,
    FellegiSunterModel,
    TermFrequency,
    build_fellegi_sunter,
    compute_likelihood,
)
from cdp_pipelines.identity.patterns import count_patterns, decode_patterns, encode_levels
from cdp_pipelines.identity.policy import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cdp_pipelines.identity.model import ByLevel
    from cdp_pipelines.identity.policy import Comparison, IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

# A level that was never seen is not impossible.
LEAST_M = 1e-4
ROUNDS = 200
CONVERGED = 1e-7
# Shares of the classes with which estimation starts, and the least that a class keeps.
_FIRST_SHARES, _LEAST_SHARE = (0.4, 0.2, 0.4), 1e-9
DECLARED = "declared: too few pairs to learn from"


def build_declared_model(policy: IdentityPolicy) -> FellegiSunterModel:
    """The model of the declared probabilities, for data with too few pairs to learn from."""
    m, u = ({name: np.array(of.declared(which)) for name, of in policy.compared.items()} for which in ("m", "u"))
    household = {name: _start_household(of, m[name], u[name]) for name, of in policy.compared.items()}
    rest = (1 - policy.prior) / 2
    return build_fellegi_sunter(policy, m, household, u, (policy.prior, rest, rest), DECLARED)


def train_fellegi_sunter(
    compared: pl.DataFrame,
    distinct: DistinctRecords,
    policy: IdentityPolicy,
    reviewed: pl.DataFrame,
    random: pl.DataFrame,
) -> FellegiSunterModel:
    """Estimate the probabilities from the pairs themselves, or take the declared ones if there are too few pairs.

    `compared`: candidate pairs; `random`: those of `sample_random_pairs`; `reviewed`: pairs that clerks decided on,
    with is_same, few or none. Each with the levels of its pairs, or these as `pattern`.
    """
    if compared.height < policy.min_pairs:
        return build_declared_model(policy)
    u = count_chance_agreement(distinct, policy, random)
    m, household = run_em(compared, u, policy, reviewed)
    terms = {
        name: _count_terms(distinct, name, float(u[name][0]))
        for name, comparison in policy.compared.items()
        if comparison.term_frequency
    }
    identifying_count = distinct.identifying_codes.height
    pair_count = identifying_count * (identifying_count - 1) / 2
    shares = _estimate_shares((m, household, u), compared, pair_count)
    return build_fellegi_sunter(policy, m, household, u, shares, "learned", terms)


def _count_terms(distinct: DistinctRecords, name: str, chance_agreement: float) -> TermFrequency:
    counts = np.bincount(distinct.codes[name].drop_nulls().to_numpy(), minlength=1)
    values = distinct.values[name]
    of_value = pl.Series(counts[: values.height], dtype=pl.Int64)
    shared = values.select("digest", record_count=of_value).filter(pl.col("record_count") > 1)
    return TermFrequency(chance_agreement, int(counts.sum()), shared)


def count_chance_agreement(distinct: DistinctRecords, policy: IdentityPolicy, random: pl.DataFrame) -> ByLevel:
    """u: the probability of each level among two identifying distinct records that both have the field.

    Exact agreement is counted over all pairs; the rest is divided among the other levels as on `random` pairs.
    """
    codes = distinct.identifying_codes
    levels, pair_counts = count_patterns(random, policy.compared)
    u = {}
    for name, comparison in policy.compared.items():
        counts = np.bincount(codes[name].drop_nulls().to_numpy(), minlength=1).astype(float)
        record_count = counts.sum()
        exact = float((counts * (counts - 1)).sum() / max(1.0, record_count * (record_count - 1)))
        below = levels[name] > 0
        seen = np.bincount(levels[name][below], weights=pair_counts[below], minlength=len(LEVELS[comparison.kind]))
        # Added as one pair: a level that no random pair reached gets its declared part.
        smoothed = seen + np.array(comparison.declared("u"))
        u[name] = _normalise(np.append(exact, smoothed[1:] / smoothed.sum() * (1 - exact)), LEAST_U)
    return u


def run_em(
    compared: pl.DataFrame, u: ByLevel, policy: IdentityPolicy, reviewed: pl.DataFrame
) -> tuple[ByLevel, ByLevel]:
    """Estimate m and the household probabilities by expectation maximisation with fixed u.

    m starts as declared, so that matches are the class that agrees, and the declaration weighs as much as `min_pairs`
    pairs: a field that hardly any match has on both sides keeps it. Reviewed matches are certain. Ends when the
    likelihood (with that of the declaration) no longer rises; no round lowers it.
    """
    comparisons = policy.compared
    declared = {name: np.array(comparison.declared("m")) for name, comparison in comparisons.items()}
    m: ByLevel = dict(declared)
    household: ByLevel = {name: _start_household(of, m[name], u[name]) for name, of in comparisons.items()}
    parts = _split_by_rule(*count_patterns(compared, comparisons), policy)
    shares = [np.array(_FIRST_SHARES)] * len(parts)
    certain = _count_levels(reviewed.filter("is_same"), declared)
    previous = -np.inf
    for _ in range(ROUNDS):
        seen = [{name: np.zeros(values.size) for name, values in declared.items()} for _ in (MATCH, HOUSEHOLD)]
        likelihood = 0.0
        for number, (levels, counts) in enumerate(parts):
            expected, of_part = _expect(levels, counts, (m, household, u), shares[number])
            likelihood += of_part
            shares[number] = np.maximum(expected.sum(axis=1) / counts.sum(), _LEAST_SHARE)
            for name, level in levels.items():
                is_present = level != MISSING
                for of_class in (MATCH, HOUSEHOLD):
                    seen[of_class][name] += np.bincount(
                        level[is_present], weights=expected[of_class][is_present], minlength=declared[name].size
                    )
        m = {
            name: _normalise(seen[MATCH][name] + certain[name] + policy.min_pairs * declared[name], LEAST_M)
            for name in comparisons
        }
        household = {
            name: _normalise(seen[HOUSEHOLD][name] + declared[name], LEAST_M)
            if comparison.of_household is True
            else household[name]
            for name, comparison in comparisons.items()
        }
        if likelihood - previous < CONVERGED * abs(likelihood):
            break
        previous = likelihood
    return m, household


def _expect(
    levels: Mapping[str, NDArray[np.int64]],
    counts: NDArray[np.float64],
    classes: tuple[ByLevel, ByLevel, ByLevel],
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """The expected number of pairs of each class (row) with each pattern, and the log2 likelihood of all pairs."""
    logs = np.stack([compute_likelihood(levels, of_class) for of_class in classes]) + np.log2(shares)[:, None]
    total = np.logaddexp2.reduce(logs, axis=0)
    return np.exp2(logs - total) * counts, float((counts * total).sum())


def _count_levels(compared: pl.DataFrame, sizes: ByLevel) -> dict[str, NDArray[np.int64]]:
    """How many of the pairs reach each level, by field."""
    levels = decode_patterns(encode_levels(compared, sizes).to_numpy(), sizes)
    return {name: np.bincount(levels[name][levels[name] >= 0], minlength=sizes[name].size) for name in sizes}


def _split_by_rule(
    levels: Mapping[str, NDArray[np.int64]], counts: NDArray[np.int64], policy: IdentityPolicy
) -> list[tuple[Mapping[str, NDArray[np.int64]], NDArray[np.float64]]]:
    """Per blocking rule on compared fields alone: the patterns of its pairs in the fields that it leaves free."""
    parts: list[tuple[Mapping[str, NDArray[np.int64]], NDArray[np.float64]]] = []
    floats = counts.astype(float)
    for fields in policy.blocking:
        if not {*fields} <= {*levels}:
            continue
        is_of_rule = np.logical_and.reduce([levels[name] == 0 for name in fields])
        free = {name: of_field[is_of_rule] for name, of_field in levels.items() if name not in fields}
        if floats[is_of_rule].sum() >= policy.min_pairs and free:
            parts.append((free, floats[is_of_rule]))
    return parts or [(levels, floats)]


def _estimate_shares(
    classes: tuple[ByLevel, ByLevel, ByLevel], compared: pl.DataFrame, pair_count: float
) -> tuple[float, float, float]:
    """Shares of the classes among all pairs, at which the model expects as many; pairs no rule finds are two people."""
    levels, counts = count_patterns(compared, classes[MATCH])
    shares = np.array([compared.height * 0.3, compared.height * 0.3, pair_count]) / pair_count
    for _ in range(ROUNDS):
        expected = _expect(levels, counts.astype(float), classes, shares)[0].sum(axis=1)
        found = np.maximum(expected[:2], 1.0) / pair_count
        is_settled = np.abs(found - shares[:2]).max() < CONVERGED * found.max()
        shares = np.array([*found, 1 - found.sum()])
        if is_settled:
            break
    match, household, non_match = map(float, shares)
    return match, household, non_match


def _start_household(comparison: Comparison, m: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """The household probabilities with which estimation starts."""
    if comparison.of_household is True:
        return m
    exact = max(float(comparison.of_household), u[0])
    start: NDArray[np.float64] = np.maximum(np.append(exact, u[1:] / u[1:].sum() * (1 - exact)), LEAST_U)
    return start


def _normalise(counts: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Counts as probabilities, none below `least`."""
    normal: NDArray[np.float64] = np.maximum(counts / (counts.sum() or 1.0), least)
    return normal
