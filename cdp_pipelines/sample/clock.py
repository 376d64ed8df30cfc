"""Times of events: most in the year of the history, the rest evenly in the nights after it.

Here belong drop dates and random instants. Who acts at an instant is drawn in `records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

_HISTORY_DAYS = 365


@dataclass(frozen=True, slots=True)
class Clock:
    """The drop dates, and how to draw instants from them."""

    last_night: date
    nights: int

    @property
    def drops(self) -> list[date]:
        """Drop dates in order; the first holds the history."""
        return [self.last_night - timedelta(days=back) for back in range(self.nights - 1, -1, -1)]

    def draw(
        self, n: int, rng: np.random.Generator, *, history_alone: bool = False, hours: tuple[int, int] = (0, 24)
    ) -> pl.Series:
        """`n` instants (UTC, whole seconds, no zone) between two hours of the days of the drops, each day alike."""
        later = 0 if history_alone else self.nights - 1
        day = rng.integers(1 - _HISTORY_DAYS, later + 1, n).astype("timedelta64[D]")
        second = rng.integers(hours[0] * 3600, hours[1] * 3600, n).astype("timedelta64[s]")
        at = (np.datetime64(self.drops[0]) + day).astype("datetime64[s]") + second
        return pl.Series("at", at.astype("datetime64[us]"))

    def drop(self, at: pl.Expr) -> pl.Expr:
        """The number of the drop that delivers an event at `at`; null after the last night."""
        number = (at.dt.date() - self.drops[0]).dt.total_days().clip(0)
        return pl.when(number < self.nights).then(number)
