"""What a night leaves to the next: which pairs each blocking rule found, and how each of them compares.

Blocking and comparing cost the most, and what two records say of each other changes only where one of them does. So a
night makes anew only the blocks that a new record touches and compares only pairs that were never compared; the model,
which all records move a little, is learned and applied anew on what is remembered. Nothing is remembered that the
records of tonight would not give as well: the result is that of a night without memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.compare import compare
from cdp_pipelines.identity.model import pattern
from cdp_pipelines.identity.pairs import PAIR, merged, packed, places
from cdp_pipelines.tables import COMPARED, SEEN

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import Nodes


@dataclass(frozen=True, slots=True)
class Memory:
    """A night's nodes (`SEEN`) and its pairs (`COMPARED`)."""

    seen: pl.DataFrame
    compared: pl.DataFrame

    @property
    def is_whole(self) -> bool:
        """Whether the two are of one night: a run may have been cut short between them."""
        generations = [each["generation"].unique().to_list() for each in (self.seen, self.compared)]
        return len(generations[0]) == 1 and (generations[0] == generations[1] or self.compared.is_empty())


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered of tonight's nodes, under their numbers of tonight.

    `is_new`: per node, whether the night before did not have it, with this very content; `large`: per node, a bit for
    each blocking rule in which its block was too large; `pairs`: left, right (left < right), rules and pattern, in
    order of left and right.
    """

    is_new: np.ndarray
    large: np.ndarray
    pairs: pl.DataFrame


def salt(policy: IdentityPolicy, made_by: str) -> int:
    """A number that changes with the rules and with what carries them out: what was made otherwise is not remembered.

    `made_by`: versions of the code and the libraries that compare.
    """
    return int.from_bytes(sha256(f"{policy.model_dump_json()}{made_by}".encode()).digest()[:7])


def recall(told: Nodes, before: Memory | None) -> Recalled:
    """What `before` knows of the nodes of tonight; nothing where it is missing or was left half written."""
    n = told.records["node"].n_unique()
    nothing = pl.DataFrame(schema=PAIR | {"pattern": pl.Int64})
    if before is None or not before.is_whole:
        return Recalled(np.ones(n, dtype=bool), np.zeros(n, dtype=np.int64), nothing)
    now = pl.DataFrame({"now": np.arange(n), "fingerprint": told.fingerprint})
    both = now.unique("fingerprint", keep="none").join(before.seen.unique("fingerprint", keep="none"), on="fingerprint")
    is_new, large = np.ones(n, dtype=bool), np.zeros(n, dtype=np.int64)
    at = both["now"].to_numpy()
    is_new[at], large[at] = False, both["large"].to_numpy()
    number = np.full(before.seen["node"].max() + 1, -1)
    number[both["node"].to_numpy()] = at
    ends = [number[before.compared[side].to_numpy()] for side in ("left", "right")]
    pairs = before.compared.select(
        pl.Series("left", np.minimum(*ends)), pl.Series("right", np.maximum(*ends)), "rules", "pattern"
    ).filter(pl.col("left") >= 0)
    keys = packed(pairs)
    return Recalled(is_new, large, pairs if (keys[1:] > keys[:-1]).all() else pairs.sort("left", "right"))


def compared(pairs: pl.DataFrame, told: Nodes, policy: IdentityPolicy, known: Recalled) -> pl.DataFrame:
    """`pairs` (left, right) with how they compare, all levels as one number (`model.pattern`), and `is_new`.

    Only what is not known is compared: that is new.
    """
    ends = _in_direction(pairs)
    is_known, at = places(ends, known.pairs)
    found = np.empty(is_known.size, dtype=np.int64)
    found[is_known] = known.pairs["pattern"].to_numpy()[at[is_known]]
    fresh = compare(ends.filter(~is_known), told, policy)
    found[~is_known] = fresh.select(pattern(list(policy.comparisons))).to_series().to_numpy()
    return pairs.with_columns(pl.Series("pattern", found), pl.Series("is_new", ~is_known))


def remember(told: Nodes, large: np.ndarray, blocked: pl.DataFrame, *more: pl.DataFrame) -> Memory:
    """What the next night may recall.

    `blocked`: left, right, rules and pattern of the pairs that blocking found, in order; `more`: of others compared,
    which no rule finds.
    """
    names = ["left", "right", "rules", "pattern"]
    others = pl.concat([_in_direction(each).with_columns(pl.lit(0, pl.Int64).alias("rules")) for each in more])
    besides = others.select(names).unique(names[:2]).sort(names[:2])
    every = merged(blocked.select(names), besides.filter(~places(besides, blocked)[0]))
    # The sum wraps around, as it may.
    generation = pl.lit(int(told.fingerprint.to_numpy().sum()), pl.Int64).alias("generation")
    seen = pl.select(
        node=pl.int_range(told.fingerprint.len()), fingerprint=told.fingerprint, large=pl.Series(large)
    ).with_columns(generation)
    return Memory(
        SEEN.conform(seen.lazy()).collect(), COMPARED.conform(every.lazy().with_columns(generation)).collect()
    )


def _in_direction(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns(
        pl.min_horizontal("left", "right").alias("left"), pl.max_horizontal("left", "right").alias("right")
    )
