"""The gate before a write: validate a frame against its table's suite, and say what broke without saying a value.

Great Expectations does the judging, over pandas; this module hands it what it needs and takes from it counts alone.
Nothing else of what it answers (values, rows, messages and tracebacks of exceptions, which quote values) goes further.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import CdpError, PolicyError
from expectations.result import GateResult, Outcome
from expectations.suite import COLUMN_SET, ROW_COUNT, SUITES, Expectation, load_suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

# BASIC counts without listing row numbers, and 0 keeps the samples of failing values empty.
_COUNTS_ALONE = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}

# What can be asked of a column without reading what it says.
_PRESENCE = {"expect_column_values_to_not_be_null", "expect_column_values_to_be_null"}
_EQUALITY = {"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"}


class GateError(CdpError):
    """A suite could not be run on a frame at all. Carries names, never what the failing call said: it quotes values."""

    def __init__(self, table: str, doing: str, cause: type[BaseException]) -> None:
        self.table = table
        self.doing = doing
        super().__init__(f"{table}: {doing} failed with {cause.__name__}")


def validate(
    table: str, frame: pl.DataFrame, columns: Sequence[str] | None = None, *, suites: Path = SUITES
) -> GateResult:
    """Judge `frame` by the suite of `table` (`layer/name`).

    `columns`: the columns that the table must have, no more and no fewer, where they are declared elsewhere (a mart's
    by its purpose). That expectation takes the place of the suite's own set of columns.
    Raises `NoSuiteError`, `PolicyError` for a wrong suite, `GateError` where the suite cannot be run on the frame.
    """
    suite = load_suite(table, suites)
    _batches()  # The import is the process's, not the table's.
    started = perf_counter()
    told = suite.expectations
    if columns is not None:
        told = (
            *(each for each in told if each.type != COLUMN_SET),
            Expectation(
                type=COLUMN_SET,
                kwargs={"column_set": list(columns)},
                why="The table has the columns that it declares.",
            ),
        )
    derived = {
        name: expression.alias(name)
        for name, sql in suite.derived.items()
        if set((expression := pl.sql_expr(sql)).meta.root_names()) <= set(frame.columns)
    }
    there = {*frame.columns, *derived}
    answers = iter(_answers(table, [each for each in told if set(each.reads) <= there], frame, derived))
    return GateResult(
        table=table,
        description=suite.description,
        row_count=frame.height,
        results=tuple(
            _outcome(each, next(answers), frame) if set(each.reads) <= there else _unchecked(each, there)
            for each in told
        ),
        seconds=round(perf_counter() - started, 3),
    )


def _answers(
    table: str, told: Sequence[Expectation], frame: pl.DataFrame, derived: dict[str, pl.Expr]
) -> list[ExpectationValidationResult]:
    """What Great Expectations answers to each expectation, in their order."""
    from great_expectations.validator.v1_validator import Validator

    suite = _gx_suite(table, told, tuple(derived))
    try:
        # `Batch.validate` would hand the frame over, and hash it, a second time.
        batch = {"dataframe": _handed_over(frame, told, derived)}
        answers = Validator(_batches(), _COUNTS_ALONE, batch).validate_expectation_suite(suite).results
    except Exception as error:  # noqa: BLE001  whatever it is, its text may quote a value
        cause = type(error)
    else:
        return sorted(answers, key=lambda answer: answer.expectation_config.meta["position"])
    # Raised out here, so that the first exception is not even its context.
    raise GateError(table, "running the suite", cause)


def _gx_suite(table: str, told: Sequence[Expectation], derived: tuple[str, ...]) -> ExpectationSuite:
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    configurations = []
    for position, each in enumerate(told):
        try:
            get_expectation_impl(each.type)
        except ExpectationNotFoundError:
            raise PolicyError(f"suite of {table}", ((each.type, "is no type of Great Expectations"),)) from None
        kwargs = dict(each.kwargs)
        if each.type == COLUMN_SET:
            kwargs["column_set"] = [*kwargs["column_set"], *derived]
        configurations.append(
            {"type": each.type, "kwargs": kwargs, "severity": each.severity, "meta": {"position": position}}
        )
    try:
        return ExpectationSuite(name=table, expectations=configurations)
    except ValueError as error:
        # Nothing but what the suite declares is quoted here: no row has been seen yet.
        raise PolicyError(f"suite of {table}", (("expectations", str(error)),)) from None


@cache
def _batches() -> BatchDefinition:
    """Where frames are handed to Great Expectations: one place in memory for the whole process.

    Imported here, for the import alone takes three seconds. Its log is closed, since it writes exceptions with values.
    """
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    frames = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return frames.add_batch_definition_whole_dataframe("whole")


def _handed_over(frame: pl.DataFrame, told: Sequence[Expectation], derived: dict[str, pl.Expr]) -> pd.DataFrame:
    """The frame in pandas, of each column as much as the suite asks of it.

    Great Expectations hashes every batch, which for text takes longer than most checks. So a column of which only
    presence is asked becomes 1 or nothing, one of which only equality is asked becomes a number per value, and one
    that nothing reads is there by name. Counts come out the same.
    """
    asked: dict[str, set[str]] = {}
    for each in told:
        for name in each.reads:
            asked.setdefault(name, set()).add(each.type)
        for name in re.findall(r"[A-Za-z_]\w*", each.kwargs.get("row_condition", "")):
            asked.setdefault(name, set()).add("row_condition")
    wide = frame.with_columns(derived.values())
    return wide.select(_form(name, dtype, asked.get(name, set())) for name, dtype in wide.schema.items()).to_pandas()


def _form(name: str, dtype: pl.DataType, asked: set[str]) -> pl.Expr:
    column = pl.col(name)
    if not asked:
        return pl.lit(1, pl.Int8).alias(name)
    if asked <= _PRESENCE:
        return pl.when(column.is_not_null()).then(pl.lit(1, pl.Float32)).alias(name)
    if asked <= _PRESENCE | _EQUALITY and dtype == pl.String:
        return column.rank("dense")
    match dtype:
        case pl.List():
            return column.cast(pl.List(pl.String)).list.join(",", ignore_nulls=True)
        case pl.Date() | pl.Datetime():
            return _moment(column, dtype)
        case _:
            return column


def _moment(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A date or time stamp, naive in UTC and in nanoseconds: in another unit it would be compared value by value.

    They reach from 1677 to 2262: a date beyond becomes the first or last of these, outside of every sensible range too.
    """
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    first, last = datetime(1678, 1, 1), datetime(2262, 1, 1)  # noqa: DTZ001  naive as the column is
    return column.cast(pl.Datetime("us")).clip(first, last).cast(pl.Datetime("ns"))


