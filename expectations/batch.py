"""A suite on one frame: run Great Expectations over pandas, and answer with counts, without values.

Preparing a suite, running it and combining the answers about several frames belong here; what a gate makes of them does
not. Only counts leave this module: the values, rows, messages and tracebacks in the answers of Great Expectations can
show personal data.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from cdp_pipelines.errors import CdpError, PolicyError
from expectations.result import Outcome
from expectations.suite import COLUMN_SET, ROW_COUNT, Expectation, load_suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    from expectations.suite import Severity

    # On how many rows an expectation failed, of how many; None where it does not count.
    Counts = tuple[int | None, int | None]

# BASIC counts without listing row numbers, and 0 keeps the samples of failing values empty.
_COUNTS_ALONE = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}

# Expectations that do not read the values of a column, and those that compare rows with each other.
PRESENCE = {"expect_column_values_to_not_be_null", "expect_column_values_to_be_null"}
EQUALITY = {"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"}


class GateError(CdpError):
    """A suite could not be run on a frame. It has names only, because messages of the failing call quote values."""

    def __init__(self, table: str, step: str, cause: type[BaseException]) -> None:
        self.table = table
        self.step = step
        super().__init__(f"{table}: {step} failed with {cause.__name__}")


class PreparedSuite(NamedTuple):
    """A suite for frames with certain columns. `derived`: computed columns; `available`: these and those of the frame.

    `digest`: equal for equal expectations, answered by the same libraries.
    """

    table: str
    description: str
    expectations: tuple[Expectation, ...]
    derived: dict[str, pl.Expr]
    available: set[str]
    digest: str


def prepare_suite(table: str, found: Sequence[str], declared: Sequence[str] | None, suites: Path) -> PreparedSuite:
    """The suite of a table for frames with the columns `found`; `declared`: see `validate_frame`."""
    suite = load_suite(table, suites)
    expectations = suite.expectations
    if declared is not None:
        expectations = (
            *(each for each in expectations if each.type != COLUMN_SET),
            Expectation(
                type=COLUMN_SET,
                kwargs={"column_set": list(declared)},
                why="The table has the columns that it declares.",
            ),
        )
    derived = {
        name: expression.alias(name)
        for name, sql in suite.derived.items()
        if set((expression := pl.sql_expr(sql)).meta.root_names()) <= set(found)
    }
    text = f"{suite!r} {declared} {pl.__version__} {version('great-expectations')}"
    digest = sha256(text.encode()).hexdigest()
    return PreparedSuite(table, suite.description, expectations, derived, {*found, *derived}, digest)


def judge(suite: PreparedSuite, expectations: Sequence[Expectation], frame: pl.DataFrame) -> tuple[Outcome, ...]:
    """The outcome of each of these expectations of the suite on a frame, in their order."""
    computable = [each for each in expectations if set(each.reads) <= suite.available]
    answers = iter(_validate_batch(suite.table, computable, frame, suite.derived))
    return tuple(
        _build_outcome(each, next(answers), frame)
        if set(each.reads) <= suite.available
        else _build_unchecked(each, suite.available)
        for each in expectations
    )


def judge_equality(suite: PreparedSuite, each: Expectation, outcome: Outcome, whole: pl.LazyFrame) -> Outcome:
    """The outcome with the number of rows that share these columns with another one, of all rows (`whole`)."""
    shared = _select_shared(suite, whole, each.reads)
    if shared.is_empty():
        return replace(outcome, passed=True, failed_count=0)
    (found,) = judge(suite._replace(derived={}), [each], shared)
    return replace(outcome, passed=found.passed, failed_count=found.failed_count)


def combine(each: Expectation, before: Outcome, added: Counts, removed: Counts) -> Outcome | None:
    """An outcome with more rows counted and others no more; None where one of them does not count."""
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


def _validate_batch(
    table: str, expectations: Sequence[Expectation], frame: pl.DataFrame, derived: dict[str, pl.Expr]
) -> list[ExpectationValidationResult]:
    """The answer of Great Expectations to each expectation, in their order."""
    from great_expectations.validator.v1_validator import Validator

    suite = _build_gx_suite(table, expectations, tuple(derived))
    try:
        # `Batch.validate` would pass the frame on, and hash it, a second time.
        batch = {"dataframe": _convert_frame(frame, expectations, derived)}
        validator = Validator(load_library(), _COUNTS_ALONE, batch)
        with _configurations_built_once():
            answers = validator.validate_expectation_suite(suite).results
    except Exception as error:  # noqa: BLE001  the text of any error may quote a value
        cause = type(error)
    else:
        return sorted(answers, key=lambda answer: answer.expectation_config.meta["position"])
    # Raised outside the except block, so that the first exception is not its context.
    raise GateError(table, "running the suite", cause)


@contextmanager
def _configurations_built_once() -> Iterator[None]:
    """A validation reads the configuration of an expectation some eighty times, and the library builds it each time.

    That was a quarter of the time that a gate takes on a small table.
    """
    from great_expectations.expectations.expectation import Expectation as GxExpectation

    library_property = GxExpectation.configuration
    built: dict[int, tuple[object, object]] = {}

    def configuration(expectation: GxExpectation) -> object:
        # The expectation is kept too, so that no other one gets its identity meanwhile.
        if id(expectation) not in built:
            built[id(expectation)] = (expectation, library_property.fget(expectation))
        return built[id(expectation)][1]

    GxExpectation.configuration = property(configuration)
    try:
        yield
    finally:
        GxExpectation.configuration = library_property


def _build_gx_suite(table: str, expectations: Sequence[Expectation], derived: tuple[str, ...]) -> ExpectationSuite:
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    configurations = []
    for position, each in enumerate(expectations):
        try:
            get_expectation_impl(each.type)
        except ExpectationNotFoundError:
            raise PolicyError(
                f"suite of {table}", ((each.type, "is not an expectation type of Great Expectations"),)
            ) from None
        kwargs = dict(each.kwargs)
        if each.type == COLUMN_SET:
            kwargs["column_set"] = [*kwargs["column_set"], *derived]
        configurations.append(
            {"type": each.type, "kwargs": kwargs, "severity": each.severity, "meta": {"position": position}}
        )
    try:
        return ExpectationSuite(name=table, expectations=configurations)
    except ValueError as error:
        # This text quotes the suite alone: no row was read yet.
        raise PolicyError(f"suite of {table}", (("expectations", str(error)),)) from None


@cache
def load_library() -> BatchDefinition:
    """The entry for frames into Great Expectations: one for the whole process, in memory.

    The import is here, because it takes three seconds. Its log is off, because it shows exceptions with values.
    """
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
    context = great_expectations.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    frames = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return frames.add_batch_definition_whole_dataframe("whole")


def _convert_frame(
    frame: pl.DataFrame, expectations: Sequence[Expectation], derived: dict[str, pl.Expr]
) -> pd.DataFrame:
    """The frame in pandas, with as much of each column as the suite reads.

    Great Expectations hashes every batch, and hashing text takes longer than most checks. So a column whose presence
    alone is checked becomes 1 or null, one whose equality alone is checked becomes a number for each value, and one
    that no expectation reads becomes a constant. Counts stay the same.
    """
    types: dict[str, set[str]] = {}
    for each in expectations:
        for name in each.reads:
            types.setdefault(name, set()).add(each.type)
        for name in re.findall(r"[A-Za-z_]\w*", each.kwargs.get("row_condition", "")):
            types.setdefault(name, set()).add("row_condition")
    wide = frame.with_columns(derived.values())
    return wide.select(
        _convert_column(name, dtype, types.get(name, set())) for name, dtype in wide.schema.items()
    ).to_pandas()


def _convert_column(name: str, dtype: pl.DataType, types: set[str]) -> pl.Expr:
    column = pl.col(name)
    if not types:
        return pl.repeat(1, pl.len(), dtype=pl.Int8).alias(name)
    if types <= PRESENCE:
        return pl.when(column.is_not_null()).then(pl.lit(1, pl.Float32)).alias(name)
    if types <= PRESENCE | EQUALITY and dtype == pl.String:
        return column.rank("dense")
    match dtype:
        case pl.List():
            return column.cast(pl.List(pl.String)).list.join(",", ignore_nulls=True)
        case pl.Date() | pl.Datetime():
            return _convert_time(column, dtype)
        case _:
            return column


def _convert_time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A date or time stamp, naive in UTC and in nanoseconds: pandas compares other units value by value.

    Nanoseconds reach from 1677 to 2262. A date outside becomes the first or last of these, outside of every sensible
    range as well.
    """
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    first, last = datetime(1678, 1, 1), datetime(2262, 1, 1)  # noqa: DTZ001  naive as the column is
    return column.cast(pl.Datetime("us")).clip(first, last).cast(pl.Datetime("ns"))


