"""When things happen: most in the year of the history, the rest evenly in the nights after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

# Share of a person's records that fall into one night after the history: a year has so many.
_NIGHT = 1 / 365


@dataclass(frozen=True, slots=True)
class Clock:
    """The drop dates, and how to draw instants from them."""

    last_night: date
    nights: int

    @property
    def drops(self) -> list[date]:
        """Drop dates in order; the first holds the history."""
        return [self.last_night - timedelta(days=back) for back in range(self.nights - 1, -1, -1)]

    def draw(self, n: int, rng: np.random.Generator, *, history_alone: bool = False) -> pl.DataFrame:
        """`n` rows of `drop` (index) and `at` (UTC, whole seconds, no zone): an instant within the drop's days."""
        share = 0.0 if history_alone else (self.nights - 1) * _NIGHT
        is_later = rng.random(n) < share
        drop = np.where(is_later, rng.integers(1, max(2, self.nights), n), 0)
        first = np.datetime64(self.drops[0])
        day = np.where(is_later, drop, -rng.integers(0, 365, n))
        at = (first + day.astype("timedelta64[D]")).astype("datetime64[s]") + rng.integers(0, 86_400, n).astype(
            "timedelta64[s]"
        )
        return pl.DataFrame({"drop": drop, "at": at.astype("datetime64[us]")})
