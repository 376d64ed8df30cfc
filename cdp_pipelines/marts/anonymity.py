"""Rows about persons of which none stands alone: what they say, at least so many others say as well.

k-anonymity (Samarati and Sweeney, 1998) by local suppression. As all rows of a mart lie in groups of at least k on all
of its columns, they do on any of them: whoever joins the mart with anything on any of its columns meets k rows or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTLED = "is_settled"


def suppress_small_groups(rows: pl.DataFrame, columns: Sequence[str], minimum: int) -> pl.DataFrame:
    """`rows`, of which each shares its `columns` with at least `minimum` rows (itself included), null being a value.

    A row that does not loses its columns one by one, the last one first, until it does. If fewer than `minimum` have
    lost all, the smallest other group (of equal ones the first in order) loses all as well. Fewer rows than `minimum`
    lose everything. No row leaves, no other column changes, and rows that are so already are given back as they are.
    """
    is_enough = pl.len().over(columns) >= minimum if columns else pl.lit(value=True)
    held = rows.with_columns(is_enough.alias(SETTLED))
    for name in reversed(columns):
        held = held.with_columns(pl.when(SETTLED).then(name).alias(name))
        held = held.with_columns(pl.col(SETTLED) | is_enough)
    if not held[SETTLED].all():
        groups = held.filter(SETTLED).group_by(columns).len().sort("len", *columns, nulls_last=False)
        smallest = groups.head(1).select(columns)
        joins = held.select(columns).with_row_index("n").join(smallest, on=columns, how="semi", nulls_equal=True)["n"]
        is_kept = pl.col(SETTLED) & ~pl.int_range(pl.len()).is_in(joins.implode())
        held = held.with_columns(pl.when(is_kept).then(name).alias(name) for name in columns)
    return held.drop(SETTLED)


def count_small_groups(rows: pl.DataFrame, columns: Sequence[str], minimum: int) -> int:
    """Rows that share their `columns` with fewer than `minimum`, but those that say nothing."""
    if not columns:
        return 0
    says = pl.any_horizontal(pl.col(name).is_not_null() for name in columns)
    return rows.filter(pl.len().over(columns) < minimum, says).height
