"""Bands of numbers and cuts of times, at the edges."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.marts.coarsening import band_number, coarsen, coarsened_dtype
from cdp_pipelines.purposes.mart_terms import MartColumn
from warehouse.verify.protection import coarsen_value

BANDS = [
    pytest.param(-1, "under 0", id="below_all"),
    pytest.param(0, "0", id="a_band_of_one_number"),
    pytest.param(1, "1 to 4", id="least_of_a_band"),
    pytest.param(4, "1 to 4", id="greatest_of_a_band"),
    pytest.param(5, "5 or more", id="the_last_band"),
    pytest.param(None, None, id="unknown"),
]


@pytest.mark.parametrize(("value", "expected"), BANDS)
def test_bands(value, expected):
    frame = pl.DataFrame({"n": [value]}, schema={"n": pl.Int64})
    assert frame.select(band_number(pl.col("n"), [0, 1, 5])).item() == expected


CUTS = [("date", date(2011, 11, 30)), ("month", date(2011, 11, 1)), ("quarter", date(2011, 10, 1)), ("year", date(2011, 1, 1))]  # fmt: skip


@pytest.mark.parametrize(("cut", "expected"), CUTS)
def test_a_time_is_cut_in_utc(cut, expected):
    column = MartColumn(name="last", source="measure.last_order_at", cut_to=cut)
    frame = pl.DataFrame({"at": [datetime(2011, 11, 30, 23, 59, 59, tzinfo=UTC)]}, schema={"at": column.source_dtype})
    found = frame.select(coarsen(column, pl.col("at")))
    assert found.item() == expected
    assert found.dtypes == [coarsened_dtype(column)]
    assert coarsen_value(frame.item(), {"cut_to": cut}) == expected
