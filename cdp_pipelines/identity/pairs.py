"""Candidate pairs: each pair once, over several blocking rules, none of which is allowed to explode.

A block that is too large is cut down by further fields. How far it was cut depends on how many are in it; which pairs
come of it, on that alone: so any few nodes can be blocked as they would be among all (`cuts`, `block`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.identity.policy import IdentityPolicy

# A node that a rule has no block for, for it does not say its fields, and one whose block stayed too large.
NO_BLOCK, TOO_LARGE = 15, 14
# Odd, so that no two digests give one.
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)
# A pair as one number, in order of left and right.
_SIDE = 1 << 32


@dataclass(frozen=True, slots=True)
class BlockRefinement:
    """By how many fields of `cut_by` a rule's block of each node was cut down, and what that did.

    `largest`: the largest block before; `split_count`, `skipped_count`: blocks that were too large, and parts
    that stayed so.
    """

    of_node: np.ndarray
    largest: int
    split_count: int
    skipped_count: int


def refine_blocks(digest: pl.DataFrame, fields: tuple[str, ...], policy: IdentityPolicy) -> BlockRefinement:
    """How far the blocks of a rule are cut down so that none has more than `policy.max_block` nodes.

    `digest`: digests of what nodes say who say who somebody is; all nodes of each block. Blocks are cut by the fields
    of `policy.cut_by`, one after another; what is still too large then is skipped and counted: a value that so many
    share is a placeholder or a switchboard.
    """
    found = np.full(digest.height, NO_BLOCK)
    largest = split_count = skipped_count = 0
    at, rest = None, digest
    for times, key in enumerate(_keys(fields, policy)):
        block = rest.select(key.alias("block")).with_row_index("row").drop_nulls()
        sized = block.with_columns(pl.len().over("block").alias("size"))
        if times:
            # Those that do not say what their block is cut by have none.
            found[at] = NO_BLOCK
        at = sized["row"].to_numpy() if at is None else at[sized["row"].to_numpy()]
        is_large = (sized["size"] > policy.max_block).to_numpy()
        found[at] = np.where(is_large, TOO_LARGE, times)
        skipped_count = sized.filter(pl.Series(is_large))["block"].n_unique()
        if not times:
            largest, split_count = int(sized["size"].max() or 0), skipped_count
        if not is_large.any():
            break
        at, rest = at[is_large], digest[at[is_large]]
    return BlockRefinement(found, largest, split_count, skipped_count)


def build_blocks(digest: pl.DataFrame, fields: tuple[str, ...], cut: np.ndarray, policy: IdentityPolicy) -> pl.Series:
    """A number for the block of each node, null where it has none; `cut`: as `Cut.of_node`, or of a few of these."""
    found = pl.select(pl.repeat(None, digest.height, dtype=pl.Int64)).to_series()
    for times, key in enumerate(_keys(fields, policy)):
        at = np.flatnonzero(cut == times)
        if at.size:
            found = found.scatter(at, digest[at].select(key).to_series())
    return found.alias("block")


def find_candidate_pairs(digest: pl.DataFrame, cut: list[np.ndarray], policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs of nodes that agree on any blocking rule: left, right (left < right), and rules, a bit for each in turn.

    `digest`: digests of what nodes say; `cut`: per rule, how far each one's block is cut down (`Cut.of_node`). In order
    of left and right.
    """
    pairs = []
    for at, fields in enumerate(policy.blocking):
        of_node = (
            build_blocks(digest, fields, cut[at], policy).to_frame().with_row_index("node").cast({"node": pl.Int64})
        )
        shared = of_node.drop_nulls().filter(pl.len().over("block") > 1)
        pairs.append(
            shared.join(shared, on="block", suffix="_right")
            .filter(pl.col("node") < pl.col("node_right"))
            .select(pair=pl.col("node") * _SIDE + pl.col("node_right"), rules=pl.lit(1 << at, pl.Int64))
        )
    found = pl.concat(pairs).group_by("pair").agg(pl.col("rules").sum()).sort("pair")
    return found.select(left=pl.col("pair") // _SIDE, right=pl.col("pair") % _SIDE, rules="rules")


def pack_pair(fields: tuple[str, ...]) -> pl.Expr:
    """A number for the values of all these fields, null where one is; of digests."""
    first, *more = fields
    key = pl.col(first)
    for name in more:
        key = key * _MIX + pl.col(name)
    return key


def _keys(fields: tuple[str, ...], policy: IdentityPolicy) -> Iterator[pl.Expr]:
    """A rule's block as it is, and cut down by one field more each time."""
    key = pack_pair(fields)
    yield key
    for name in policy.cut_by:
        if name not in fields:
            key = key * _MIX + pl.col(name)
            yield key


def locate_pairs(pairs: pl.DataFrame, among: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each of `pairs` whether it is `among` pairs that are in order, and the row of it where it is."""
    if among.is_empty():
        return np.zeros(pairs.height, dtype=bool), np.zeros(pairs.height, dtype=np.int64)
    wanted, known = pack_columns(pairs), pack_columns(among)
    at = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return known[at] == wanted, at


def pack_columns(pairs: pl.DataFrame) -> np.ndarray:
    """Each pair (left, right) as one number, which orders them alike."""
    return pairs["left"].to_numpy() * _SIDE + pairs["right"].to_numpy()
