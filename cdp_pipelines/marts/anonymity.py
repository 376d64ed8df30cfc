"""Pseudonymous marts: rows about persons in groups of equal values, at least k rows in each.

Here belongs k-anonymity (Samarati and Sweeney, 1998) by local suppression; aggregates are protected in `aggregate`. All
rows of a mart are in groups of at least k on all of its columns, and so on any of them: a join with other data on any
columns matches k rows or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTECTED = "is_protected"


def suppress_small_groups(rows: pl.DataFrame, columns: Sequence[str], minimum: int) -> pl.DataFrame:
    """`rows`, in which each row shares its `columns` with at least `minimum` rows (itself included); null is a value.

    A row without enough equals gets null in its columns, the last one first, until it has enough. If fewer than
    `minimum` rows have null in all columns, the smallest other group (of equal ones the first in order) gets null in
    all columns too. If there are fewer rows than `minimum`, all get null. No row is dropped, no other column changes,
    and rows that are protected already are returned unchanged.
    """
    is_enough = pl.len().over(columns) >= minimum if columns else pl.lit(value=True)
    result = rows.with_columns(is_enough.alias(PROTECTED))
    for name in reversed(columns):
        result = result.with_columns(pl.when(PROTECTED).then(name).alias(name))
        result = result.with_columns(pl.col(PROTECTED) | is_enough)
    if not result[PROTECTED].all():
        groups = result.filter(PROTECTED).group_by(columns).len().sort("len", *columns, nulls_last=False)
        smallest = groups.head(1).select(columns)
        joins = result.select(columns).with_row_index("n").join(smallest, on=columns, how="semi", nulls_equal=True)["n"]
        keeps_values = pl.col(PROTECTED) & ~pl.int_range(pl.len()).is_in(joins.implode())
        result = result.with_columns(pl.when(keeps_values).then(name).alias(name) for name in columns)
    return result.drop(PROTECTED)


def count_small_groups(rows: pl.DataFrame, columns: Sequence[str], minimum: int) -> int:
    """Number of rows that share their `columns` with fewer than `minimum` rows; rows with only nulls do not count."""
    if not columns:
        return 0
    has_value = pl.any_horizontal(pl.col(name).is_not_null() for name in columns)
    return rows.filter(pl.len().over(columns) < minimum, has_value).height
