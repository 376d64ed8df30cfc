"""A mart without persons: people counted by dimensions, small cells left out so that no sum gives them back.

Every cell is there: each combination of values that somebody has, and `all` in place of any dimension. A cell of too
few people is suppressed, and so is one of whose sums a single person makes more than half. Then further cells are
suppressed (complementary suppression: Cox 1980, Fischetti and Salazar 2001) until whoever knows every published cell,
every way in which they add up, and that each suppressed cell has at least one person, is still left with a range of at
least `minimum - 1` people for each of them.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALL, NONE = "all", "none"
PEOPLE = "people"
# Of a sum, the share of one person from which on it tells of that person.
DOMINANT = 0.5
UNBOUNDED = 3
Cell = tuple[str, ...]
Line = tuple[Cell, tuple[Cell, ...]]


def aggregate_mart(rows: pl.DataFrame, dimensions: Sequence[str], sums: Sequence[str], minimum: int) -> pl.DataFrame:
    """Cells of `rows` (one per person); key `dimensions` as text, columns people and `sums`, null where suppressed."""
    cells = build_cube(rows, dimensions, sums)
    if cells.is_empty():
        return cells.drop("is_small")
    counts = dict(zip(cells.select(dimensions).rows(), cells[PEOPLE].to_list(), strict=True))
    small = set(cells.filter(pl.col("is_small") | (pl.col(PEOPLE) < minimum)).select(dimensions).rows())
    hidden = suppress_cells(counts, small, minimum)
    shows = pl.Series([cell not in hidden for cell in counts])
    return cells.drop("is_small").with_columns(
        pl.when(shows).then(pl.col(name)).alias(name) for name in (PEOPLE, *sums)
    )


def build_cube(rows: pl.DataFrame, dimensions: Sequence[str], sums: Sequence[str]) -> pl.DataFrame:
    """People and sums of each combination of dimensions, `all` standing for any value; with `is_small` by dominance.

    In order of the dimensions. Dates of months are told as such; a missing value is `none`.
    """
    told = rows.with_columns(pl.col(name).cast(pl.String).fill_null(NONE) for name in dimensions)
    is_dominated = [
        pl.col(name).abs().max().fill_null(0) > DOMINANT * pl.col(name).abs().sum().cast(pl.Float64) for name in sums
    ]
    parts = [
        told.with_columns(pl.lit(ALL).alias(name) for name in dimensions if name not in kept)
        .group_by(dimensions)
        .agg(
            pl.len().cast(pl.Int64).alias(PEOPLE),
            *(pl.col(name).sum() for name in sums),
            pl.any_horizontal(pl.lit(value=False), *is_dominated).alias("is_small"),
        )
        for n in range(len(dimensions) + 1)
        for kept in combinations(dimensions, n)
    ]
    return pl.concat(parts).sort(dimensions)


def list_sum_constraints(cells: Sequence[Cell]) -> Iterator[Line]:
    """Every way in which cells add up: a cell that has `all` in a dimension, and the cells that differ in it alone."""
    below: dict[tuple[int, Cell], list[Cell]] = {}
    for cell in cells:
        for place, value in enumerate(cell):
            if value != ALL:
                below.setdefault((place, (*cell[:place], ALL, *cell[place + 1 :])), []).append(cell)
    for (_, whole), parts in below.items():
        yield whole, tuple(parts)


def suppress_cells(counts: dict[Cell, int], small: set[Cell], minimum: int) -> set[Cell]:
    """Cells to suppress: `small` ones, and as many more as it takes (see the module).

    Where a cell's range is too narrow, the smallest published cell that adds up with it (of equal ones the first in
    order) is suppressed too; where there is none, the smallest of all.
    """
    sums = list(list_sum_constraints(list(counts)))
    near: dict[Cell, set[Cell]] = {cell: set() for cell in counts}
    for whole, parts in sums:
        for cell in (whole, *parts):
            near[cell].update((whole, *parts))
    hidden = set(small)
    while hidden and len(hidden) < len(counts):
        narrow = [
            cell for cell, (least, most) in bound_cells(counts, hidden, sums).items() if most - least < minimum - 1
        ]
        if not narrow:
            break
        more = set()
        for cell in narrow:
            published = near[cell] - hidden or set(counts) - hidden
            more.add(min(published, key=lambda each: (counts[each], each)))
        hidden |= more
    return hidden


def bound_cells(counts: dict[Cell, int], hidden: set[Cell], sums: Sequence[Line]) -> dict[Cell, tuple[float, float]]:
    """What an attacker can tell of each hidden cell from all published ones: the least and the most people in it."""
    # Half a second to load, for one question of the night: no command needs it.
    from scipy.optimize import linprog

    order = sorted(hidden)
    place = {cell: n for n, cell in enumerate(order)}
    rows, values = [], []
    for whole, parts in sums:
        row, value = np.zeros(len(order)), 0.0
        for cell, sign in ((whole, 1.0), *((part, -1.0) for part in parts)):
            if cell in place:
                row[place[cell]] = sign
            else:
                value -= sign * counts[cell]
        if row.any():
            rows.append(row)
            values.append(value)
    known = {"A_eq": np.array(rows), "b_eq": values} if rows else {}
    found = {}
    for cell, n in place.items():
        aim = np.zeros(len(order))
        aim[n] = 1.0
        least, most = (linprog(sign * aim, bounds=(1, None), **known) for sign in (1, -1))
        top = np.inf if most.status == UNBOUNDED else -most.fun
        found[cell] = (round(least.fun, 6), round(top, 6))
    return found
