"""Clusters: which links hold together, and the customers that come of them.

Connected components, conflicts within them and cannot-link constraints belong here; what makes a link belongs in
`links`. A record without a birth date may be the father's or the son's; linked to both it would make them one. So all
pairs of a linked group are compared. If some of them speak against it, links are taken from the surest to the least
sure, and one is refused if the evidence between its two groups, summed up, is against it, or if they contradict each
other. So a weak bridge between two groups is cut.

Source: Keuper et al. (2015), Efficient decomposition of image and mesh graphs by lifted multicuts, for the greedy sum.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.customer_ids import assign_customer_ids
from cdp_pipelines.identity.pairs import locate_pairs
from cdp_pipelines.schema import CLUSTER, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cdp_pipelines.schema import ClusterRows

# The evidence of one pair, for or against (log2), counts up to this, so that it does not outweigh all others.
MAX_EVIDENCE = 20.0
# All pairs are compared in groups of these sizes; two records have only one pair.
SMALLEST_GROUP, LARGEST_GROUP = 3, 60


def label_components(count: int, links: pl.DataFrame) -> NDArray[np.int64]:
    """The component of each of `count` distinct records, named after its first one; `links`: left, right."""
    # Every start of Dagster would wait for SciPy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array(
        (np.ones(links.height, dtype=bool), (links["left"].to_numpy(), links["right"].to_numpy())),
        shape=(count, count),
    )
    _, label = connected_components(graph, directed=False)
    first = np.full(label.max(initial=-1) + 1, count)
    np.minimum.at(first, label, np.arange(count))
    components: NDArray[np.int64] = first[label]
    return components


def find_uncompared_pairs(group: NDArray[np.int64], is_identifying: pl.Series, compared: pl.DataFrame) -> pl.DataFrame:
    """Pairs (left, right) of identifying records within one group that are not in `compared`; of small groups.

    `group`: per distinct record its component. Groups of more than `LARGEST_GROUP` identifying records are left out.
    """
    size = np.bincount(group, minlength=1)[group]
    members = np.flatnonzero((size >= SMALLEST_GROUP) & is_identifying.to_numpy())
    grouped = pl.DataFrame({"distinct": members, "group": group[members]})
    grouped = grouped.filter(pl.len().over("group").is_between(SMALLEST_GROUP, LARGEST_GROUP))
    pairs = (
        grouped.join(grouped, on="group", suffix="_right")
        .filter(pl.col("distinct") < pl.col("distinct_right"))
        .select(pl.col("distinct").alias("left"), pl.col("distinct_right").alias("right"))
        .sort("left", "right")
    )
    return pairs.filter(~locate_pairs(pairs, compared)[0])


def split_conflicts(count: int, exact: pl.DataFrame, scored: pl.DataFrame, min_log_odds: float) -> pl.DataFrame:
    """The probable links of `scored` that hold; its columns, in its order.

    `exact`: left, right of links that hold whatever speaks against them. `scored`: left, right, match_weight, log_odds,
    contradicts (the pair cannot be one person) and agrees (it can, in all fields that may contradict); `min_log_odds`:
    log2 odds from which a pair is a link.
    """
    is_link = (pl.col("log_odds") >= min_log_odds) & ~pl.col("contradicts")
    links = scored.with_row_index("row").filter(is_link)
    group = label_components(count, pl.concat([exact.select("left", "right"), links.select("left", "right")]))
    of_left, of_right = (group[scored[side].to_numpy()] for side in ("left", "right"))
    rows = np.flatnonzero(of_left == of_right)
    inside = scored[rows].with_columns(pl.Series("row", rows), pl.Series("group", of_left[rows]))
    conflicting = inside.filter((pl.col("match_weight") < 0) | pl.col("contradicts"))["group"].unique()
    doubted = inside.filter(pl.col("group").is_in(conflicting.implode())).sort("group", maintain_order=True)
    joined = label_components(count, exact)
    refused: set[int] = set()
    for of_group in doubted.partition_by("group", maintain_order=True):
        refused.update(_refuse_links(of_group, joined, min_log_odds))
    return scored[links.filter(~pl.col("row").is_in(sorted(refused)))["row"]]


def _refuse_links(of_group: pl.DataFrame, joined: NDArray[np.int64], min_log_odds: float) -> list[int]:
    """Rows of the links of a group that end up between two of its parts; `joined`: components by exact links."""
    evidence, links = _Evidence(), []
    columns = ("row", "left", "right", "log_odds", "match_weight", "contradicts", "agrees")
    for row, left, right, log_odds, weight, contradicts, agrees in of_group.select(columns).iter_rows():
        one, other = int(joined[left]), int(joined[right])
        if log_odds >= min_log_odds and not contradicts:
            links.append((row, one, other))
        if one != other:
            evidence.add(one, other, [max(-MAX_EVIDENCE, min(MAX_EVIDENCE, weight)), contradicts, agrees])
    find_root = evidence.contract()
    return [row for row, one, other in links if find_root(one) != find_root(other)]


class _Evidence:
    """The evidence between groups: the sum of match weights, how many pairs contradict and how many agree."""

    def __init__(self) -> None:
        self.sums: dict[int, dict[int, list[float]]] = {}
        self.parent: dict[int, int] = {}

    def add(self, one: int, other: int, more: list[float]) -> list[float]:
        """Add to the evidence between two groups; the sums."""
        sums = self.sums.setdefault(one, {}).setdefault(other, [0.0, 0, 0])
        self.sums.setdefault(other, {})[one] = sums
        sums[:] = [known + new for known, new in zip(sums, more, strict=True)]
        return sums

    def find_root(self, group: int) -> int:
        """The group that this one was joined to."""
        while self.parent.get(group, group) != group:
            group = self.parent[group]
        return group

    def contract(self) -> Callable[[int], int]:
        """Join groups, the surest first, while the evidence between two is for it; returns `find_root`."""
        heap = [
            (-sums[0], one, other) for one, others in self.sums.items() for other, sums in others.items() if one < other
        ]
        heapify(heap)
        while heap and heap[0][0] < 0:
            weight, one, other = heappop(heap)
            sums = self.sums.get(one, {}).get(other)
            # The evidence between them may have changed since, or one of them may be joined to another.
            if sums is None or -sums[0] != weight or (sums[1] and not sums[2]):
                continue
            self.parent[other] = one
            del self.sums[one][other]
            for third, more in self.sums.pop(other).items():
                if third != one:
                    del self.sums[third][other]
                    heappush(heap, (-self.add(one, third, more)[0], min(one, third), max(one, third)))
        return self.find_root


def select_unifying_links(links: pl.DataFrame, non_linking: NDArray[np.bool_]) -> pl.DataFrame:
    """The links that may join profiles; `links`: left, right; `non_linking`: per distinct record.

    Non-linking records, whose data was collected for other purposes alone, follow the one customer that their links
    reach, so that the rights of that person reach them. If they reach several customers they follow none, because they
    must not make them one. Source: GDPR Art. 5(1)(b).
    """
    if not non_linking.any():
        return links
    left, right = (non_linking[links[side].to_numpy()] for side in ("left", "right"))
    free, inner, cross = links.filter(~(left | right)), links.filter(left & right), links.filter(left ^ right)
    customers, parts = label_components(non_linking.size, free), label_components(non_linking.size, inner)
    ends = [cross[side].to_numpy() for side in ("left", "right")]
    is_left = non_linking[ends[0]]
    follows = pl.DataFrame(
        {
            "part": parts[np.where(is_left, ends[0], ends[1])],
            "customer": customers[np.where(is_left, ends[1], ends[0])],
        }
    )
    is_sole = follows.select(pl.col("customer").n_unique().over("part") == 1).to_series()
    return pl.concat([free, inner, cross.filter(is_sole)])


def enforce_cannot_link(count: int, links: pl.DataFrame, forbidden: pl.DataFrame) -> pl.DataFrame:
    """The links without those that connect a forbidden pair; `forbidden`: left, right.

    If links connect such a pair, those of its group are taken again from the surest to the least sure (exact ones in
    their order, then by match weight), and one that would connect the pair is left out.
    """
    if forbidden.is_empty():
        return links
    group = label_components(count, links)
    pairs = [
        (left, right) for left, right in forbidden.select("left", "right").iter_rows() if group[left] == group[right]
    ]
    conflicting = {int(group[left]) for left, _ in pairs}
    numbered = links.with_row_index("row").with_columns(pl.Series("group", group[links["left"].to_numpy()]))
    inside = numbered.filter(pl.col("group").is_in(list(conflicting))).sort(
        "is_exact", "match_weight", "row", descending=[True, True, False], nulls_last=False
    )
    parts: dict[int, set[int]] = {}
    opponents: dict[int, set[int]] = {}
    for left, right in pairs:
        opponents.setdefault(left, set()).add(right)
        opponents.setdefault(right, set()).add(left)
    dropped = []
    for row, left, right in inside.select("row", "left", "right").iter_rows():
        one, other = parts.setdefault(left, {left}), parts.setdefault(right, {right})
        if one is other:
            continue
        if any(opponents.get(member, set()) & other for member in one):
            dropped.append(row)
            continue
        one |= other
        for member in other:
            parts[member] = one
    return numbered.filter(~pl.col("row").is_in(dropped)).select(links.columns)


def build_clusters(records: pl.DataFrame, unifying: pl.DataFrame, count: int) -> ClusterRows:
    """The customer of each record (`CLUSTER`), named after its earliest record.

    `records`: `DistinctRecords.records`; `unifying`: the links that join profiles (left, right, is_exact) of `count`
    distinct records. A record is exact if exact links connect it to the record that its customer is named after.
    """
    number = records["distinct"].to_numpy()
    customers, exact = (label_components(count, links) for links in (unifying, unifying.filter("is_exact")))
    of_record = records.select(*RECORD_KEY, pl.Series("customer", customers[number]), pl.Series("exact", exact[number]))
    earliest = of_record.unique("customer", keep="first", maintain_order=True)
    named = earliest.select("customer", assign_customer_ids().alias("customer_id"))
    rows = of_record.join(named, on="customer").with_columns(is_exact=pl.col("exact") == pl.col("customer"))
    return CLUSTER.conform(rows.lazy()).collect().sort(CLUSTER.key)
