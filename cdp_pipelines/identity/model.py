"""Models that score pairs: the odds that two records are one person, from their comparison patterns.

A model and its rows in `identity/model` and `identity/frequency` belong here; how it is trained belongs in
`fellegi_sunter` and `recordlinkage_classifiers`, when in `model_refresh`. `Model` adds up a weight per field and level.
`FellegiSunterModel` knows three classes: one person, two people of one household, two people.

Sources: Fellegi & Sunter (1969), A Theory for Record Linkage; Winkler (1993), Improved decision rules in the
Fellegi-Sunter model, for the third class; Winkler (2000), Frequency-based matching in Fellegi-Sunter model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.schema import FREQUENCY, MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cdp_pipelines.identity.patterns import PatternIndex
    from cdp_pipelines.identity.policy import IdentityPolicy, Kind
    from cdp_pipelines.schema import FrequencyRows, ModelRows

    # By field, one value per level in the order of `LEVELS`.
    ByLevel = Mapping[str, NDArray[np.float64]]

MATCH, HOUSEHOLD, NON_MATCH = range(3)
SHARES = ("match_share", "household_share", "non_match_share")
# The row of the table that holds the weight which every pair has.
INTERCEPT = "intercept"
LEAST_U = 1e-9


@dataclass(frozen=True, slots=True)
class TermFrequency:
    """How often the values of one field occur when the model is trained.

    `chance_agreement`: the average probability that two people agree exactly by chance; `record_count`: distinct
    records that have the field; `counts`: digest and record_count of each value of two and more records.
    """

    chance_agreement: float
    record_count: int
    counts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Model:
    """Match weights (log2) by field and level, added up; a missing field adds nothing.

    `shares`: of matches, of pairs of one household, and of other pairs, among the pairs that the model is about;
    `origin`: how it came about, in words; `intercept`: a weight that every pair has; `m`, `u`: probabilities of the
    levels among records of one person and of two, where the classifier has them.
    """

    kinds: Mapping[str, Kind]
    weights: ByLevel
    shares: tuple[float, float, float]
    origin: str
    intercept: float = 0.0
    m: ByLevel = field(default_factory=dict)
    u: ByLevel = field(default_factory=dict)
    term_frequencies: Mapping[str, TermFrequency] = field(default_factory=dict)

    @property
    def prior_log_odds(self) -> float:
        """log2 odds of a match before anything is compared."""
        return log2(self.shares[MATCH] / (1 - self.shares[MATCH]))

    def score(self, patterns: PatternIndex, rarity: Mapping[str, NDArray[np.float64]]) -> pl.DataFrame:
        """`match_weight` and `log_odds` (both log2) of being one person, one row per pair.

        `rarity`: field to log2 of how much rarer than the average the pair's common value is (`weigh_rarity`), 0 where
        it does not agree. The log odds are the match weight and the prior log odds.
        """
        weight = self.intercept + sum_by_level(patterns.levels, self.weights)[patterns.of_pair]
        for more in rarity.values():
            weight = weight + more
        return pl.DataFrame({"match_weight": weight, "log_odds": weight + self.prior_log_odds})

    def weights_by_level(self) -> dict[str, dict[str, float]]:
        """Match weights by field and name of level."""
        return {
            name: dict(zip(LEVELS[kind], map(float, self.weights[name]), strict=True))
            for name, kind in self.kinds.items()
        }

    def list_levels(self) -> pl.DataFrame:
        """Per field and level: m_probability, household_probability, u_probability, match_weight; null if unknown."""
        rows = [
            (name, level, *(_take(by_level, name, place) for by_level in (self.m, self._household(), self.u)),
             float(self.weights[name][place]))
            for name, kind in self.kinds.items()
            for place, level in enumerate(LEVELS[kind])
        ]  # fmt: skip
        if self.intercept:
            rows.append((INTERCEPT, "all", None, None, None, self.intercept))
        names = ("field", "level", "m_probability", "household_probability", "u_probability", "match_weight")
        return pl.DataFrame(rows, schema={name: MODEL.schema[name] for name in names}, orient="row")

    def to_rows(self) -> tuple[pl.DataFrame, FrequencyRows]:
        """Columns of `MODEL` that the model knows by itself, and `FREQUENCY`."""
        terms = self.term_frequencies
        chance = {name: term.chance_agreement for name, term in terms.items()}
        count = {name: term.record_count for name, term in terms.items()}
        rows = self.list_levels().with_columns(
            pl.col("field").replace_strict(chance, default=None, return_dtype=pl.Float64).alias("chance_agreement"),
            pl.col("field").replace_strict(count, default=None, return_dtype=pl.Int64).alias("record_count"),
            *(pl.lit(share, pl.Float64).alias(name) for name, share in zip(SHARES, self.shares, strict=True)),
            pl.lit(self.origin).alias("origin"),
        )
        counts = [
            term.counts.select(pl.lit(name).alias("field"), "digest", "record_count") for name, term in terms.items()
        ]
        frequency = FREQUENCY.conform(pl.concat([FREQUENCY.empty(), *counts]).lazy()).collect()
        return rows, frequency.sort(FREQUENCY.key)

    def _household(self) -> ByLevel:
        return {}


@dataclass(frozen=True, slots=True)
class FellegiSunterModel(Model):
    """The three-class model: `household` are the probabilities of the levels among people of one household.

    `household_fields`: fields that people of one household share (`of_household`).
    """

    household: ByLevel = field(default_factory=dict)
    household_fields: frozenset[str] = frozenset()

    def score(self, patterns: PatternIndex, rarity: Mapping[str, NDArray[np.float64]]) -> pl.DataFrame:
        """`match_weight` and `log_odds`, as `Model.score`.

        The match weight is log2 of the pair's probability in one person over that in two people, whether or not these
        share a household.
        """
        match, household, other = (
            compute_likelihood(patterns.levels, by_level)[patterns.of_pair]
            for by_level in (self.m, self.household, self.u)
        )
        for name, more in rarity.items():
            other -= more
            if name not in self.household_fields:
                household -= more
        shares = np.log2(np.maximum(self.shares, 1e-300))
        rest = np.logaddexp2(shares[HOUSEHOLD] + household, shares[NON_MATCH] + other)
        total = np.logaddexp2(shares[HOUSEHOLD], shares[NON_MATCH])
        return pl.DataFrame({"match_weight": match - (rest - total), "log_odds": shares[MATCH] + match - rest})

    def _household(self) -> ByLevel:
        return self.household


def build_fellegi_sunter(
    policy: IdentityPolicy,
    m: ByLevel,
    household: ByLevel,
    u: ByLevel,
    shares: tuple[float, float, float],
    origin: str,
    term_frequencies: Mapping[str, TermFrequency] | None = None,
) -> FellegiSunterModel:
    """The three-class model of these probabilities."""
    return FellegiSunterModel(
        kinds={name: comparison.kind for name, comparison in policy.compared.items()},
        weights={name: np.array([log2(one / two) for one, two in zip(m[name], u[name], strict=True)]) for name in m},
        shares=shares,
        origin=origin,
        m=m,
        u=u,
        term_frequencies=term_frequencies or {},
        household=household,
        household_fields=list_household_fields(policy),
    )


def load_model(rows: ModelRows, frequency: FrequencyRows, policy: IdentityPolicy) -> Model:
    """The model that `policy` trained, from its rows of `MODEL` and `FREQUENCY`."""
    by_level = {(row["field"], row["level"]): row for row in rows.iter_rows(named=True)}
    kinds = {name: comparison.kind for name, comparison in policy.compared.items()}
    of_field = {name: [by_level[name, level] for level in LEVELS[kind]] for name, kind in kinds.items()}
    first = rows.row(0, named=True)
    match, household, non_match = (first[name] for name in SHARES)
    terms = {
        name: TermFrequency(
            levels[0]["chance_agreement"],
            levels[0]["record_count"],
            frequency.filter(pl.col("field") == name).select("digest", "record_count"),
        )
        for name, levels in of_field.items()
        if levels[0]["chance_agreement"] is not None
    }

    def read(column: str) -> ByLevel:
        """A column by field; of no field if the model has no such probabilities."""
        read = {name: [row[column] for row in levels] for name, levels in of_field.items()}
        is_known = all(value is not None for values in read.values() for value in values)
        return {name: np.array(values) for name, values in read.items()} if is_known else {}

    m, u, of_household = read("m_probability"), read("u_probability"), read("household_probability")
    shares = (match, household, non_match)
    if of_household:
        return build_fellegi_sunter(policy, m, of_household, u, shares, first["origin"], terms)
    intercept = by_level.get((INTERCEPT, "all"), {"match_weight": 0.0})["match_weight"]
    return Model(kinds, read("match_weight"), shares, first["origin"], intercept, m, u, terms)


def list_household_fields(policy: IdentityPolicy) -> frozenset[str]:
    """Fields that people of one household share."""
    return frozenset(name for name, comparison in policy.compared.items() if comparison.of_household)


def compute_likelihood(levels: Mapping[str, NDArray[np.int64]], probabilities: ByLevel) -> NDArray[np.float64]:
    """log2 probability of each pattern in a class, fields taken as independent; a missing field is certain."""
    return sum_by_level(levels, {name: np.log2(probabilities[name]) for name in levels})


def sum_by_level(levels: Mapping[str, NDArray[np.int64]], values: ByLevel) -> NDArray[np.float64]:
    """The sum of the values of each pattern's levels; a missing field (level -1) adds 0."""
    total = np.zeros(next(iter(levels.values())).size)
    for name, of_field in levels.items():
        total = total + np.append(values[name], 0.0)[of_field]
    return total


def _take(by_level: ByLevel, name: str, place: int) -> float | None:
    return float(by_level[name][place]) if name in by_level else None
