"""Parts that all channels share: who acts when, record ids, and hidden columns.

A channel is a function of people, clock and generator to a frame of its records in the order of the file. Columns that
begin with an underscore describe the record and are not in the file: `_id` (unique in the channel), `_person` (null if
unknown) and `_drop` (number of the drop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from cdp_pipelines.sample.clock import Clock

NOTICES = ("2010-06", "2011-06")
ISO = "%Y-%m-%dT%H:%M:%SZ"


def draw_once(
    people: pl.DataFrame, share: float, clock: Clock, rng: np.random.Generator, again: float = 0
) -> pl.DataFrame:
    """A `share` of the people, each once and `again` of them a second time, with `at` and `drop`, in order of time."""
    rows = rng.permutation(people.height)[: max(1, round(people.height * share))]
    rows = np.r_[rows, rows[rng.random(rows.size) < again]]
    return add_times(people[rows], clock.draw(rows.size, rng), clock)


def draw_often(people: pl.DataFrame, times: float, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """People drawn `times` each on average, one as likely as another, with `at` and `drop`, in order of time."""
    n = max(1, round(people.height * times)) if people.height else 0
    rows = (rng.random(n) * people.height).astype(np.int64)
    return add_times(people[rows], clock.draw(n, rng), clock)


def draw_by_activity(
    people: pl.DataFrame, times: float, clock: Clock, rng: np.random.Generator, hours: tuple[int, int] = (0, 24)
) -> pl.DataFrame:
    """As `often`, the active people more often than others, at certain hours."""
    n = max(1, round(people.height * times)) if people.height else 0
    reach = np.cumsum(people["activity"].to_numpy())
    rows = np.searchsorted(reach, rng.random(n) * reach[-1]) if n else np.arange(0)
    return add_times(people[rows], clock.draw(n, rng, hours=hours), clock)


def add_times(who: pl.DataFrame, at: pl.Series, clock: Clock) -> pl.DataFrame:
    """`who` with `at` and the `drop` that delivers it, in order of time."""
    return (
        who.with_columns(at.alias("at"))
        .with_columns(clock.drop(pl.col("at")).alias("drop"))
        .sort("at", maintain_order=True)
    )


def number_ids(form: str, n: int, *, start: int = 0, width: int = 0) -> pl.Series:
    """`n` ids after `form`, counted up from `start`."""
    return pl.select(pl.format(form, pl.int_range(start, start + n).cast(pl.String).str.zfill(width))).to_series()


def build_hidden_columns(ids: pl.Series, who: pl.DataFrame) -> dict[str, pl.Series]:
    """The hidden columns of records with these ids, about these people."""
    return {"_id": ids, "_person": who["person"], "_drop": who["drop"]}


def pick(
    choices: tuple[str, ...], n: int, rng: np.random.Generator, shares: tuple[float, ...] | None = None
) -> pl.Series:
    """`n` of the choices, drawn."""
    return pl.Series(choices)[rng.choice(len(choices), n, p=shares)]


def format_amount(cents: pl.Series, thousands: str = "") -> pl.Series:
    """Amounts below a million as text with two decimals: "1234.50", or "1,234.50"."""
    whole, rest = cents.abs() // 100, (cents.abs() % 100).cast(pl.String).str.zfill(2)
    above, below = whole // 1000, (whole % 1000).cast(pl.String)
    sign = pl.when(cents < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    text = (
        pl.when(above > 0).then(pl.format("{}{}{}.{}", above, pl.lit(thousands), below.str.zfill(3), rest))
        .otherwise(pl.format("{}.{}", below, rest))
    )  # fmt: skip
    return pl.select(pl.concat_str(sign, text)).to_series()
