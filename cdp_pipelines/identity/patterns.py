"""Comparison patterns: the levels of all fields of a pair as one number.

There are few distinct patterns, so whatever depends on levels alone is computed once for each. Encoding, decoding and
counting patterns belong here; how levels come about belongs in `compare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.compare import MISSING, compare_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

# One digit of this base per field: missing is 0, the levels follow.
BASE = 16


@dataclass(frozen=True, slots=True)
class PatternIndex:
    """The distinct patterns of pairs, as levels of each field, and the number of each pair's pattern (`of_pair`)."""

    levels: Mapping[str, NDArray[np.int64]]
    of_pair: NDArray[np.int64]

    @property
    def count(self) -> int:
        """The number of distinct patterns."""
        return int(next(iter(self.levels.values())).size)

    @classmethod
    def of(cls, compared: pl.DataFrame, fields: Iterable[str]) -> PatternIndex:
        """Patterns of `compared` pairs, which have levels of `fields`, or these as one number (`pattern`)."""
        fields = list(fields)
        patterns = encode_levels(compared, fields)
        distinct = patterns.unique().sort().to_frame().with_row_index("number")
        of_pair = patterns.to_frame().join(distinct, on="pattern", how="left", maintain_order="left")["number"]
        return cls(decode_patterns(distinct["pattern"].to_numpy(), fields), of_pair.to_numpy())


def compare_as_patterns(pairs: pl.DataFrame, distinct: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """`pairs` (left, right and others) with their comparison levels as one number, `pattern`."""
    levels = compare_pairs(pairs, distinct, policy).select(encode_pattern(policy.compared))
    return pairs.with_columns(levels.to_series())


def encode_levels(compared: pl.DataFrame, fields: Iterable[str]) -> pl.Series:
    """The pattern of each pair: its column `pattern`, or else encoded from its levels."""
    return compared["pattern"] if "pattern" in compared.columns else compared.select(encode_pattern(fields)).to_series()


def encode_pattern(fields: Iterable[str]) -> pl.Expr:
    """Levels of all fields as one number."""
    return pl.sum_horizontal(
        (pl.col(name).cast(pl.Int64) - MISSING) * BASE**place for place, name in enumerate(fields)
    ).alias("pattern")


def decode_patterns(patterns: NDArray[np.int64], fields: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Field to its level in each pattern."""
    return {name: (patterns // BASE**place % BASE) + MISSING for place, name in enumerate(fields)}


def count_patterns(
    compared: pl.DataFrame, fields: Iterable[str]
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """The levels of each distinct pattern and its number of pairs, ordered by pattern: sums of floats need an order."""
    fields = list(fields)
    counted = encode_levels(compared, fields).alias("pattern").to_frame().group_by("pattern").len().sort("pattern")
    return decode_patterns(counted["pattern"].to_numpy(), fields), counted["len"].to_numpy()
