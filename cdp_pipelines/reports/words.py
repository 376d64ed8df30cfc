"""Expectations in plain language, from their type and their declared arguments.

A type without a sentence of its own is shown by its name.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from expectations.result import Outcome


def describe_expectation(outcome: Outcome) -> str:
    """The expectation, as HTML: "<code>email</code> has a value, where <code>…</code>, in at least 95 % of rows".

    Of several outcomes that are shown as one (see `join_words`), `column` is a list.
    """
    describe = _SENTENCES.get(outcome.type)
    sentence = describe(outcome.kwargs) if describe else _code(outcome.type)
    if "row_condition" in outcome.kwargs:
        sentence += f", where {_code(outcome.kwargs['row_condition'])}"
    if (mostly := outcome.kwargs.get("mostly", 1)) < 1:
        sentence += f", in at least {100 * mostly:g} % of rows"
    return sentence


def join_words(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Outcomes in order; outcomes that hold and differ only in their column become one."""
    joined: list[Outcome] = []
    for each in outcomes:
        last = joined[-1] if joined else None
        if last and each.passed and "column" in each.kwargs and _but_column(each) == _but_column(last):
            joined[-1] = replace(
                last, kwargs={**last.kwargs, "column": [*_listed(last.kwargs["column"]), each.kwargs["column"]]}
            )
        else:
            joined.append(each)
    return joined


def _but_column(outcome: Outcome) -> Outcome:
    return replace(outcome, column=None, kwargs={**outcome.kwargs, "column": None})


def _listed(column: str | list[str]) -> list[str]:
    return column if isinstance(column, list) else [column]


def describe_counts(outcome: Outcome) -> str:
    """The result, as HTML: "519 of 5,484 rows fail (9.5 %)"."""
    if outcome.failed_count is None or outcome.checked_count is None:
        return escape(outcome.detail or ("holds" if outcome.passed else "does not hold"))
    if not outcome.checked_count:
        return "no rows to check"
    if not outcome.failed_count:
        return f"all {outcome.checked_count:,} rows hold" if outcome.checked_count > 1 else "the one row holds"
    share = 100 * outcome.failed_count / outcome.checked_count
    shown = "under 0.1" if share < 0.1 else f"{share:.1f}" if share < 10 else f"{share:.0f}"  # noqa: PLR2004
    verb = "fails" if outcome.failed_count == 1 else "fail"
    return f"{outcome.failed_count:,} of {outcome.checked_count:,} rows {verb} ({shown} %)"


def _code(text: object) -> str:
    return f"<code>{escape(str(text).lower() if isinstance(text, bool) else str(text))}</code>"


def _column(kwargs: dict[str, Any]) -> str:
    column = kwargs["column"]
    return f"Each of {_list(column)}" if isinstance(column, list) else _code(column)


def _list(values: list[object]) -> str:
    return ", ".join(_code(value) for value in values)


def _bounds(kwargs: dict[str, Any], unit: str = "") -> str:
    least, most = (_number(kwargs.get(name)) for name in ("min_value", "max_value"))
    if least and most:
        return f"{least} to {most}{unit}"
    return f"at least {least}{unit}" if least else f"at most {most}{unit}"


def _number(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else escape(str(value)).removesuffix("T00:00:00")


def _row_count(kwargs: dict[str, Any]) -> str:
    if kwargs.get("min_value") == 0 and "max_value" not in kwargs:
        return "The table may be empty"
    return f"The table has {_bounds(kwargs, ' row' if kwargs.get('min_value') == 1 else ' rows')}"


def _greater(kwargs: dict[str, Any]) -> str:
    how = "is not less than" if kwargs.get("or_equal") else "is greater than"
    return f"{_code(kwargs['column_A'])} {how} {_code(kwargs['column_B'])}"


def _column_set(kwargs: dict[str, Any]) -> str:
    how = "has exactly the columns" if kwargs.get("exact_match", True) else "has at least the columns"
    return f"The table {how} {_list(kwargs['column_set'])}"


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "expect_table_row_count_to_be_between": _row_count,
    "expect_table_columns_to_match_set": _column_set,
    "expect_column_values_to_not_be_null": lambda kwargs: f"{_column(kwargs)} has a value",
    "expect_column_values_to_be_null": lambda kwargs: f"{_column(kwargs)} is empty",
    "expect_column_values_to_be_unique": lambda kwargs: f"{_column(kwargs)} is unique",
    "expect_compound_columns_to_be_unique": lambda kwargs: f"{_list(kwargs['column_list'])} are unique together",
    "expect_column_values_to_be_in_set": lambda kwargs: f"{_column(kwargs)} is one of {_list(kwargs['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda kwargs: (
        f"{_column(kwargs)} is none of {_list(kwargs['value_set'])}"
    ),
    "expect_column_values_to_match_regex": lambda kwargs: f"{_column(kwargs)} has the form {_code(kwargs['regex'])}",
    "expect_column_values_to_not_match_regex": lambda kwargs: (
        f"{_column(kwargs)} does not match {_code(kwargs['regex'])}"
    ),
    "expect_column_values_to_be_between": lambda kwargs: f"{_column(kwargs)} is {_bounds(kwargs)}",
    "expect_column_value_lengths_to_be_between": lambda kwargs: (
        f"{_column(kwargs)} is {_bounds(kwargs)} characters long"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": lambda kwargs: (
        f"{_code(kwargs['column_A'])} equals {_code(kwargs['column_B'])}"
    ),
}
