"""ISO 8601 durations of years, months and days: the only place that reads them, adds them and puts them into words.

A duration is added as years and months first, to the end of a shorter month, and then as days. Here belongs arithmetic
alone; the rules that use a duration do not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from datetime import date

UNITS = {"Y": "year", "M": "month", "D": "day"}
# Mean length in the Gregorian calendar.
DAYS_PER_MONTH = 365.2425 / 12


def parse_duration(duration: str) -> tuple[int, int]:
    """An ISO 8601 duration of years, months and days, in months and days; `ValueError` for any other text."""
    parts = re.fullmatch(r"P(?=\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", duration)
    if parts is None:
        raise ValueError(f"{duration!r} is not an ISO 8601 duration of years, months and days, such as P1Y6M")
    years, months, days = (int(part or 0) for part in parts.groups())
    return 12 * years + months, days


def mean_days(duration: str) -> float:
    """Mean length of a duration in days, by which durations compare."""
    months, days = parse_duration(duration)
    return DAYS_PER_MONTH * months + days


def start_of_window(retention: str, as_of: datetime) -> datetime:
    """Beginning of the window that a retention leaves open at `as_of`: the duration before it."""
    return _shift(as_of, retention, "-")


def end_of_retention(retention: str, since: datetime) -> datetime:
    """Instant at which a retention that began at `since` ends: the duration after it."""
    return _shift(since, retention, "")


def _shift(moment: datetime, duration: str, sign: str) -> datetime:
    months, days = parse_duration(duration)
    shifted: datetime = pl.Series([moment]).dt.offset_by(f"{sign}{months}mo").dt.offset_by(f"{sign}{days}d").item()
    return shifted


def add_duration(moment: pl.Expr, duration: str) -> pl.Expr:
    """Time stamps a duration later."""
    months, days = parse_duration(duration)
    return moment.dt.offset_by(f"{months}mo").dt.offset_by(f"{days}d")


def end_of_night(night: date) -> datetime:
    """The instant at which a night's data is complete, and its logical time: midnight UTC after it."""
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)


def night_of(instant: datetime) -> date:
    """The night to which an instant (UTC) belongs: its day, and for midnight the day that ends then."""
    return (instant - timedelta(microseconds=1)).date()


def end_of_knowledge(as_of: datetime) -> datetime:
    """Until when records are known to a decision as of an instant: what was taken in has the end of its night."""
    return end_of_night(night_of(as_of))


def describe_duration(duration: str) -> str:
    """A duration in words: `P1Y6M` is `1 year, 6 months`."""
    parts = re.findall(r"(\d+)([YMD])", duration)
    return ", ".join(f"{number} {UNITS[unit]}{'' if number == '1' else 's'}" for number, unit in parts)
