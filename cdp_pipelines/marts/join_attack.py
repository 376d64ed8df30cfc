"""The join attack: what somebody who has two marts, and no key of either, can tell of people by joining them.

The attacker joins on any of the columns that come from the same source in both marts, the finer one made as coarse as
the other, and holds two rows for one person where each is the only one in its mart to say so. Who is behind a row is
used to judge the claims, never to make them.
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

COARSER = (None, "date", "month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class PublishedMart:
    """A mart of persons as it was published, with the customer_id of each row beside it, for the judge."""

    purpose: Purpose
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class JoinAttack:
    """The best of all exact joins of two marts: on which columns, how many claims it makes, how many are true."""

    one: str
    other: str
    columns: tuple[str, ...]
    join_count: int
    claimed_count: int
    identified_count: int


def find_best_join(one: PublishedMart, other: PublishedMart) -> JoinAttack:
    """The join of two marts that names most people rightly; of equal ones that on the fewest columns."""
    shared = _shared(one.purpose, other.purpose)
    names = [name for name, *_ in shared]
    left, right = (
        frame.select("customer_id", *(pair[n].alias(pair[0]) for pair in shared))
        for n, frame in ((1, one.rows), (2, other.rows))
    )
    subsets = [list(subset) for n in range(1, len(names) + 1) for subset in combinations(names, n)]
    best = ((), 0, 0)
    for subset in subsets:
        claimed, identified = _claims(left, right, subset)
        if identified > best[2] or (not best[0] and claimed > best[1]):
            best = (tuple(subset), claimed, identified)
    return JoinAttack(one.purpose.key, other.purpose.key, best[0], len(subsets), best[1], best[2])


def run_attacks(marts: Sequence[PublishedMart]) -> Iterator[JoinAttack]:
    """The best join of each pair of marts of persons of which one at least is pseudonymous, that one first."""
    for one, other in combinations(marts, 2):
        kinds = one.purpose.mart_kind, other.purpose.mart_kind
        if kinds[0] == "pseudonymous":
            yield find_best_join(one, other)
        elif kinds[1] == "pseudonymous":
            yield find_best_join(other, one)


def count_shared_keys(marts: Sequence[PublishedMart]) -> int:
    """Keys and evidence references that more than one mart holds."""
    told = [
        mart.rows.select(
            pl.lit(mart.purpose.key).alias("mart"), pl.col(find_column(mart.purpose, source)).alias("name")
        )
        for mart in marts
        for source in (KEY, EVIDENCE)
    ]
    found = pl.concat(told).group_by("name").agg(pl.col("mart").n_unique().alias("mart_count"))
    return found.filter(pl.col("mart_count") > 1).height


def _claims(left: pl.DataFrame, right: pl.DataFrame, names: list[str]) -> tuple[int, int]:
    both = _alone(left, names).join(_alone(right, names), on=names)
    return both.height, both.filter(pl.col("customer_id") == pl.col("customer_id_right")).height


def _alone(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    return frame.select("customer_id", *names).drop_nulls(names).filter(pl.len().over(names) == 1)


def _shared(one: Purpose, other: Purpose) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """Columns on which two marts can be joined: a name, and what to make of each mart's column."""
    if one.shape or other.shape:
        schemas = [build_mart_table(purpose).schema for purpose in (one, other)]
        both = [name for name in quasi_identifiers(one) if name in quasi_identifiers(other)]
        return [(name, pl.col(name), pl.col(name)) for name in both if schemas[0][name] == schemas[1][name]]
    mine, theirs = (
        {column.name: column for column in purpose.columns if column.name in quasi_identifiers(purpose)}
        for purpose in (one, other)
    )
    return [
        (column.name if column.name == like.name else f"{column.name}={like.name}", *pair)
        for column in mine.values()
        for like in theirs.values()
        if column.source == like.source and (pair := _as_coarse(column, like))
    ]


def _as_coarse(one: MartColumn, other: MartColumn) -> tuple[pl.Expr, pl.Expr] | None:
    """Both columns as the coarser of the two has it; none where neither can be made the other."""
    mine, theirs = pl.col(one.name), pl.col(other.name)
    if (one.bands, one.cut_to) == (other.bands, other.cut_to):
        return mine, theirs
    if one.is_exact and other.bands:
        return coarsen(other, mine), theirs
    if other.is_exact and one.bands:
        return mine, coarsen(one, theirs)
    if one.bands or other.bands:
        return None
    if COARSER.index(one.cut_to) < COARSER.index(other.cut_to):
        return coarsen(other, _instant(mine)), theirs
    return mine, coarsen(one, _instant(theirs))


def _instant(value: pl.Expr) -> pl.Expr:
    """A day as the instant at which it begins; an instant as it is."""
    return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC)
