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

from expectations.gate import EQUALITY, PreparedSuite, judge, prepare_suite
from expectations.suite import COLUMN_SET, ROW_COUNT, SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from expectations.result import GateResult, Outcome
    from expectations.suite import Expectation

    # On how many rows an expectation failed, of how many; None where it does not count.
    _Counts = tuple[int | None, int | None]


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
    plain = suite._replace(derived={})
    by_row = [each for each in suite.expectations if each.type not in {ROW_COUNT, COLUMN_SET}]
    counts = iter(zip(*(_count_rows(suite, by_row, rows) for rows in (added, removed)), strict=True))
    results = []
    for each, before in zip(suite.expectations, earlier.results, strict=True):
        if each.type in {ROW_COUNT, COLUMN_SET}:
            rows = pl.select(pl.repeat(1, row_count, dtype=pl.Int8).alias("row")) if each.type == ROW_COUNT else added
            results += judge(suite if each.type == COLUMN_SET else plain, [each], rows)
            continue
        outcome = _combine(each, before, *next(counts))
        if outcome is not None and each.type in EQUALITY:
            shared = _select_shared(suite, whole, each.reads)
            (found,) = (
                judge(plain, [each], shared) if shared.height else (replace(outcome, passed=True, failed_count=0),)
            )
            outcome = replace(outcome, passed=found.passed, failed_count=found.failed_count)
        if outcome is None:
            return None
        results.append(outcome)
    seconds = round(perf_counter() - started, 3)
    return replace(earlier, row_count=row_count, results=tuple(results), seconds=seconds, digest="")


def _count_rows(suite: PreparedSuite, expectations: Sequence[Expectation], rows: pl.DataFrame) -> list[_Counts]:
    """On how many of how many of these rows each expectation failed."""
    if rows.is_empty():
        return [(0, 0)] * len(expectations)
    return [(outcome.failed_count, outcome.checked_count) for outcome in judge(suite, expectations, rows)]


def _combine(each: Expectation, before: Outcome, added: _Counts, removed: _Counts) -> Outcome | None:
    counts = [(before.failed_count, before.checked_count), added, removed]
    if any(count is None for pair in counts for count in pair):
        return None
    failed, checked = (then + more - less for then, more, less in zip(*counts, strict=True))
    passed = not checked or (checked - failed) / checked >= float(str(each.kwargs.get("mostly", 1)))
    return replace(before, passed=passed, failed_count=failed, checked_count=checked, detail=None)


def _select_shared(suite: PreparedSuite, whole: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows that share these columns with another row, in these columns; hardly any."""
    derived = [expression for name, expression in suite.derived.items() if name in names]
    rows = whole.with_columns(derived).select(names).collect()
    return rows.filter(rows.hash_rows().is_duplicated())