def _build_outcome(each: Expectation, answer: ExpectationValidationResult, frame: pl.DataFrame) -> Outcome:
    """An expectation with its counts; the observed values of the answer can be cells and stay behind."""
    info = answer.exception_info or {}
    raised = any(part.get("raised_exception") for part in (info, *info.values()) if isinstance(part, dict))
    counts = answer.result or {}
    row_count = counts.get("element_count")
    detail = "it cannot be computed on the values of the column" if raised else _describe_table(each, frame)
    return Outcome(
        *_name(each),
        passed=bool(answer.success),
        failed_count=counts.get("unexpected_count"),
        checked_count=None if row_count is None else row_count - counts.get("missing_count", 0),
        detail=None if answer.success else detail,
    )


def _build_unchecked(each: Expectation, available: set[str]) -> Outcome:
    missing = ", ".join(name for name in each.reads if name not in available)
    return Outcome(
        *_name(each),
        passed=False,
        failed_count=None,
        checked_count=None,
        detail=f"the table has no column {missing}",
    )


def _name(each: Expectation) -> tuple[str, str | None, dict[str, Any], Severity, str]:
    """What an outcome takes from its expectation: type, columns, arguments, severity and reason."""
    return each.type, ", ".join(each.reads) or None, each.kwargs, each.severity, each.why


def _describe_table(each: Expectation, frame: pl.DataFrame) -> str | None:
    """Rows or columns found. Undeclared columns are counted, not named: the name of a column may be a value."""
    if each.type == ROW_COUNT:
        return f"it has {frame.height:,}"
    if each.type == COLUMN_SET:
        declared = each.kwargs["column_set"]
        missing = [name for name in declared if name not in frame.columns]
        undeclared_count = len(set(frame.columns) - set(declared)) if each.kwargs.get("exact_match", True) else 0
        details = [f"missing: {', '.join(missing)}"] if missing else []
        return "; ".join([*details, f"{undeclared_count} not declared"] if undeclared_count else details)
    return None
