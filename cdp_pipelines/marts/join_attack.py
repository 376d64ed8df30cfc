"""The join attack: which people somebody can identify who joins two marts without the keys of either.

Here belong the attack and its result; the protection that it tests is in `anonymity` and `coarsening`. The attacker
joins on columns of the same source in both marts, coarsens the finer column, and claims that two rows are one person if
each is the only row of its mart with these values. The true customer ids judge the claims, and never make them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.marts.coarsening import coarsen
from cdp_pipelines.marts.mart import build_mart_table, find_column, quasi_identifiers
from cdp_pipelines.purposes.mart_terms import EVIDENCE, KEY
from cdp_pipelines.schema import UTC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdp_pipelines.purposes.mart_terms import MartColumn
    from cdp_pipelines.purposes.purpose import Purpose

TIME_LEVELS = (None, "date", "month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class PublishedMart:
    """A published mart about persons, with the customer_id of each row, which only judges the claims."""

    purpose: Purpose
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class JoinAttack:
    """The best exact join of two marts: its columns, the number of its claims, and how many of them are true."""

    one: str
    other: str
    columns: tuple[str, ...]
    join_count: int
    claimed_count: int
    identified_count: int


def find_best_join(one: PublishedMart, other: PublishedMart) -> JoinAttack:
    """The join of two marts that identifies most people; of equal ones the one on the fewest columns."""
    shared = _list_shared_columns(one.purpose, other.purpose)
    names = [name for name, *_ in shared]
    left = one.rows.select("customer_id", *(value.alias(name) for name, value, _ in shared))
    right = other.rows.select("customer_id", *(value.alias(name) for name, _, value in shared))
    subsets = [list(subset) for n in range(1, len(names) + 1) for subset in combinations(names, n)]
    best: tuple[tuple[str, ...], int, int] = ((), 0, 0)
    for subset in subsets:
        claimed, identified = _count_claims(left, right, subset)
        if identified > best[2] or (not best[0] and claimed > best[1]):
            best = (tuple(subset), claimed, identified)
    return JoinAttack(one.purpose.key, other.purpose.key, best[0], len(subsets), best[1], best[2])


def run_attacks(marts: Sequence[PublishedMart]) -> Iterator[JoinAttack]:
    """The best join of each pair of marts about persons with at least one pseudonymous mart, which comes first."""
    for one, other in combinations(marts, 2):
        kinds = one.purpose.mart_kind, other.purpose.mart_kind
        if kinds[0] == "pseudonymous":
            yield find_best_join(one, other)
        elif kinds[1] == "pseudonymous":
            yield find_best_join(other, one)


def count_shared_keys(marts: Sequence[PublishedMart]) -> int:
    """Number of keys and evidence references that occur in more than one mart."""
    keys = [
        mart.rows.select(
            pl.lit(mart.purpose.key).alias("mart"), pl.col(find_column(mart.purpose, source)).alias("name")
        )
        for mart in marts
        for source in (KEY, EVIDENCE)
    ]
    counts = pl.concat(keys).group_by("name").agg(pl.col("mart").n_unique().alias("mart_count"))
    return counts.filter(pl.col("mart_count") > 1).height


def _count_claims(left: pl.DataFrame, right: pl.DataFrame, names: list[str]) -> tuple[int, int]:
    both = _select_unique(left, names).join(_select_unique(right, names), on=names)
    return both.height, both.filter(pl.col("customer_id") == pl.col("customer_id_right")).height


def _select_unique(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    return frame.select("customer_id", *names).drop_nulls(names).filter(pl.len().over(names) == 1)


def _list_shared_columns(one: Purpose, other: Purpose) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """Columns on which two marts can be joined: a name, and an expression over each mart's column."""
    if one.shape or other.shape:
        schemas = [build_mart_table(purpose).schema for purpose in (one, other)]
        both = [name for name in quasi_identifiers(one) if name in quasi_identifiers(other)]
        return [(name, pl.col(name), pl.col(name)) for name in both if schemas[0][name] == schemas[1][name]]
    one_columns, other_columns = (
        {column.name: column for column in purpose.columns if column.name in quasi_identifiers(purpose)}
        for purpose in (one, other)
    )
    return [
        (column.name if column.name == match.name else f"{column.name}={match.name}", *pair)
        for column in one_columns.values()
        for match in other_columns.values()
        if column.source == match.source and (pair := _align_columns(column, match))
    ]


def _align_columns(one: MartColumn, other: MartColumn) -> tuple[pl.Expr, pl.Expr] | None:
    """Expressions that give both columns the coarser form of the two; None where neither can become the other."""
    left, right = pl.col(one.name), pl.col(other.name)
    if (one.bands, one.cut_to) == (other.bands, other.cut_to):
        return left, right
    if one.is_exact and other.bands:
        return coarsen(other, left), right
    if other.is_exact and one.bands:
        return left, coarsen(one, right)
    if one.bands or other.bands:
        return None
    if TIME_LEVELS.index(one.cut_to) < TIME_LEVELS.index(other.cut_to):
        return coarsen(other, _to_instant(left)), right
    return left, coarsen(one, _to_instant(right))


def _to_instant(value: pl.Expr) -> pl.Expr:
    """A day as the instant of its beginning; an instant as it is."""
    return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC)
