"""Aggregate marts: people counted by dimensions, with small cells suppressed so that no sum reveals them.

Here belong cells and their suppression; marts with rows about persons are protected in `anonymity`. There is a cell for
each combination of values that somebody has, and for `all` in place of any dimension. A cell is suppressed, with all of
its sums, if it has too few people; a sum alone is suppressed if a single person makes more than half of it. Further
cells are suppressed (complementary suppression: Cox 1980, Fischetti and Salazar 2001) until each suppressed cell has a
range of at least `minimum - 1` people for an attacker who knows every published cell, every way in which cells add up,
and that each suppressed cell has at least one person. Further sums are suppressed until each has a range of at least
half its size for an attacker who knows every published sum, and that none is negative where no value is.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from scipy.optimize import OptimizeResult

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
    keys = cells.select(dimensions).rows()
    counts = dict(zip(keys, cells[PEOPLE].to_list(), strict=True))
    small = set(cells.filter(pl.col(PEOPLE) < minimum).select(dimensions).rows())
    hidden = {PEOPLE: suppress_cells(counts, small, 1, dict.fromkeys(counts, minimum - 1))}
    for name in sums:
        values = dict(zip(keys, cells[name].to_list(), strict=True))
        dominated = set(cells.filter(dominated_name(name)).select(dimensions).rows())
        least = 0 if rows.filter(pl.col(name) < 0).is_empty() else None
        widths = {cell: max(1, DOMINANT * abs(value)) for cell, value in values.items()}
        hidden[name] = suppress_cells(values, hidden[PEOPLE] | dominated, least, widths)
    return cells.select(
        *dimensions,
        *(
            pl.when(pl.Series([key not in cells_of for key in keys], dtype=pl.Boolean)).then(pl.col(name)).alias(name)
            for name, cells_of in hidden.items()
        ),
    )


def dominated_name(name: str) -> str:
    """Column of a cube that says whether one person makes most of a sum."""
    return f"{name} is dominated"


def build_cube(rows: MartRows, dimensions: Sequence[str], sums: Sequence[str]) -> pl.DataFrame:
    """People and sums of each combination of dimensions, `all` standing for any value; in order of the dimensions.

    A missing value is `none`; a date is text in ISO 8601. For each sum there is a column `dominated_name`.
    """
    texts = rows.with_columns(pl.col(name).cast(pl.String).fill_null(NONE) for name in dimensions)
    is_dominated = [
        (pl.col(name).abs().max().fill_null(0) > DOMINANT * pl.col(name).abs().sum().cast(pl.Float64)).alias(
            dominated_name(name)
        )
        for name in sums
    ]
    parts = [
        texts.with_columns(pl.lit(ALL).alias(name) for name in dimensions if name not in subset)
        .group_by(dimensions)
        .agg(
            pl.len().cast(pl.Int64).alias(PEOPLE),
            *(pl.col(name).sum() for name in sums),
            *is_dominated,
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


def suppress_cells(
    counts: dict[Cell, int], small: set[Cell], least: int | None, widths: Mapping[Cell, float]
) -> set[Cell]:
    """Cells to suppress: the `small` ones, and as many more as protect them (see the module).

    `counts`: people or a sum by cell; `least`: the smallest that a cell can be, None where it has no bound; `widths`:
    the range that each cell needs where it is suppressed. For each cell with a too narrow range, another published cell
    in one of its sums is suppressed too; if there is none, another published cell. Always taking the smallest hides
    little of each total, always taking the greatest often needs fewer cells: the shorter result counts.
    """
    sums = list(list_sum_constraints(list(counts)))
    found = (_suppress_more(counts, small, least, widths, sums, prefer) for prefer in (min, max))
    return min(found, key=len)


def _suppress_more(
    counts: dict[Cell, int],
    small: set[Cell],
    least: int | None,
    widths: Mapping[Cell, float],
    sums: Sequence[SumConstraint],
    prefer: Callable[..., Cell],
) -> set[Cell]:
    """The `small` cells and those that protect them; of equal cells the first or the last in order."""
    neighbours: dict[Cell, set[Cell]] = {cell: set() for cell in counts}
    for whole, parts in sums:
        for cell in (whole, *parts):
            neighbours[cell].update((whole, *parts))
    suppressed, unsure = set(small), set(small)
    while suppressed and len(suppressed) < len(counts):
        bounds = bound_cells(counts, suppressed, sums, least, unsure)
        narrow = [cell for cell, (low, high) in bounds.items() if high - low < widths[cell]]
        if not narrow:
            break
        more = set()
        for cell in narrow:
            published = neighbours[cell] - suppressed or set(counts) - suppressed
            more.add(prefer(published, key=lambda candidate: (abs(counts[candidate]), candidate)))
        suppressed |= more
        # A cell that is wide enough stays so, however many others are suppressed.
        unsure = more.union(narrow)
    return suppressed


def bound_cells(
    counts: dict[Cell, int],
    suppressed: set[Cell],
    sums: Sequence[SumConstraint],
    least: int | None,
    of: Collection[Cell] | None = None,
) -> dict[Cell, tuple[float, float]]:
    """Range of each suppressed cell that an attacker can compute from all published ones: the least and the most.

    `least`: the smallest that a cell can be, None where it has no bound; `of`: the cells of interest, by default all.
    """
    # scipy takes half a second to load, and no command needs it.
    from scipy.optimize import linprog

    # Solvers are exact on numbers near one.
    scale = max(1, *(abs(count) for count in counts.values()))
    lower = None if least is None else least / scale
    order = sorted(suppressed)
    position = {cell: n for n, cell in enumerate(order)}
    rows, values = [], []
    for whole, parts in sums:
        row, value = np.zeros(len(order)), 0.0
        for cell, sign in ((whole, 1.0), *((part, -1.0) for part in parts)):
            if cell in position:
                row[position[cell]] = sign
            else:
                value -= sign * counts[cell] / scale
        if row.any():
            rows.append(row)
            values.append(value)
    known = {"A_eq": np.array(rows), "b_eq": values} if rows else {}
    bounds = {}
    for cell in order if of is None else sorted(of):
        n = position[cell]
        objective = np.zeros(len(order))
        objective[n] = 1.0
        low, high = (_read_bound(linprog(-sign * objective, bounds=(lower, None), **known), scale) for sign in (-1, 1))
        bounds[cell] = (round(-low, 6), round(high, 6))
    return bounds


def _read_bound(found: OptimizeResult, scale: float) -> float:
    """The greatest value of a cell; 0 where the solver fails, so that the cell counts as not protected."""
    if found.status == UNBOUNDED:
        return np.inf
    return 0.0 if found.fun is None else -scale * float(found.fun)
