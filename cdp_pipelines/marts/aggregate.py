"""Aggregate marts: people counted by dimensions, with small cells suppressed so that no sum reveals them.

Here belong cells and their suppression; marts with rows about persons are protected in `anonymity`. There is a cell for
each combination of values that somebody has, and for `all` in place of any dimension. A cell is suppressed if it has
too few people, or if a single person makes more than half of one of its sums. Further cells are suppressed
(complementary suppression: Cox 1980, Fischetti and Salazar 2001) until each suppressed cell has a range of at least
`minimum - 1` people for an attacker who knows every published cell, every way in which cells add up, and that each
suppressed cell has at least one person.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdp_pipelines.schema import MartRows

ALL, NONE = "all", "none"
PEOPLE = "people"
# Greatest share of one person in a sum; a greater share would reveal that person's value.
DOMINANT = 0.5
# Status of scipy's linprog.
UNBOUNDED = 3
Cell = tuple[str, ...]
# A cell with `all` in a dimension, and the cells that add up to it.
SumConstraint = tuple[Cell, tuple[Cell, ...]]


def aggregate_mart(rows: MartRows, dimensions: Sequence[str], sums: Sequence[str], minimum: int) -> MartRows:
    """Cells of `rows` (one per person); key `dimensions` as text, columns people and `sums`, null where suppressed."""
    cells = build_cube(rows, dimensions, sums)
    if cells.is_empty():
        return cells.drop("is_small")
    counts = dict(zip(cells.select(dimensions).rows(), cells[PEOPLE].to_list(), strict=True))
    small = set(cells.filter(pl.col("is_small") | (pl.col(PEOPLE) < minimum)).select(dimensions).rows())
    suppressed = suppress_cells(counts, small, minimum)
    is_published = pl.Series([cell not in suppressed for cell in counts])
    return cells.drop("is_small").with_columns(
        pl.when(is_published).then(pl.col(name)).alias(name) for name in (PEOPLE, *sums)
    )


def build_cube(rows: MartRows, dimensions: Sequence[str], sums: Sequence[str]) -> pl.DataFrame:
    """People and sums of each combination of dimensions, `all` standing for any value; with `is_small` by dominance.

    In order of the dimensions. A missing value is `none`; a date is text in ISO 8601.
    """
    texts = rows.with_columns(pl.col(name).cast(pl.String).fill_null(NONE) for name in dimensions)
    is_dominated = [
        pl.col(name).abs().max().fill_null(0) > DOMINANT * pl.col(name).abs().sum().cast(pl.Float64) for name in sums
    ]
    parts = [
        texts.with_columns(pl.lit(ALL).alias(name) for name in dimensions if name not in subset)
        .group_by(dimensions)
        .agg(
            pl.len().cast(pl.Int64).alias(PEOPLE),
            *(pl.col(name).sum() for name in sums),
            pl.any_horizontal(pl.lit(value=False), *is_dominated).alias("is_small"),
        )
        for n in range(len(dimensions) + 1)
        for subset in combinations(dimensions, n)
    ]
    return pl.concat(parts).sort(dimensions)


def list_sum_constraints(cells: Sequence[Cell]) -> Iterator[SumConstraint]:
    """Every way in which cells add up: a cell that has `all` in a dimension, and the cells that differ in it alone."""
    parts_of: dict[tuple[int, Cell], list[Cell]] = {}
    for cell in cells:
        for position, value in enumerate(cell):
            if value != ALL:
                total = (*cell[:position], ALL, *cell[position + 1 :])
                parts_of.setdefault((position, total), []).append(cell)
    for (_, whole), parts in parts_of.items():
        yield whole, tuple(parts)


def suppress_cells(counts: dict[Cell, int], small: set[Cell], minimum: int) -> set[Cell]:
    """Cells to suppress: the `small` ones, and as many more as protect them (see the module).

    For each cell with a too narrow range, the smallest published cell in one of its sums is suppressed too (of equal
    ones the first in order); if there is none, the smallest published cell of all.
    """
    sums = list(list_sum_constraints(list(counts)))
    neighbours: dict[Cell, set[Cell]] = {cell: set() for cell in counts}
    for whole, parts in sums:
        for cell in (whole, *parts):
            neighbours[cell].update((whole, *parts))
    suppressed = set(small)
    while suppressed and len(suppressed) < len(counts):
        narrow = [
            cell for cell, (least, most) in bound_cells(counts, suppressed, sums).items() if most - least < minimum - 1
        ]
        if not narrow:
            break
        more = set()
        for cell in narrow:
            published = neighbours[cell] - suppressed or set(counts) - suppressed
            more.add(min(published, key=lambda candidate: (counts[candidate], candidate)))
        suppressed |= more
    return suppressed


def bound_cells(
    counts: dict[Cell, int], suppressed: set[Cell], sums: Sequence[SumConstraint]
) -> dict[Cell, tuple[float, float]]:
    """Range of each suppressed cell that an attacker can compute from all published ones: least and most people."""
    # scipy takes half a second to load, and no command needs it.
    from scipy.optimize import linprog

    order = sorted(suppressed)
    position = {cell: n for n, cell in enumerate(order)}
    rows, values = [], []
    for whole, parts in sums:
        row, value = np.zeros(len(order)), 0.0
        for cell, sign in ((whole, 1.0), *((part, -1.0) for part in parts)):
            if cell in position:
                row[position[cell]] = sign
            else:
                value -= sign * counts[cell]
        if row.any():
            rows.append(row)
            values.append(value)
    known = {"A_eq": np.array(rows), "b_eq": values} if rows else {}
    bounds = {}
    for cell, n in position.items():
        objective = np.zeros(len(order))
        objective[n] = 1.0
        least, most = (linprog(sign * objective, bounds=(1, None), **known) for sign in (1, -1))
        top = np.inf if most.status == UNBOUNDED else -most.fun
        bounds[cell] = (round(least.fun, 6), round(top, 6))
    return bounds
