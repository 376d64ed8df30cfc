"""ISO 8601 durations: read, added to instants and columns alike, compared and put into words."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.schema.duration import (
    add_duration,
    describe_duration,
    end_of_retention,
    mean_days,
    parse_duration,
    start_of_window,
)

LEAP = datetime(2024, 1, 31, tzinfo=UTC)
CASES = [
    pytest.param("P1M", (1, 0), datetime(2024, 2, 29, tzinfo=UTC), "1 month", id="to_the_end_of_a_shorter_month"),
    pytest.param("P1M1D", (1, 1), datetime(2024, 3, 1, tzinfo=UTC), "1 month, 1 day", id="months_before_days"),
    pytest.param("P1Y", (12, 0), datetime(2025, 1, 31, tzinfo=UTC), "1 year", id="year"),
    pytest.param("P30D", (0, 30), datetime(2024, 3, 1, tzinfo=UTC), "30 days", id="days"),
    pytest.param("P0D", (0, 0), LEAP, "0 days", id="nothing"),
]


@pytest.mark.parametrize(("duration", "parts", "end", "words"), CASES)
def test_a_duration_is_read_added_and_described(duration, parts, end, words):
    assert parse_duration(duration) == parts
    assert end_of_retention(duration, LEAP) == end
    assert pl.select(add_duration(pl.lit(LEAP), duration)).item() == end
    assert describe_duration(duration) == words


@pytest.mark.parametrize(
    ("duration", "words"),
    [("P1Y", "1 year"), ("P13M", "13 months"), ("P1Y6M", "1 year, 6 months"), ("P180D", "180 days"), ("P1D", "1 day")],
)
def test_durations_in_words(duration, words):
    assert describe_duration(duration) == words


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        ("P1Y", datetime(2023, 3, 31, tzinfo=UTC)),
        ("P13M", datetime(2023, 2, 28, tzinfo=UTC)),
        ("P30D", datetime(2024, 3, 1, tzinfo=UTC)),
        ("P1M1D", datetime(2024, 2, 28, tzinfo=UTC)),
    ],
)
def test_a_window_begins_a_duration_before(retention, expected):
    assert start_of_window(retention, datetime(2024, 3, 31, tzinfo=UTC)) == expected


def test_durations_compare_by_their_mean_length():
    durations = ["P29D", "P1M", "P31D", "P12M", "P366D", "P1Y6M"]
    assert sorted(["P1Y6M", "P366D", "P31D", "P29D", "P12M", "P1M"], key=mean_days) == durations
    assert mean_days("P1Y") == mean_days("P12M") == 365.2425


@pytest.mark.parametrize("text", ["", "P", "1Y", "P1W", "PT1H", "P1D1Y", "P-1D"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="is not an ISO 8601 duration of years, months and days"):
        parse_duration(text)
