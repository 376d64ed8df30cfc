"""The result of a gate after some rows were added and others removed, from its result before.

An expectation of rows counts rows. So its counts are those from before, without those of the removed rows and with
those of the added ones. Rows that share a key are looked for among all rows. The outcome is that of a check of all
rows; where this cannot be said, there is none.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from expectations.batch import EQUALITY, PRESENCE, PreparedSuite, combine, judge, judge_equality, prepare_suite
from expectations.suite import COLUMN_SET, ROW_COUNT, SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from expectations.batch import Counts
    from expectations.result import GateResult, Outcome


def update_result(
    earlier: GateResult,
    added: pl.DataFrame,
    removed: pl.DataFrame,
    whole: pl.LazyFrame,
    columns: Sequence[str] | None = None,
    *,
    suites: Path = SUITES,
) -> GateResult | None:
    """The result on `whole`: the rows of `earlier`, without `removed` and with `added`, all in the same columns.

    `columns`: see `validate_frame`. None where all rows have to be checked: the suite is another one, a column is
    missing, or something could not be counted. Raises as `validate_frame` does.
    """
    suite = prepare_suite(earlier.table, added.columns, columns, suites)
    row_count = whole.select(pl.len()).collect().item()
    is_known = earlier.suite_digest == suite.digest and all(
        {*each.reads} <= suite.available for each in suite.expectations
    )
    if not is_known or row_count != earlier.row_count + added.height - removed.height:
        return None
    if added.is_empty() and removed.is_empty():
        return earlier
    started = perf_counter()
    of_rows = [each.type not in {ROW_COUNT, COLUMN_SET} for each in suite.expectations]
    more = _judge_added(suite, of_rows, added, row_count)
    less = _count_removed(suite, of_rows, earlier.results, removed)
    results = []
    for number, (each, before) in enumerate(zip(suite.expectations, earlier.results, strict=True)):
        found = more.get(number)
        if of_rows[number]:
            outcome = combine(
                each, before, (found.failed_count, found.checked_count) if found else (0, 0), less[number]
            )
            if outcome is not None and each.type in EQUALITY:
                outcome = judge_equality(suite, each, outcome, whole)
        elif each.type == ROW_COUNT and not more[number].passed:
            outcome = replace(more[number], detail=f"it has {row_count:,}")
        else:
            outcome = more[number]
        if outcome is None:
            return None
        results.append(outcome)
    seconds = round(perf_counter() - started, 3)
    return replace(earlier, row_count=row_count, results=tuple(results), seconds=seconds, digest="")


def _judge_added(
    suite: PreparedSuite, of_rows: Sequence[bool], added: pl.DataFrame, row_count: int
) -> dict[int, Outcome]:
    """Position of each expectation to its outcome: on the added rows, or on the table if it is not about rows.

    `of_rows`: whether each expectation is about rows. Tables whose number of rows is beyond every bound are alike, so
    few rows stand for many.
    """
    numbered = list(enumerate(suite.expectations))
    bounds = [
        value
        for _, each in numbered
        if each.type == ROW_COUNT
        for value in each.kwargs.values()
        if isinstance(value, int)
    ]
    enough = max(bounds, default=0) + 1
    counted = [number for number, each in numbered if each.type == ROW_COUNT]
    others = [number for number, _ in numbered if number not in counted and (added.height or not of_rows[number])]
    if added.height >= enough:
        return _judge_numbered(suite, sorted([*counted, *others]), added)
    rows = pl.select(pl.repeat(1, min(row_count, enough), dtype=pl.Int8).alias("row"))
    plain = suite._replace(derived={})
    return _judge_numbered(suite, others, added) | _judge_numbered(plain, counted, rows)


def _judge_numbered(suite: PreparedSuite, numbers: Sequence[int], rows: pl.DataFrame) -> dict[int, Outcome]:
    return dict(zip(numbers, judge(suite, [suite.expectations[number] for number in numbers], rows), strict=True))


def _count_removed(
    suite: PreparedSuite, of_rows: Sequence[bool], before: Sequence[Outcome], removed: pl.DataFrame
) -> dict[int, Counts]:
    """Position of each expectation about rows to the removed rows on which it failed, and those that it checked.

    An expectation that failed on no row of the table failed on no removed row. It checked those without a missing
    value. Great Expectations counts in all other cases.
    """
    numbers = [number for number, is_of_rows in enumerate(of_rows) if is_of_rows]
    if removed.is_empty():
        return dict.fromkeys(numbers, (0, 0))
    rows = removed.with_columns(suite.derived.values())
    missing = {name: _count_missing(rows[name]) for name in rows.columns}
    counts: dict[int, Counts] = {}
    for number in numbers:
        each = suite.expectations[number]
        if before[number].failed_count == 0 and "row_condition" not in each.kwargs:
            if not any(missing[name] for name in each.reads):
                counts[number] = (0, rows.height)
            elif "column" in each.kwargs and each.type not in PRESENCE:
                counts[number] = (0, rows.height - missing[each.reads[0]])
    if uncounted := [number for number in numbers if number not in counts]:
        judged = _judge_numbered(suite, uncounted, removed)
        counts |= {number: (outcome.failed_count, outcome.checked_count) for number, outcome in judged.items()}
    return counts


def _count_missing(values: pl.Series) -> int:
    """The number of values that pandas takes for missing."""
    return values.null_count() + (int(values.is_nan().sum()) if values.dtype.is_float() else 0)
