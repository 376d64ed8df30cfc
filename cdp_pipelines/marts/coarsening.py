"""Coarsening of values as a purpose declares it: numbers to bands, times to a date, month, quarter or year.

Here belongs the change of single values. Rows are grouped in `anonymity`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polars.expr.whenthen import ChainedThen, Then

    from cdp_pipelines.purposes.mart_terms import MartColumn

_TRUNCATION = {"month": "1mo", "quarter": "1q", "year": "1y"}


def coarsened_dtype(column: MartColumn) -> pl.DataType:
    """Type of a column of a mart: text for a band, a date for a time that is cut."""
    if column.bands:
        return pl.String()
    return pl.Date() if column.cut_to else column.source_dtype


def coarsen(column: MartColumn, value: pl.Expr) -> pl.Expr:
    """The value of a mart column out of its source: a band's name, a first day in UTC, or the value itself."""
    if column.bands:
        return band_number(value, column.bands)
    if column.cut_to is None:
        return value
    day = value.dt.date()
    return day if column.cut_to == "date" else day.dt.truncate(_TRUNCATION[column.cut_to])


def band_number(value: pl.Expr, bands: Sequence[int]) -> pl.Expr:
    """The band of a whole number: `under 1`, `1 to 4`, `5` where a band has one number, `6 or more`."""
    name: Then | ChainedThen = pl.when(value < bands[0]).then(pl.lit(f"under {bands[0]}"))
    for least, end in pairwise(bands):
        name = name.when(value < end).then(pl.lit(str(least) if end == least + 1 else f"{least} to {end - 1}"))
    return name.when(value >= bands[-1]).then(pl.lit(f"{bands[-1]} or more")).otherwise(pl.lit(None, pl.String))
