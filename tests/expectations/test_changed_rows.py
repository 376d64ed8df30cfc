"""A gate that looks at changed rows alone comes to the verdict of a gate that looks at all of them."""

import random
from dataclasses import replace

import polars as pl
import pytest

from expectations.changed_rows import update_result
from expectations.gate import validate_frame
from expectations.suite import COLUMN_SET, ROW_COUNT, load_suite

SUITE = f"""
description: A table.
derived: {{total: a + b}}
expectations:
  - {{type: {ROW_COUNT}, kwargs: {{min_value: 5, max_value: 9}}, why: Because.}}
  - {{type: {COLUMN_SET}, kwargs: {{column_set: [id, word, a, b]}}, why: Because.}}
  - {{type: expect_column_values_to_not_be_null, kwargs: {{column: word, mostly: 0.7}}, why: Because.}}
  - {{type: expect_column_values_to_be_unique, kwargs: {{column: word}}, severity: warning, why: Because.}}
  - {{type: expect_compound_columns_to_be_unique, kwargs: {{column_list: [id, word]}}, why: Because.}}
  - {{type: expect_column_values_to_be_unique, kwargs: {{column: total}}, severity: warning, why: Because.}}
  - {{type: expect_column_values_to_match_regex, kwargs: {{column: word, regex: "^[xy]"}}, severity: warning, why: Because.}}
  - {{type: expect_column_values_to_be_between, kwargs: {{column: a, max_value: 6, mostly: 0.8}}, why: Because.}}
  - {{type: expect_column_values_to_be_between, kwargs: {{column: total, max_value: 12}}, why: Because.}}
  - {{type: expect_column_pair_values_a_to_be_greater_than_b, kwargs: {{column_A: a, column_B: b, ignore_row_if: either_value_is_missing}}, severity: warning, why: Because.}}
  - {{type: expect_column_values_to_not_be_null, kwargs: {{column: b, row_condition: 'a > 3', condition_parser: pandas}}, severity: warning, why: Because.}}
"""
SCHEMA = {"id": pl.Int64(), "word": pl.String(), "a": pl.Int64(), "b": pl.Int64()}
WORDS = ["x", "y", "xy", "z", None]


@pytest.fixture
def suites(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "table.yaml").write_text(SUITE)
    load_suite.cache_clear()
    yield tmp_path
    load_suite.cache_clear()


def generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def draw(rng, count: int) -> pl.DataFrame:
    rows = [
        (rng.randrange(99), rng.choice(WORDS), rng.randrange(9), rng.choice([None, *range(9)])) for _ in range(count)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").unique()


def verdict(result):
    return (
        result.row_count,
        result.passed,
        [(each.type, each.passed, each.failed_count, each.checked_count) for each in result.results],
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_outcome_is_that_of_all_rows(suites, seed):
    rng = generator(seed)
    rows = draw(rng, rng.randrange(4, 12))
    result = validate_frame("test/table", rows, suites=suites)
    for _ in range(3):
        removed = rows.sample(rng.randrange(rows.height), seed=seed)
        added = draw(rng, rng.randrange(5)).join(rows, on=list(SCHEMA), how="anti", nulls_equal=True)
        rows = pl.concat([rows.join(removed, on=list(SCHEMA), how="anti", nulls_equal=True), added])
        result = update_result(result, added, removed, rows.lazy(), suites=suites)
        assert verdict(result) == verdict(validate_frame("test/table", rows, suites=suites))


def test_what_did_not_change_is_the_result_before(suites):
    rows = draw(generator(1), 8)
    result = validate_frame("test/table", rows, suites=suites)
    assert update_result(result, rows.clear(), rows.clear(), rows.lazy(), suites=suites) is result


def test_there_is_no_outcome_where_it_would_be_of_other_rows_or_another_suite(suites):
    rows = draw(generator(2), 8)
    result = validate_frame("test/table", rows, suites=suites)
    one = draw(generator(3), 1)
    more = pl.concat([rows, one]).lazy()
    assert update_result(result, one, one.clear(), more, suites=suites) is not None
    assert update_result(result, one, one.clear(), rows.lazy(), suites=suites) is None
    assert update_result(replace(result, suite_digest="other"), one, one.clear(), more, suites=suites) is None
    assert update_result(result, one, one.clear(), more, ["id", "word", "a", "b"], suites=suites) is None
    assert update_result(result, one.drop("a"), one.clear(), more, suites=suites) is None
    uncounted = replace(result, results=tuple(replace(each, failed_count=None) for each in result.results))
    assert update_result(uncounted, one, one.clear(), more, suites=suites) is None
