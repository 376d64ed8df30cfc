"""What is true of records because of all others: which blocks are too large, and which identifiers a crowd shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, Cut, cuts

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import Nodes

# Of how far blocks are cut down, for each rule so many bits.
BITS = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of nodes because of all others.

    `cut`: per blocking rule, how far each node's block is cut down (`pairs.Cut`); `crowded`: by identifier, whether
    each node's value of it is shared by so many that it joins nobody.
    """

    cut: list[np.ndarray]
    crowded: dict[str, np.ndarray]


def facts(told: Nodes, policy: IdentityPolicy) -> tuple[Facts, list[Cut]]:
    """What is true of `told`, where these are all nodes, and how each blocking rule's blocks were cut down."""
    who = np.flatnonzero(told.who.to_numpy())
    among, of_node = told.digest[who], []
    done = [cuts(among, fields, policy) for fields in policy.blocking]
    for cut in done:
        of_node.append(np.full(told.digest.height, NO_BLOCK))
        of_node[-1][who] = cut.of_node
    crowded = {}
    for name in policy.identifiers:
        numbers = told.frame[name]
        is_crowded = pl.Series(np.bincount(numbers.drop_nulls().to_numpy(), minlength=1) > policy.max_sharers)
        crowded[name] = is_crowded.gather(numbers).fill_null(value=False).to_numpy()
    return Facts(of_node, crowded), done


def told_of(fields: tuple[str, ...], cut: Cut, n_pairs: int) -> dict[str, object]:
    """What a blocking rule did."""
    return {
        "rule": "+".join(fields),
        "pairs": n_pairs,
        "largest block": cut.largest if cut.largest > 1 else 0,
        "blocks cut down": cut.n_cut,
        "blocks skipped": cut.n_skipped,
    }