def _outcome(each: Expectation, answer: ExpectationValidationResult, frame: pl.DataFrame) -> Outcome:
    """An expectation with its counts. Nothing else is taken from the answer: its observed values can be cells."""
    info = answer.exception_info or {}
    raised = any(part.get("raised_exception") for part in (info, *info.values()) if isinstance(part, dict))
    counts = answer.result or {}
    row_count = counts.get("element_count")
    detail = "it cannot be computed on what the column holds" if raised else _detail(each, frame)
    return Outcome(
        each.type,
        ", ".join(each.reads) or None,
        each.kwargs,
        each.severity,
        each.why,
        passed=bool(answer.success),
        failed_count=counts.get("unexpected_count"),
        checked_count=None if row_count is None else row_count - counts.get("missing_count", 0),
        detail=None if answer.success else detail,
    )


def _unchecked(each: Expectation, there: set[str]) -> Outcome:
    missing = ", ".join(name for name in each.reads if name not in there)
    return Outcome(
        each.type,
        ", ".join(each.reads) or None,
        each.kwargs,
        each.severity,
        each.why,
        passed=False,
        failed_count=None,
        checked_count=None,
        detail=f"the table has no column {missing}",
    )


def _detail(each: Expectation, frame: pl.DataFrame) -> str | None:
    """What counts of rows cannot say. A column that nobody declared is counted, not named: its name may be a value."""
    if each.type == ROW_COUNT:
        return f"it has {frame.height:,}"
    if each.type == COLUMN_SET:
        declared = each.kwargs["column_set"]
        missing = [name for name in declared if name not in frame.columns]
        more_count = len(set(frame.columns) - set(declared)) if each.kwargs.get("exact_match", True) else 0
        told = [f"missing: {', '.join(missing)}"] if missing else []
        return "; ".join([*told, f"{more_count} not declared"] if more_count else told)
    return None
