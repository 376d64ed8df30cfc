"""The Fellegi-Sunter model with three classes: one person, two people of one household, two people.

u, the probability of a level among two people, is counted: exact agreement on all pairs there are, the other levels
on random pairs. m, that among records of one person, and h, that among people of one household, are learned by
expectation maximisation with u held, on the pairs of all blocking rules at once, each rule for the fields that it does
not fix, for those agree in all its pairs. People of one household share what is declared so (`of_household`); in all
else they agree by chance. Missing fields add nothing. recordlinkage's ECMClassifier learns m and u at once from
blocked pairs alone: there the fields that block seem to say nothing, and households look like one person.

Sources: Fellegi & Sunter (1969), A Theory for Record Linkage; Dempster, Laird & Rubin (1977), Maximum likelihood from
incomplete data via the EM algorithm; Winkler (1993), Improved decision rules in the Fellegi-Sunter model, for the
third class; Winkler (2000), Frequency-based matching in Fellegi-Sunter model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log2
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.compare import MISSING
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.schema import FREQUENCY, MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.identity.policy import Comparison, IdentityPolicy, Kind
    from cdp_pipelines.identity.values import DistinctRecords

# A level that was never seen is not impossible.
LEAST_M, LEAST_U = 1e-4, 1e-9
ROUNDS = 200
CLOSE_ENOUGH = 1e-7
# Each pattern of levels as one number: a digit of base 16 per field.
BASE = 16
Probabilities = dict[str, np.ndarray]
MATCH, HOUSEHOLD, OTHER = range(3)
_SHARES = ("one_person", "one_household", "two_people")
_OF_MODEL = {"field", "level", "m", "h", "u", "common", "told", *_SHARES, "origin"}


@dataclass(frozen=True, slots=True)
class Model:
    """Probabilities by field and level (places in `LEVELS`) in each class, shares of the classes among all pairs.

    `common`: field to the average probability of an exact agreement by chance, by which a value's own is measured;
    `frequency`: how often nodes said each value (digest, n) of these fields, but those said once, and `told`, how many
    nodes said any.
    """

    kinds: Mapping[str, Kind]
    m: Probabilities
    h: Probabilities
    u: Probabilities
    shares: tuple[float, float, float]
    origin: str
    common: Mapping[str, float] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    frequency: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)

    def score(self, of: PatternIndex, rare: Mapping[str, np.ndarray]) -> pl.DataFrame:
        """`match_weight` and `log_odds` (both log2) of being one person, of each pair.

        `rare`: field to log2 of how much rarer than the average the value is on which a pair agrees, 0 elsewhere
        (`rarity`). The match weight is log2 of the pair's probability in one person over that in two, as the two may
        be of one household or not; log odds are the match weight and the odds of a match among all pairs.
        """
        match, household, other = (compute_likelihood(of.levels, each)[of.at] for each in (self.m, self.h, self.u))
        for name, more in rare.items():
            other -= more
            if name not in self.shared:
                household -= more
        shares = np.log2(np.maximum(self.shares, 1e-300))
        rest = np.logaddexp2(shares[HOUSEHOLD] + household, shares[OTHER] + other)
        total = np.logaddexp2(shares[HOUSEHOLD], shares[OTHER])
        return pl.DataFrame({"match_weight": match - (rest - total), "log_odds": shares[MATCH] + match - rest})

    @property
    def weights(self) -> dict[str, dict[str, float]]:
        """Match weights, log2(m/u), by field and level."""
        return {
            name: {level: log2(m / u) for level, m, u in zip(LEVELS[kind], self.m[name], self.u[name], strict=True)}
            for name, kind in self.kinds.items()
        }

    def rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The model as columns of `MODEL` (field, level, m, h, u, common, told, shares, origin), and `FREQUENCY`."""
        rows = [
            (name, level, *(float(of[name][at]) for of in (self.m, self.h, self.u)), self.common.get(name),
             self.told.get(name), *self.shares, self.origin)
            for name, kind in self.kinds.items()
            for at, level in enumerate(LEVELS[kind])
        ]  # fmt: skip
        names = [name for name in MODEL.schema if name in _OF_MODEL]
        each = [of.select(pl.lit(name).alias("field"), "digest", "n") for name, of in self.frequency.items()]
        frequency = FREQUENCY.conform(pl.concat([FREQUENCY.empty(), *each]).lazy()).collect()
        return (
            pl.DataFrame(rows, schema={name: MODEL.schema[name] for name in names}, orient="row"),
            frequency.sort(FREQUENCY.key),
        )

    @classmethod
    def of(cls, rows: pl.DataFrame, frequency: pl.DataFrame, policy: IdentityPolicy) -> Model:
        """The model of `rows` (`MODEL`) and `frequency` (`FREQUENCY`), which was learned by `policy`."""
        told = {(row["field"], row["level"]): row for row in rows.iter_rows(named=True)}
        kinds = {name: each.kind for name, each in policy.comparisons.items()}
        of_level = {name: [told[name, level] for level in LEVELS[kind]] for name, kind in kinds.items()}
        m, h, u = ({name: np.array([row[of] for row in each]) for name, each in of_level.items()} for of in "mhu")
        first = {name: each[0] for name, each in of_level.items()}
        common = {name: row["common"] for name, row in first.items() if row["common"] is not None}
        one = rows.row(0, named=True)
        return cls(
            kinds, m, h, u, tuple(one[name] for name in _SHARES), one["origin"], common, _shared(policy),
            {name: frequency.filter(pl.col("field") == name).select("digest", "n") for name in common},
            {name: first[name]["told"] for name in common},
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PatternIndex:
    """The distinct patterns of pairs, as levels of each field, and which of them each pair has.

    There are few of them: what depends on levels alone is worked out once for each.
    """

    levels: Mapping[str, np.ndarray]
    at: np.ndarray

    @classmethod
    def of(cls, compared: pl.DataFrame, names: list[str]) -> PatternIndex:
        """Patterns of `compared`, which has the levels of the fields `names`, or them as one number (`pattern`)."""
        codes = encode_levels(compared, names)
        distinct = codes.unique().sort().to_frame()
        at = codes.to_frame().join(distinct.with_row_index("at"), on="pattern", how="left", maintain_order="left")["at"]
        return cls(decode_patterns(distinct["pattern"].to_numpy(), names), at.to_numpy())


def encode_levels(compared: pl.DataFrame, names: list[str]) -> pl.Series:
    """The pattern of each pair, as it is there or from its levels."""
    return compared["pattern"] if "pattern" in compared.columns else compared.select(encode_pattern(names)).to_series()


def encode_pattern(names: list[str]) -> pl.Expr:
    """Levels of all fields as one number."""
    return pl.sum_horizontal(
        (pl.col(name).cast(pl.Int64) - MISSING) * BASE**place for place, name in enumerate(names)
    ).alias("pattern")


def decode_patterns(patterns: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Field to its level in each pattern."""
    return {name: (patterns // BASE**place % BASE) + MISSING for place, name in enumerate(names)}


def compute_likelihood(levels: Mapping[str, np.ndarray], of: Probabilities) -> np.ndarray:
    """log2 probability of each pattern in a class, fields taken as independent; a missing field is certain."""
    told = 0.0
    for name, each in levels.items():
        told = told + np.append(np.log2(of[name]), 0.0)[each]
    return told


def weigh_term_frequency(
    pairs: pl.DataFrame, of: PatternIndex, nodes: DistinctRecords, model: Model
) -> dict[str, np.ndarray]:
    """Per field of `model.common`: log2 of its average chance agreement over the share of the pair's own value.

    `pairs`: left, right; `of`: their patterns.
    """
    found, left = {}, pairs["left"].to_numpy()
    for name, average in model.common.items():
        numbers, values = nodes.frame[name], nodes.values[name]
        # A value that was not there yet when the model was learned counts as said once.
        times = values.join(model.frequency[name], on="digest", how="left", maintain_order="left")["n"].fill_null(1)
        share = np.append(times.to_numpy(), 1) / max(1, model.told[name])
        of_value = np.log2(average / np.maximum(share, LEAST_U))
        exact = np.flatnonzero((of.levels[name] == 0)[of.at])
        found[name] = np.zeros(left.size)
        found[name][exact] = of_value[numbers.fill_null(0).to_numpy()[left[exact]]]
    return found


def fit_model(
    compared: pl.DataFrame, nodes: DistinctRecords, policy: IdentityPolicy, labels: pl.DataFrame, random: pl.DataFrame
) -> Model:
    """Probabilities from the pairs themselves, or the declared ones where there are too few pairs to learn from.

    `compared`, `labels`, `random` (`random_pairs`): pairs with their levels, or these as their pattern; labels have
    is_same besides, and are few or none.
    """
    comparisons = policy.comparisons
    kinds = {name: each.kind for name, each in comparisons.items()}
    shared = _shared(policy)
    if compared.height < policy.min_pairs:
        m, u = ({name: np.array(each.declared(which)) for name, each in comparisons.items()} for which in ("m", "u"))
        h = {name: _of_household(each, m[name], u[name]) for name, each in comparisons.items()}
        rest = (1 - policy.prior) / 2
        shares = (policy.prior, rest, rest)
        return Model(kinds, m, h, u, shares, "declared: too few pairs to learn from", shared=shared)
    u = agreement_by_chance(nodes, policy, random)
    m, h = run_em(compared, u, policy, labels)
    common = {name: float(u[name][0]) for name, each in comparisons.items() if each.term_frequency}
    pair_count = nodes.among.height * (nodes.among.height - 1) / 2
    times = {name: np.bincount(nodes.frame[name].drop_nulls().to_numpy(), minlength=1) for name in common}
    frequency = {
        name: nodes.values[name].select("digest", n=pl.Series(each[: nodes.values[name].height], dtype=pl.Int64))
        .filter(pl.col("n") > 1)
        for name, each in times.items()
    }  # fmt: skip
    told = {name: int(each.sum()) for name, each in times.items()}
    model = Model(kinds, m, h, u, (0.0, 0.0, 1.0), "learned", common, shared, frequency, told)
    return _with_shares(model, compared, pair_count)


def sample_random_pairs(nodes: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs of nodes that say who somebody is, which lie a fixed number of places apart in an order without meaning.

    So the same nodes give the same pairs, and a few more nodes few other ones.
    """
    frame = nodes.among
    mixed = frame.select(pl.col("node").hash(seed=1).alias("order"), "node").sort("order", "node")["node"].to_numpy()
    n, wanted = mixed.size, min(policy.random_pairs, frame.height * (frame.height - 1) // 2)
    steps = range(1, max(2, min(n, -(-wanted // n) + 1)) if n else 2)
    return pl.DataFrame(
        {
            "left": np.concatenate([mixed] * len(steps))[:wanted],
            "right": np.concatenate([np.roll(mixed, -step) for step in steps])[:wanted],
        }
    )


def agreement_by_chance(nodes: DistinctRecords, policy: IdentityPolicy, random: pl.DataFrame) -> Probabilities:
    """u: probability of each level among two nodes that say who somebody is, and both say the field.

    Exact agreement is counted over all pairs; how the others are shared out, on `random` ones.
    """
    frame, names = nodes.among, list(policy.comparisons)
    counted = encode_levels(random, names).alias("pattern").to_frame().group_by("pattern").len()
    levels, times = decode_patterns(counted["pattern"].to_numpy(), names), counted["len"].to_numpy()
    found = {}
    for name, each in policy.comparisons.items():
        counts = np.bincount(frame[name].drop_nulls().to_numpy(), minlength=1).astype(float)
        reported_count = counts.sum()
        exact = float((counts * (counts - 1)).sum() / max(1.0, reported_count * (reported_count - 1)))
        below = levels[name] > 0
        seen = np.bincount(levels[name][below], weights=times[below], minlength=len(LEVELS[each.kind]))
        # A level that no random pair reached is shared out as declared.
        told = seen + np.array(each.declared("u"))
        found[name] = _normal(np.append(exact, told[1:] / told.sum() * (1 - exact)), LEAST_U)
    return found


def run_em(
    compared: pl.DataFrame, u: Probabilities, policy: IdentityPolicy, labels: pl.DataFrame
) -> tuple[Probabilities, Probabilities]:
    """Learn m and h by expectation maximisation with u held.

    m begins as declared, so that matches are the class that agrees, and the declaration weighs as much as `min_pairs`
    pairs: a field that hardly any match says on both sides keeps it. Labelled matches are certain. Ends where nothing
    moves any more; no round lowers the likelihood (with that of the declaration).
    """
    comparisons, names = policy.comparisons, list(policy.comparisons)
    declared = {name: np.array(each.declared("m")) for name, each in comparisons.items()}
    m = dict(declared)
    h = {name: _of_household(each, m[name], u[name]) for name, each in comparisons.items()}
    levels, count = _counted(compared, names)
    counts = count.astype(float)
    parts = _by_rule(levels, counts, policy)
    shares = [np.array([0.4, 0.2, 0.4])] * len(parts)
    known = labels.filter("is_same")
    certain = {
        name: np.bincount(known[name].to_numpy()[known[name].to_numpy() >= 0], minlength=declared[name].size)
        for name in names
    }
    before = -np.inf
    for _ in range(ROUNDS):
        seen_m, seen_h = ({name: np.zeros(len(LEVELS[each.kind])) for name, each in comparisons.items()} for _ in "mh")
        reached = 0.0
        for at, (of_rule, count) in enumerate(parts):
            logs = np.stack([compute_likelihood(of_rule, each) for each in (m, h, u)]) + np.log2(shares[at])[:, None]
            both = np.logaddexp2.reduce(logs, axis=0)
            posterior = np.exp2(logs - both)
            reached += float((count * both).sum())
            expected = posterior * count
            shares[at] = np.maximum(expected.sum(axis=1) / count.sum(), 1e-9)
            for name, level in of_rule.items():
                told = level != MISSING
                for seen, row in ((seen_m, MATCH), (seen_h, HOUSEHOLD)):
                    seen[name] += np.bincount(level[told], weights=expected[row][told], minlength=seen[name].size)
        m = {name: _normal(seen_m[name] + certain[name] + policy.min_pairs * declared[name], LEAST_M) for name in names}
        h = {
            name: _normal(seen_h[name] + declared[name], LEAST_M) if each.of_household is True else h[name]
            for name, each in comparisons.items()
        }
        if reached - before < CLOSE_ENOUGH * abs(reached):
            break
        before = reached
    return m, h


def _counted(compared: pl.DataFrame, names: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The levels of each pattern there is and how many pairs have it; in one order, for sums of floats depend on it."""
    counted = encode_levels(compared, names).alias("pattern").to_frame().group_by("pattern").len().sort("pattern")
    return decode_patterns(counted["pattern"].to_numpy(), names), counted["len"].to_numpy()


def _by_rule(
    levels: Mapping[str, np.ndarray], counts: np.ndarray, policy: IdentityPolicy
) -> list[tuple[dict, np.ndarray]]:
    """Per blocking rule on compared fields alone: the patterns of its pairs in the fields that it leaves free."""
    parts = []
    for fields in policy.blocking:
        if not {*fields} <= {*levels}:
            continue
        held = np.logical_and.reduce([levels[name] == 0 for name in fields])
        free = {name: each[held] for name, each in levels.items() if name not in fields}
        if counts[held].sum() >= policy.min_pairs and free:
            parts.append((free, counts[held]))
    return parts or [(dict(levels), counts)]


def _with_shares(model: Model, compared: pl.DataFrame, pair_count: float) -> Model:
    """The model with the shares of the classes at which it expects as many: those no rule finds count as two people."""
    levels, count = _counted(compared, list(model.m))
    logs = np.stack([compute_likelihood(levels, each) for each in (model.m, model.h, model.u)])
    shares = np.array([compared.height * 0.3, compared.height * 0.3, pair_count]) / pair_count
    for _ in range(ROUNDS):
        scored = logs + np.log2(shares)[:, None]
        expected = (np.exp2(scored - np.logaddexp2.reduce(scored, axis=0)) * count).sum(axis=1)
        found = np.maximum(expected[:2], 1.0) / pair_count
        settled = np.abs(found - shares[:2]).max() < CLOSE_ENOUGH * found.max()
        shares = np.array([*found, 1 - found.sum()])
        if settled:
            break
    return replace(model, shares=tuple(map(float, shares)))


def _shared(policy: IdentityPolicy) -> frozenset[str]:
    """Fields that people of one household share."""
    return frozenset(name for name, each in policy.comparisons.items() if each.of_household)


def _of_household(comparison: Comparison, m: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Where learning begins for people of one household."""
    if comparison.of_household is True:
        return m
    exact = max(float(comparison.of_household), u[0])
    return np.maximum(np.append(exact, u[1:] / u[1:].sum() * (1 - exact)), LEAST_U)


def _normal(told: np.ndarray, least: float) -> np.ndarray:
    return np.maximum(told / (told.sum() or 1.0), least)
