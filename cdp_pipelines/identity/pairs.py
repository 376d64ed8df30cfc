"""Candidate pairs: the pairs of distinct records that the blocking rules find, each pair once.

Blocks, their refinement, and the pairs that come of them belong here; how a pair compares belongs in `compare`. A block
that is too large is refined by further fields. How far depends on the number of records in it; the pairs depend on the
refinement alone. So a few records get the same pairs as they would among all records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

# A record without a block, because it lacks a field of the rule, and one whose block stayed too large.
NO_BLOCK, TOO_LARGE = 15, 14
# Odd, so that multiplication maps no two digests to one.
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)
# A pair as one number, in the order of left and right.
_SIDE = 1 << 32


@dataclass(frozen=True, slots=True)
class BlockRefinement:
    """How many fields of `refine_by` refine the block of each record under one blocking rule, and what that did.

    `of_record`: per record, the number of fields, `NO_BLOCK` or `TOO_LARGE`; `largest`: the size of the largest block
    before refinement; `refined_count`, `skipped_count`: blocks that were too large, and parts that stayed so.
    """

    of_record: NDArray[np.int64]
    largest: int
    refined_count: int
    skipped_count: int


def refine_blocks(digests: pl.DataFrame, fields: tuple[str, ...], policy: IdentityPolicy) -> BlockRefinement:
    """Refine the blocks of a rule until none has more than `policy.max_block` records.

    `digests`: digests of identifying distinct records; all records of each block. Blocks are refined by the fields of
    `policy.refine_by`, one after another; a block that is still too large then is skipped and counted: a value that
    so many share is a placeholder or a switchboard.
    """
    of_record = np.full(digests.height, NO_BLOCK)
    largest = refined_count = skipped_count = 0
    rows, rest = np.arange(digests.height), digests
    for times, key in enumerate(_iterate_keys(fields, policy)):
        block = rest.select(key.alias("block")).with_row_index("row").drop_nulls()
        sized = block.with_columns(pl.len().over("block").alias("size"))
        if times:
            # A record without the field that refines its block has no block.
            of_record[rows] = NO_BLOCK
        rows = rows[sized["row"].to_numpy()]
        is_large = (sized["size"] > policy.max_block).to_numpy()
        of_record[rows] = np.where(is_large, TOO_LARGE, times)
        skipped_count = sized.filter(pl.Series(is_large))["block"].n_unique()
        if not times:
            largest, refined_count = int(cast("int", sized["size"].max() or 0)), skipped_count
        if not is_large.any():
            break
        rows = rows[is_large]
        rest = digests[rows]
    return BlockRefinement(of_record, largest, refined_count, skipped_count)


def build_blocks(
    digests: pl.DataFrame, fields: tuple[str, ...], refinement: NDArray[np.int64], policy: IdentityPolicy
) -> pl.Series:
    """The number of each record's block, null if it has none; `refinement`: as `BlockRefinement.of_record`."""
    blocks = pl.select(pl.repeat(None, digests.height, dtype=pl.Int64)).to_series()
    for times, key in enumerate(_iterate_keys(fields, policy)):
        rows = np.flatnonzero(refinement == times)
        if rows.size:
            blocks = blocks.scatter(rows, digests[rows].select(key).to_series())
    return blocks.alias("block")


def find_candidate_pairs(
    distinct: DistinctRecords, refinements: Sequence[NDArray[np.int64]], policy: IdentityPolicy
) -> pl.DataFrame:
    """Pairs of identifying distinct records that agree on a blocking rule.

    `refinements`: per rule the refinement of each one's block. Result: left, right (left < right) and rules, one bit
    for each rule in turn; ordered by left and right.
    """
    identifying = np.flatnonzero(distinct.is_identifying.to_numpy())
    digests = distinct.digests[identifying]
    pairs = []
    for place, fields in enumerate(policy.blocking):
        blocks = build_blocks(digests, fields, refinements[place][identifying], policy).to_frame()
        numbered = blocks.with_columns(distinct=pl.Series(identifying, dtype=pl.Int64))
        shared = numbered.drop_nulls().filter(pl.len().over("block") > 1)
        pairs.append(
            shared.join(shared, on="block", suffix="_right")
            .filter(pl.col("distinct") < pl.col("distinct_right"))
            .select(pair=pl.col("distinct") * _SIDE + pl.col("distinct_right"), rules=pl.lit(1 << place, pl.Int64))
        )
    found = pl.concat(pairs).group_by("pair").agg(pl.col("rules").sum()).sort("pair")
    return found.select(left=pl.col("pair") // _SIDE, right=pl.col("pair") % _SIDE, rules="rules")


def count_pairs_by_rule(pairs: pl.DataFrame, policy: IdentityPolicy) -> list[int]:
    """How many of the candidate pairs each blocking rule found."""
    rules = pairs["rules"].to_numpy()
    return [int(np.count_nonzero(rules >> place & 1)) for place in range(len(policy.blocking))]


def sample_random_pairs(distinct: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs of identifying distinct records that lie a fixed number of places apart in a meaningless order.

    The same records give the same pairs, and a few more records change few of them.
    """
    codes = distinct.identifying_codes
    mixed = codes.select(pl.col("distinct").hash(seed=1).alias("order"), "distinct").sort("order", "distinct")
    numbers = mixed["distinct"].to_numpy()
    count, wanted = numbers.size, min(policy.random_pairs, codes.height * (codes.height - 1) // 2)
    steps = range(1, max(2, min(count, -(-wanted // count) + 1)) if count else 2)
    return pl.DataFrame(
        {
            "left": np.concatenate([numbers] * len(steps))[:wanted],
            "right": np.concatenate([np.roll(numbers, -step) for step in steps])[:wanted],
        }
    )


def pack_block(fields: tuple[str, ...]) -> pl.Expr:
    """A number for the values of all these fields, null if one is absent; computed on digests."""
    first, *others = fields
    key = pl.col(first)
    for name in others:
        key = key * _MIX + pl.col(name)
    return key


def _iterate_keys(fields: tuple[str, ...], policy: IdentityPolicy) -> Iterator[pl.Expr]:
    """The block key of a rule, then with one more refining field each time."""
    key = pack_block(fields)
    yield key
    for name in policy.refine_by:
        if name not in fields:
            key = key * _MIX + pl.col(name)
            yield key


def locate_pairs(pairs: pl.DataFrame, among: pl.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """For each of `pairs` whether it is `among` other pairs, which are ordered, and its row there."""
    if among.is_empty():
        return np.zeros(pairs.height, dtype=bool), np.zeros(pairs.height, dtype=np.int64)
    wanted, known = pack_pairs(pairs), pack_pairs(among)
    rows = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return known[rows] == wanted, rows


def pack_pairs(pairs: pl.DataFrame) -> NDArray[np.int64]:
    """Each pair (left, right) as one number, which has the order of the pairs."""
    packed: NDArray[np.int64] = pairs["left"].to_numpy() * _SIDE + pairs["right"].to_numpy()
    return packed
