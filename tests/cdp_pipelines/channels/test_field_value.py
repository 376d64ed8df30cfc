"""How time stamps and numbers read, at the edges."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.channels.field_value import parse_timestamp, read_field
from cdp_pipelines.errors import PolicyError
from tests.cdp_pipelines.channels.test_records import FIELDS, channel

CASES = [
    pytest.param("03/15/2011 12:30 AM", "%m/%d/%Y %I:%M %p", "UTC", (2011, 3, 15, 0, 30), id="twelve_hour_midnight"),
    pytest.param("03/15/2011 12:30 PM", "%m/%d/%Y %I:%M %p", "UTC", (2011, 3, 15, 12, 30), id="twelve_hour_noon"),
    pytest.param("15.03.2011 06:48", "%d.%m.%Y %H:%M", "UTC", (2011, 3, 15, 6, 48), id="day_first"),
    pytest.param("2011-09-09T11:30:31+02:00", "%Y-%m-%dT%H:%M:%S%.f%:z", "UTC", (2011, 9, 9, 9, 30, 31), id="offset"),
    pytest.param(
        "2011-09-09T11:30:31.250Z",
        "%Y-%m-%dT%H:%M:%S%.fZ",
        "Asia/Tokyo",
        (2011, 9, 9, 11, 30, 31, 250000),
        id="z_beats_zone",
    ),
    pytest.param("1304781087", "epoch_s", "UTC", (2011, 5, 7, 15, 11, 27), id="epoch_seconds"),
    pytest.param("1296556710123", "epoch_ms", "UTC", (2011, 2, 1, 10, 38, 30, 123000), id="epoch_milliseconds"),
    pytest.param("2011-07-01 12:00", "%Y-%m-%d %H:%M", "America/Los_Angeles", (2011, 7, 1, 19, 0), id="zone_in_summer"),
    pytest.param(
        "2011-11-06 01:30", "%Y-%m-%d %H:%M", "America/Los_Angeles", (2011, 11, 6, 8, 30), id="came_twice_first_taken"
    ),
    pytest.param(
        "2011-03-13 02:30", "%Y-%m-%d %H:%M", "America/Los_Angeles", (2011, 3, 13, 10, 30), id="never_was_an_hour_later"
    ),
    pytest.param("20111399 1327", "%Y%m%d %H%M", "UTC", None, id="no_such_day"),
    pytest.param("soon", "epoch_s", "UTC", None, id="no_number"),
]


@pytest.mark.parametrize(("text", "format_", "zone", "expected"), CASES)
def test_timestamp(text, format_, zone, expected):
    found = pl.DataFrame({"text": [text]}).select(parse_timestamp(pl.col("text"), (format_,), zone)).item()
    assert found == (expected and datetime(*expected, tzinfo=UTC))


def test_formats_are_tried_in_order():
    read = parse_timestamp(pl.col("text"), ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"), "UTC")
    found = pl.DataFrame({"text": ["02/03/2011 00:00", "15/03/2011 00:00"]}).select(read).to_series()
    assert found.dt.month().to_list() == [2, 3]


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("1,5", {"decimal": ","}, 1.5),
        ("-0,25", {"decimal": ","}, -0.25),
        ("1.234.567,5", {"decimal": ",", "thousands": "."}, 1234567.5),
        ("1 234,5", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1234", {"decimal": ","}, 1234.0),
        ("1.5", {"decimal": ","}, None),
        ("1.234", {"decimal": ","}, None),
        ("1,2,3", {"decimal": ","}, None),
        ("1,5", {}, None),
        ("1,234.5", {"thousands": ","}, 1234.5),
        ("1.5", {}, 1.5),
        ("1,5e3", {"decimal": ","}, 1500.0),
    ],
)
def test_numbers_with_the_declared_signs(text, declared, expected):
    contract = channel(fields={**FIELDS, "note": {"description": "n", "type": "number", **declared}})
    assert pl.DataFrame({"note": [text]}).select(read_field(contract, "note")).item() == expected


@pytest.mark.parametrize("limit", ["minimum", "maximum"])
def test_a_limit_of_a_text_is_refused_before_any_night(limit):
    with pytest.raises(PolicyError, match="minimum and maximum need type integer or number; found text"):
        channel(fields={**FIELDS, "note": {"description": "n", limit: 3}})


def test_one_sign_cannot_mean_two_things():
    with pytest.raises(PolicyError, match="thousands and decimal are both"):
        channel(fields={**FIELDS, "note": {"description": "n", "type": "number", "decimal": ",", "thousands": ","}})
