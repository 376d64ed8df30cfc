"""Histories: rows that change are closed and opened, and no others."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.schema.interval import apply_scd2, current, valid_at

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))
ROW = {"id": pl.String, "value": pl.Int64, "texts": pl.List(pl.String)}
HISTORY = ROW | {"valid_from": pl.Datetime("us", "UTC"), "valid_to": pl.Datetime("us", "UTC")}
EMPTY = pl.DataFrame(schema=HISTORY)


def rows(**values):
    return pl.DataFrame([(id_, *each) for id_, each in values.items()], schema=ROW, orient="row")


def update(history, as_of, compared=("value", "texts"), **values):
    return apply_scd2(history, rows(**values), as_of, ["id"], compared)


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [
        pytest.param((1, ["a"]), (1, ["a"]), False, id="same"),
        pytest.param((1, ["a"]), (2, ["a"]), True, id="other_value"),
        pytest.param((1, ["a"]), (1, ["a", "b"]), True, id="other_list"),
        pytest.param((None, []), (None, []), False, id="null_equals_null"),
        pytest.param((None, []), (0, []), True, id="null_is_not_zero"),
    ],
)
def test_a_row_is_closed_and_opened_where_a_compared_column_differs(before, after, is_changed):
    history = update(update(EMPTY, ONE, a=before), TWO, a=after)
    expected = [(*before, ONE, TWO), (*after, TWO, None)] if is_changed else [(*before, ONE, None)]
    assert history.drop("id").rows() == expected
    assert history.schema == HISTORY


def test_without_compared_columns_the_key_alone_counts():
    history = update(update(EMPTY, ONE, compared=(), a=(1, [])), TWO, compared=(), a=(2, []), b=(3, []))
    assert history.drop("texts").rows() == [("a", 1, ONE, None), ("b", 3, TWO, None)]


def test_a_second_run_of_a_night_replaces_its_first():
    first = update(EMPTY, ONE, a=(1, []), b=(1, []))
    second = update(first, TWO, a=(2, []))
    assert update(second, TWO, a=(2, [])).equals(second)
    assert update(second, TWO, a=(1, []), b=(1, [])).equals(first)


def test_current_rows_and_rows_valid_at_an_instant():
    history = update(update(EMPTY, ONE, a=(1, []), b=(1, [])), TWO, a=(2, [])).lazy()
    assert current(history).collect()["value"].to_list() == [2]
    found = {
        instant: valid_at(history, instant).collect().select("id", "value").rows() for instant in (ONE, TWO, THREE)
    }
    assert found == {ONE: [("a", 1), ("b", 1)], TWO: [("a", 2)], THREE: [("a", 2)]}
