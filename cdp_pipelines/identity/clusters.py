"""Links to clusters that do not chain: of two groups that contradict each other no link makes one customer.

A record without a birth date may be the father's or the son's; linked to both it would make them one. So links are
taken from the surest to the least sure, and one that would bring together what cannot be one person is refused.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from jellyfish import jaro_winkler_similarity

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

# Below this two first names are of two people; the declared levels decide on pairs, this on groups.
OF_TWO = 0.7
TWO_PARTS = 2


def without_contradiction(nodes: pl.DataFrame, exact: pl.DataFrame, probable: pl.DataFrame) -> pl.DataFrame:
    """The probable links that join no two groups of nodes that contradict each other, in the order given.

    `nodes`: node (from 0), first_name, birth_date; links: left, right and, of the probable ones, match_weight. Groups
    begin as what exact links connect. Two contradict each other where both say birth dates and none is the same (but
    for a slip of the pen), or both say whole first names and none is alike: who is Bob and Robert by an exact
    identifier may be joined by either name.
    """
    groups = _Groups(nodes["first_name"].to_list(), nodes["birth_date"].to_list())
    for left, right in exact.select("left", "right").iter_rows():
        groups.join(left, right)
    order = probable.with_row_index("row").sort("match_weight", "left", "right", descending=[True, False, False])
    kept = []
    for row, left, right in order.select("row", "left", "right").iter_rows():
        one, other = groups.root(left), groups.root(right)
        if one == other or groups.agree(one, other):
            groups.join(one, other)
            kept.append(row)
    return probable[sorted(kept)]


class _Groups:
    """Disjoint sets of nodes, each with what its nodes say."""

    def __init__(self, names: list[str | None], births: list[date | None]) -> None:
        self.parent = list(range(len(names)))
        self.names = [{name} if name and len(name) > 1 else set() for name in names]
        self.births = [{birth} if birth else set() for birth in births]

    def root(self, node: int) -> int:
        while self.parent[node] != node:
            self.parent[node] = node = self.parent[self.parent[node]]
        return node

    def join(self, left: int, right: int) -> None:
        left, right = self.root(left), self.root(right)
        if left != right:
            # The earlier node stays the root, whatever the order.
            left, right = min(left, right), max(left, right)
            self.parent[right] = left
            self.names[left] |= self.names[right]
            self.births[left] |= self.births[right]

    def agree(self, one: int, other: int) -> bool:
        births = list(product(self.births[one], self.births[other]))
        names = list(product(self.names[one], self.names[other]))
        return (not births or any(_may_be_one(*pair) for pair in births)) and (
            not names or any(_alike(*sorted(pair)) for pair in names)
        )


def _may_be_one(one: date, other: date) -> bool:
    """The same, or one slip of the pen apart: see `pairs.almost`."""
    same = (one.year == other.year) + (one.month == other.month) + (one.day == other.day)
    return same >= TWO_PARTS or (one.year, one.month, one.day) == (other.year, other.day, other.month)


@lru_cache(maxsize=1_000_000)
def _alike(one: str, other: str) -> bool:
    return jaro_winkler_similarity(one, other) >= OF_TWO
