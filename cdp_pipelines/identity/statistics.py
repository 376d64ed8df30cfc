"""What is true of records because of all others: which blocks are too large, and which identifiers a crowd shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, BlockRefinement, refine_blocks

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

# Of how far blocks are cut down, for each rule so many bits.
BITS = 4


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """What is true of nodes because of all others.

    `cut`: per blocking rule, how far each node's block is cut down (`pairs.Cut`); `crowded`: by identifier, whether
    each node's value of it is shared by so many that it joins nobody.
    """

    cut: list[np.ndarray]
    crowded: dict[str, np.ndarray]


def compute_statistics(told: DistinctRecords, policy: IdentityPolicy) -> tuple[CorpusStatistics, list[BlockRefinement]]:
    """What is true of `told`, where these are all nodes, and how each blocking rule's blocks were cut down."""
    who = np.flatnonzero(told.who.to_numpy())
    among, of_node = told.digest[who], []
    done = [refine_blocks(among, fields, policy) for fields in policy.blocking]
    for cut in done:
        of_node.append(np.full(told.digest.height, NO_BLOCK))
        of_node[-1][who] = cut.of_node
    crowded = {}
    for name in policy.identifiers:
        numbers = told.frame[name]
        is_crowded = pl.Series(np.bincount(numbers.drop_nulls().to_numpy(), minlength=1) > policy.max_sharers)
        crowded[name] = is_crowded.gather(numbers).fill_null(value=False).to_numpy()
    return CorpusStatistics(of_node, crowded), done


def report_blocking(fields: tuple[str, ...], cut: BlockRefinement, pair_count: int) -> dict[str, object]:
    """What a blocking rule did."""
    return {
        "rule": "+".join(fields),
        "pairs": pair_count,
        "largest block": cut.largest if cut.largest > 1 else 0,
        "blocks cut down": cut.split_count,
        "blocks skipped": cut.skipped_count,
    }
