"""Check-then-write: all frames pass their gates, or nothing is written."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.schema import FREQUENCY, REVIEW
from cdp_pipelines.services.check_results import latest_results
from cdp_pipelines.services.checked_write import GATE, CheckFailedError, StagedWrite, check_and_write
from warehouse.delta.lake import Lake

NIGHT = date(2026, 7, 4)
CANARY = "tweety@canary.example"


def review_of(left, right):
    row = ("crm", left, "till", right, True, "ann", datetime(2026, 7, 4, tzinfo=UTC))
    return pl.DataFrame([row], schema=REVIEW.schema, orient="row")


def replace(lake, table, frame, *, is_addition=False):
    return StagedWrite(table, frame, lambda: lake.replace(table, frame), {"rows": frame.height}, is_addition)


def test_what_passes_is_written_in_order_and_reported(tmp_path):
    lake = Lake(tmp_path)
    staged = (replace(lake, REVIEW, review_of("1", "2")), replace(lake, FREQUENCY, FREQUENCY.empty()))
    report = check_and_write(lake, NIGHT, *staged)
    assert [(check.table, check.name, check.is_passed) for check in report.checks] == [
        (REVIEW, GATE, True),
        (FREQUENCY, GATE, True),
    ]
    assert [(write.table, write.written.row_count, write.metadata) for write in report.writes] == [
        (REVIEW, 1, {"rows": 1}),
        (FREQUENCY, 0, {"rows": 0}),
    ]
    assert {name: night for name, (_, night) in latest_results(lake).items()} == {
        "identity/frequency": NIGHT,
        "identity/review": NIGHT,
    }


def test_one_failed_check_keeps_every_table_as_it_was(tmp_path):
    lake = Lake(tmp_path)
    same = pl.col("left_channel"), pl.col("left_source_record_id")
    with_itself = review_of(CANARY, CANARY).with_columns(right_channel=same[0], right_source_record_id=same[1])
    with pytest.raises(CheckFailedError) as error:
        check_and_write(lake, NIGHT, replace(lake, FREQUENCY, FREQUENCY.empty()), replace(lake, REVIEW, with_itself))
    assert [check.table for check in error.value.checks] == [FREQUENCY, REVIEW]
    assert [check.table for check in error.value.failed] == [REVIEW]
    assert "identity/review: expect_column_values_to_be_in_set(is_with_itself) failed on 1 rows" in str(error.value)
    assert CANARY not in str(error.value)
    assert lake.tables() == {}
    assert not latest_results(lake)["identity/review"][0].passed


def test_an_addition_without_rows_is_not_checked_again(tmp_path):
    lake = Lake(tmp_path)
    report = check_and_write(lake, NIGHT, replace(lake, REVIEW, REVIEW.empty(), is_addition=True))
    assert [(check.is_passed, check.result) for check in report.checks] == [(True, None)]
    assert [write.table for write in report.writes] == [REVIEW]
    assert latest_results(lake) == {}


def test_a_write_between_nights_does_not_change_the_results_of_the_last_night(tmp_path):
    lake = Lake(tmp_path)
    assert check_and_write(lake, None, replace(lake, REVIEW, review_of("1", "2"))).night is None
    assert latest_results(lake) == {}
