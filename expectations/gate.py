"""The gate before a write: validate a frame against the suite of its table.

Here belongs the result of a whole frame. Great Expectations runs in `batch`, and what changes of a result with some
rows is in `changed_rows`.
"""

from __future__ import annotations

from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from expectations.batch import EQUALITY, PreparedSuite, combine, judge, judge_equality, load_library, prepare_suite
from expectations.result import GateResult
from expectations.suite import COLUMN_SET, ROW_COUNT, SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from expectations.result import Outcome

# Rows that are checked at once: a row takes several times the memory in pandas.
SLICE_ROWS = 250_000


def validate_frame(
    table: str,
    frame: pl.DataFrame,
    columns: Sequence[str] | None = None,
    earlier: GateResult | None = None,
    *,
    suites: Path = SUITES,
) -> GateResult:
    """Check `frame` against the suite of `table` (`layer/name`).

    `columns`: exactly the columns that the table must have, where they are declared elsewhere (those of a mart by its
    purpose). This expectation replaces the set of columns in the suite. `earlier`: the table's last result; it is the
    answer where it passed on the same rows by the same suite, because most tables stay the same in most nights.
    Raises `NoSuiteError`, `PolicyError` for a wrong suite, `GateError` where the suite cannot be run on the frame.
    """
    suite = prepare_suite(table, frame.columns, columns, suites)
    digest = _digest(suite, frame)
    if earlier is not None and earlier.passed and earlier.digest == digest:
        return earlier
    load_library()  # Imports Great Expectations once, before the clock starts.
    started = perf_counter()
    return GateResult(
        table=table,
        description=suite.description,
        row_count=frame.height,
        results=_judge_in_slices(suite, frame),
        seconds=round(perf_counter() - started, 3),
        digest=digest,
        suite_digest=suite.digest,
    )


def _digest(suite: PreparedSuite, frame: pl.DataFrame) -> str:
    """A digest of what a result depends on: the suite, the declared columns, and the rows in whatever order."""
    # Polars does not hash the rows of a frame without columns.
    rows = frame.hash_rows().sum() if frame.width else 0
    return sha256(f"{suite.digest} {frame.schema} {frame.height} {rows}".encode()).hexdigest()


def _judge_in_slices(suite: PreparedSuite, frame: pl.DataFrame) -> tuple[Outcome, ...]:
    """The outcome of each expectation of the suite, slice by slice; rows that share a key are looked for in all."""
    if frame.height <= SLICE_ROWS:
        return judge(suite, suite.expectations, frame)
    parts = [judge(suite, suite.expectations, part) for part in frame.iter_slices(SLICE_ROWS)]
    rows = pl.select(pl.repeat(1, frame.height, dtype=pl.Int8).alias("row"))
    outcomes = []
    for each, first, *others in zip(suite.expectations, *parts, strict=True):
        outcome: Outcome | None = first
        if each.type == ROW_COUNT:
            (outcome,) = judge(suite._replace(derived={}), [each], rows)
        elif each.type != COLUMN_SET:
            for other in others:
                outcome = outcome and combine(each, outcome, (other.failed_count, other.checked_count), (0, 0))
        if outcome is None:
            return judge(suite, suite.expectations, frame)
        outcomes.append(judge_equality(suite, each, outcome, frame.lazy()) if each.type in EQUALITY else outcome)
    return tuple(outcomes)
