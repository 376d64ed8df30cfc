"""Links to clusters that do not chain: groups come together only where all that is known between them allows it.

A record without a birth date may be the father's or the son's; linked to both it would make them one. So of a group
that links connect all pairs are compared; where some of them speak against it, links are taken from the surest to the
least sure, and one is refused where the evidence between the two groups, summed up, is against it or where they
contradict each other. So a weak bridge between two groups is cut.

Source: Keuper et al. (2015), Efficient decomposition of image and mesh graphs by lifted multicuts, for the greedy sum.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdp_pipelines.identity.pairs import locate_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A pair says so much at most, for or against (log2), lest one outweigh all others.
MOST = 20.0
# Groups are not compared pair by pair beyond so many nodes.
LARGE = 60
# Two nodes have but one pair.
FEW = 3


def label_components(distinct_count: int, links: pl.DataFrame) -> np.ndarray:
    """The component of each node, named after its first node; `links`: left, right."""
    graph = coo_array(
        (np.ones(links.height, dtype=bool), (links["left"].to_numpy(), links["right"].to_numpy())),
        shape=(distinct_count, distinct_count),
    )
    _, label = connected_components(graph, directed=False)
    first = np.full(label.max(initial=-1) + 1, distinct_count)
    np.minimum.at(first, label, np.arange(distinct_count))
    return first[label]


def find_uncompared_pairs(group: np.ndarray, says_who: pl.Series, compared: pl.DataFrame) -> pl.DataFrame:
    """Pairs (left, right) of nodes of one group that say who and were not compared; of groups of up to `LARGE`."""
    size = np.bincount(group, minlength=1)[group]
    at = np.flatnonzero((size >= FEW) & says_who.to_numpy())
    of_group = pl.DataFrame({"node": at, "group": group[at]})
    of_group = of_group.filter(pl.len().over("group").is_between(FEW, LARGE))
    every = (
        of_group.join(of_group, on="group", suffix="_right")
        .filter(pl.col("node") < pl.col("node_right"))
        .select(pl.col("node").alias("left"), pl.col("node_right").alias("right"))
        .sort("left", "right")
    )
    return every.filter(~locate_pairs(every, compared)[0])


def split_conflicts(distinct_count: int, exact: pl.DataFrame, scored: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """The probable links of `scored` that hold; of its columns, in its order.

    `exact`: left, right, of links that hold whatever speaks against them. `scored`: left, right, log_odds,
    contradicts (a field in which the pair cannot be one person; null for none) and agrees (it could, in that which may
    contradict); `threshold`: log odds from which a pair is a link.
    """
    is_link = (pl.col("log_odds") >= threshold) & ~pl.col("contradicts")
    links = scored.with_row_index("row").filter(is_link)
    group = label_components(distinct_count, pl.concat([exact.select("left", "right"), links.select("left", "right")]))
    of_left, of_right = (group[scored[side].to_numpy()] for side in ("left", "right"))
    at = np.flatnonzero(of_left == of_right)
    inside = scored[at].with_columns(pl.Series("row", at), pl.Series("group", of_left[at]))
    torn = inside.filter((pl.col("match_weight") < 0) | pl.col("contradicts"))["group"].unique()
    doubted = inside.filter(pl.col("group").is_in(torn.implode())).sort("group", maintain_order=True)
    firm = label_components(distinct_count, exact)
    refused: set[int] = set()
    for part in doubted.partition_by("group", maintain_order=True):
        refused.update(_refused(part, firm, threshold))
    return scored[links.filter(~pl.col("row").is_in(sorted(refused)))["row"]]


def _refused(part: pl.DataFrame, firm: np.ndarray, threshold: float) -> Iterable[int]:
    """Rows of the links of a group that end up between two of its parts."""
    told = part.select("row", "left", "right", "log_odds", "match_weight", "contradicts", "agrees").rows()
    between, links = _Between(), []
    for row, left, right, odds, weight, contradicts, agrees in told:
        one, other = int(firm[left]), int(firm[right])
        if odds >= threshold and not contradicts:
            links.append((row, one, other))
        if one != other:
            between.note(one, other, [max(-MOST, min(MOST, weight)), contradicts, agrees])
    root = between.contracted()
    return [row for row, one, other in links if root(one) != root(other)]


class _Between:
    """What is known between groups: the sum of match weights, how many pairs contradict and how many agree."""

    def __init__(self) -> None:
        self.told: dict[int, dict[int, list[float]]] = {}
        self.parent: dict[int, int] = {}

    def note(self, one: int, other: int, more: list[float]) -> list[float]:
        """Add to what is known between two groups; the sums."""
        sums = self.told.setdefault(one, {}).setdefault(other, [0.0, 0, 0])
        self.told.setdefault(other, {})[one] = sums
        sums[:] = [known + new for known, new in zip(sums, more, strict=True)]
        return sums

    def root(self, group: int) -> int:
        """The group that this one went into."""
        while self.parent.get(group, group) != group:
            group = self.parent[group]
        return group

    def contracted(self) -> Callable[[int], int]:
        """Bring groups together, the surest first, while the sum between two is for it; gives `root`."""
        heap = [
            (-sums[0], one, other) for one, others in self.told.items() for other, sums in others.items() if one < other
        ]
        heapify(heap)
        while heap and heap[0][0] < 0:
            weight, one, other = heappop(heap)
            sums = self.told.get(one, {}).get(other)
            # What is known between them may have changed since, or one of them may be gone.
            if sums is None or -sums[0] != weight or (sums[1] and not sums[2]):
                continue
            self.parent[other] = one
            del self.told[one][other]
            for third, more in self.told.pop(other).items():
                if third != one:
                    del self.told[third][other]
                    heappush(heap, (-self.note(one, third, more)[0], min(one, third), max(one, third)))
        return self.root


def select_unifying_links(links: pl.DataFrame, bound: np.ndarray) -> pl.DataFrame:
    """The links that may join profiles; `links`: left, right; `bound`: per node, is its data for another purpose alone.

    What is bound follows the one customer that its links reach, so that rights find it; where they reach several it
    follows none, for it may not make them one. Source: GDPR Art. 5(1)(b).
    """
    if not bound.any():
        return links
    left, right = (bound[links[side].to_numpy()] for side in ("left", "right"))
    free, inner, cross = links.filter(~(left | right)), links.filter(left & right), links.filter(left ^ right)
    customers, parts = label_components(bound.size, free), label_components(bound.size, inner)
    ends = [cross[side].to_numpy() for side in ("left", "right")]
    is_left = bound[ends[0]]
    follows = pl.DataFrame(
        {
            "part": parts[np.where(is_left, ends[0], ends[1])],
            "customer": customers[np.where(is_left, ends[1], ends[0])],
        }
    )
    sole = follows.select(pl.col("customer").n_unique().over("part") == 1).to_series()
    return pl.concat([free, inner, cross.filter(sole)])


def enforce_cannot_link(distinct_count: int, links: pl.DataFrame, forbidden: pl.DataFrame) -> pl.DataFrame:
    """The links without those that connect what must stay apart; `forbidden`: left, right.

    Where links connect such a pair, those of its group are taken again from the surest to the least sure (exact ones in
    their order, then by match weight), and one that would connect the pair is left out.
    """
    if forbidden.is_empty():
        return links
    group = label_components(distinct_count, links)
    pairs = [
        (left, right) for left, right in forbidden.select("left", "right").iter_rows() if group[left] == group[right]
    ]
    torn = {int(group[left]) for left, _ in pairs}
    numbered = links.with_row_index("row").with_columns(pl.Series("group", group[links["left"].to_numpy()]))
    inside = numbered.filter(pl.col("group").is_in(list(torn))).sort(
        "is_exact", "match_weight", "row", descending=[True, True, False], nulls_last=False
    )
    parts: dict[int, set[int]] = {}
    enemies: dict[int, set[int]] = {}
    for left, right in pairs:
        enemies.setdefault(left, set()).add(right)
        enemies.setdefault(right, set()).add(left)
    dropped = []
    for row, left, right in inside.select("row", "left", "right").iter_rows():
        one, other = parts.setdefault(left, {left}), parts.setdefault(right, {right})
        if one is other:
            continue
        if any(enemies.get(node, set()) & other for node in one):
            dropped.append(row)
            continue
        one |= other
        for node in other:
            parts[node] = one
    return numbered.filter(~pl.col("row").is_in(dropped)).select(links.columns)
