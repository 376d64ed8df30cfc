"""Check-then-write: all frames pass their gates, or nothing is written."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.schema import FREQUENCY, REVIEW
from cdp_pipelines.services import checked_write
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
    refused = review_of(CANARY, CANARY).with_columns(right_channel=same[0], right_source_record_id=same[1])
    with pytest.raises(CheckFailedError) as error:
        check_and_write(lake, NIGHT, replace(lake, FREQUENCY, FREQUENCY.empty()), replace(lake, REVIEW, refused))
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


def with_itself(rows):
    """The same rows, of which the last compares a record with itself, which the gate refuses."""
    is_last = pl.int_range(pl.len()) == pl.len() - 1
    return rows.with_columns(
        pl.when(is_last).then("left_channel").otherwise("right_channel").alias("right_channel"),
        pl.when(is_last)
        .then("left_source_record_id")
        .otherwise("right_source_record_id")
        .alias("right_source_record_id"),
    )


def test_a_changed_row_is_judged_with_the_rows_that_passed_before(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    rows = pl.concat(review_of(str(number), str(number + 1)) for number in range(0, 20, 2))
    check_and_write(lake, NIGHT, replace(lake, REVIEW, rows))
    monkeypatch.setattr(checked_write, "validate_frame", lambda *_: pytest.fail("judged all rows again"))
    more = pl.concat([rows.head(9), review_of("98", "99"), review_of("100", "101")])
    (check,) = check_and_write(lake, NIGHT, replace(lake, REVIEW, more)).checks
    assert check.is_passed
    assert check.result.row_count == 11
    (check,) = check_and_write(lake, NIGHT, replace(lake, REVIEW, more)).checks
    assert check.result.row_count == 11
    with pytest.raises(CheckFailedError, match=r"is_with_itself\) failed on 1 rows"):
        check_and_write(lake, NIGHT, replace(lake, REVIEW, with_itself(more)))


def test_the_result_of_a_refused_frame_is_not_taken_for_that_of_the_table(tmp_path):
    lake, rows = Lake(tmp_path), pl.concat(review_of(str(number), str(number + 1)) for number in range(0, 8, 2))
    check_and_write(lake, NIGHT, replace(lake, REVIEW, rows))
    with pytest.raises(CheckFailedError):
        check_and_write(lake, NIGHT, replace(lake, REVIEW, with_itself(rows)))
    (check,) = check_and_write(lake, NIGHT, replace(lake, REVIEW, rows)).checks
    assert check.is_passed
    assert check.result.passed_count == check.result.expectation_count


def test_rows_that_another_wrote_are_judged(tmp_path):
    lake, rows = Lake(tmp_path), pl.concat(review_of(str(number), str(number + 1)) for number in range(0, 8, 2))
    check_and_write(lake, NIGHT, replace(lake, REVIEW, rows))
    lake.replace(REVIEW, with_itself(rows))
    with pytest.raises(CheckFailedError):
        check_and_write(lake, NIGHT, replace(lake, REVIEW, with_itself(rows)))


def test_rows_in_place_of_others_are_judged_with_those_that_stay(tmp_path):
    lake = Lake(tmp_path)
    rows = pl.concat(review_of(str(number), str(number + 1)) for number in range(0, 8, 2))
    check_and_write(lake, NIGHT, replace(lake, REVIEW, rows))

    def put(frame, ids):
        replaced = pl.col("left_source_record_id").is_in(ids)
        write = lambda: lake.merge(REVIEW, replaced, frame)  # noqa: E731
        return check_and_write(lake, NIGHT, StagedWrite(REVIEW, frame, write, replaced=replaced)).checks[0]

    assert put(review_of("0", "77"), ["0"]).result.row_count == 4
    assert set(lake.read(REVIEW)["right_source_record_id"]) == {"77", "3", "5", "7"}
    assert put(review_of("0", "77").clear(), ["2"]).result.row_count == 3
    # A pair that stays must not come again.
    with pytest.raises(CheckFailedError, match="unique"):
        put(review_of("4", "5"), ["0"])
    assert put(review_of("4", "5"), ["4"]).result.row_count == 3
