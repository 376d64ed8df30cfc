"""ISO 8601 durations of years, months and days: the only place that reads them, adds them and puts them into words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from datetime import date

UNITS = {"Y": "year", "M": "month", "D": "day"}


def parse_duration(duration: str) -> tuple[int, int]:
    """An ISO 8601 duration of years, months and days, in months and days."""
    parts = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", duration)
    years, months, days = (int(part or 0) for part in parts.groups())
    return 12 * years + months, days


def start_of_window(retention: str, as_of: datetime) -> datetime:
    """Begin of the window that a retention (ISO 8601 duration of years, months, days) leaves open at `as_of`."""
    return _moved(as_of, retention, "-")


def end_of_retention(retention: str, since: datetime) -> datetime:
    """Instant at which a retention (ISO 8601 duration of years, months, days) that began at `since` ends."""
    return _moved(since, retention, "")


def _moved(moment: datetime, duration: str, sign: str) -> datetime:
    months, days = parse_duration(duration)
    return pl.Series([moment]).dt.offset_by(f"{sign}{months}mo").dt.offset_by(f"{sign}{days}d").item()


def add_duration(moment: pl.Expr, duration: str) -> pl.Expr:
    """An ISO 8601 duration later: first years and months, to the end of a shorter month, then days."""
    months, days = parse_duration(duration)
    return moment.dt.offset_by(f"{months}mo").dt.offset_by(f"{days}d")


def end_of_night(night: date) -> datetime:
    """The instant at which a night's data is complete, and its logical time: midnight UTC after it."""
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)


def describe_duration(duration: str) -> str:
    """An ISO 8601 duration for people: `P1Y6M` is `1 year, 6 months`."""
    parts = re.findall(r"(\d+)([YMD])", duration)
    return ", ".join(f"{number} {UNITS[unit]}{'' if number == '1' else 's'}" for number, unit in parts)
