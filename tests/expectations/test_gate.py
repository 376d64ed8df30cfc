"""What the gate does with frames, suites and failures; and that no value of a cell ever leaves it."""

import logging
import subprocess
import sys
import traceback
from datetime import UTC, date, datetime

import polars as pl
import pytest

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.reports.quality import render_quality
from expectations.batch import GateError
from expectations.gate import validate_frame
from expectations.result import FailedExpectation, GateResult
from expectations.suite import COLUMN_SET, ROW_COUNT, NoSuiteError, load_suite

CANARY = "canary.tweety@example.com"
NULL = "expect_column_values_to_not_be_null"
RANGE = "expect_column_values_to_be_between"


@pytest.fixture
def judge(tmp_path):
    """Judge a frame by expectations written here."""

    def by(
        frame: pl.DataFrame, *expectations: str, derived: str = "{}", earlier: GateResult | None = None
    ) -> GateResult:
        (tmp_path / "test").mkdir(exist_ok=True)
        load_suite.cache_clear()
        lines = "".join(f"  - {{{each}, why: Because.}}\n" for each in expectations)
        (tmp_path / "test" / "table.yaml").write_text(
            f"description: A table.\nderived: {derived}\nexpectations:\n"
            f"  - {{type: {ROW_COUNT}, kwargs: {{min_value: 0}}, why: Because.}}\n{lines}"
        )
        return validate_frame("test/table", frame, earlier=earlier, suites=tmp_path)

    yield by
    load_suite.cache_clear()


def column(type_: str, kwargs: str, severity: str = "critical") -> str:
    return f"type: expect_column_values_to_{type_}, kwargs: {{{kwargs}}}, severity: {severity}"


@pytest.mark.parametrize(
    ("frame", "expectation", "failed_count", "checked_count"),
    [
        pytest.param(pl.DataFrame({"x": ["a", None, None]}), column("not_be_null", "column: x"), 2, 3, id="presence"),
        pytest.param(
            pl.DataFrame({"x": ["a", "a", None, "b"]}), column("be_unique", "column: x"), 2, 3, id="text_as_numbers"
        ),
        pytest.param(
            pl.DataFrame({"x": [1, None, 7]}),
            column("be_between", "column: x, max_value: 5"),
            1,
            2,
            id="null_is_not_judged",
        ),
        pytest.param(
            pl.DataFrame({"x": [True, None, False]}),
            column("be_in_set", "column: x, value_set: [true]"),
            1,
            2,
            id="boolean",
        ),
        pytest.param(
            pl.DataFrame({"x": [["a", "b"], [], None]}),
            column("match_regex", "column: x, regex: '^a,b$'"),
            1,
            2,
            id="list_as_text",
        ),
        pytest.param(
            pl.DataFrame({"x": [date(969, 4, 7), date(2011, 1, 1), date(9998, 1, 1), None]}),
            column("be_between", "column: x, min_value: '1880-01-01T00:00:00', max_value: '2100-01-01T00:00:00'"),
            2,
            3,
            id="dates_beyond_nanoseconds",
        ),
        pytest.param(
            pl.DataFrame({"x": [datetime(2011, 1, 1, tzinfo=UTC)]}).with_columns(
                pl.col("x").dt.convert_time_zone("Asia/Tokyo")
            ),
            column("be_between", "column: x, max_value: '2011-01-01T00:00:00'"),
            0,
            1,
            id="zones_become_utc",
        ),
        pytest.param(
            pl.DataFrame({"x": ["a", "b", "b"], "y": [1, None, None]}),
            column("not_be_null", """column: y, row_condition: 'x == "b"', condition_parser: pandas"""),
            2,
            2,
            id="row_condition",
        ),
        pytest.param(
            pl.DataFrame({"x": ["a", None, "b"]}),
            column("not_be_null", """column: x, row_condition: 'x != "a"', condition_parser: pandas"""),
            1,
            2,
            id="row_condition_on_the_column_itself",
        ),
        pytest.param(
            pl.DataFrame({"x": ["a"] * 9 + ["b"]}),
            column("be_in_set", "column: x, value_set: [a], mostly: 0.9"),
            1,
            10,
            id="mostly",
        ),
    ],
)
def test_counts(judge, frame, expectation, failed_count, checked_count):
    outcome = judge(frame, expectation).results[1]
    assert (outcome.failed_count, outcome.checked_count, outcome.detail) == (failed_count, checked_count, None)
    assert outcome.passed is (failed_count == 0 or "mostly" in outcome.kwargs)


def test_results_come_in_the_order_of_the_suite(judge):
    frame = pl.DataFrame({"x": ["a", "b"], "y": [1, 2]})
    result = judge(
        frame,
        column("be_unique", "column: y"),
        column("be_between", "column: x, min_value: 3"),
        column("not_be_null", "column: x"),
        column("not_be_null", "column: z"),
        column("be_between", "column: y, min_value: 2"),
    )
    assert [(each.column, each.passed, each.failed_count) for each in result.results] == [
        (None, True, None),
        ("y", True, 0),
        ("x", False, None),
        ("x", True, 0),
        ("z", False, None),
        ("y", False, 1),
    ]
    assert [each.detail for each in result.results if each.detail] == [
        "it cannot be computed on the values of the column",
        "the table has no column z",
    ]


def test_a_warning_breaks_and_passes(judge):
    result = judge(pl.DataFrame({"x": [None, 1]}), column("not_be_null", "column: x", "warning"))
    assert result.passed
    assert result.failures == (FailedExpectation(NULL, "x", 1, 2, "warning"),)


def test_frames_do_not_stay_for_the_next_table(judge):
    rows = column("not_be_null", "column: x")
    assert judge(pl.DataFrame({"x": [1, 2, 3]}), rows).results[1].checked_count == 3
    assert judge(pl.DataFrame({"x": [None]}, schema={"x": pl.Int64}), rows).results[1].failed_count == 1


@pytest.mark.parametrize(
    ("columns", "detail"),
    [
        pytest.param(("customer_id", "lawful_basis", "email"), "missing: email", id="missing"),
        pytest.param(("customer_id",), "1 not declared", id="not_declared"),
        pytest.param(("lawful_basis", "customer_id"), None, id="order_is_free"),
    ],
)
def test_declared_columns(columns, detail):
    frame = pl.DataFrame({"customer_id": ["c_0000000000000001"], "lawful_basis": ["consent"]})
    result = validate_frame("mart/newcomer", frame, columns=columns)
    outcome = result.results[-1]
    assert (outcome.type, outcome.passed, outcome.detail) == (COLUMN_SET, detail is None, detail)


def test_result_survives_json(good):
    result = validate_frame(
        "standardised/preference", good("standardised/preference").drop("email").with_columns(quiet_from=99)
    )
    assert not result.passed
    assert GateResult.from_json(result.to_json()) == result


def test_no_suite_is_told_with_what_was_looked_for():
    with pytest.raises(
        NoSuiteError, match=r"neither expectations/golden/cutsomer\.yaml nor expectations/golden/default\.yaml"
    ):
        validate_frame("golden/cutsomer", pl.DataFrame())


@pytest.mark.parametrize("table", ["../golden/customer", "golden/../customer", "customer", ""])
def test_table_names_lead_nowhere_else(table):
    with pytest.raises(NoSuiteError):
        validate_frame(table, pl.DataFrame())


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        pytest.param(column("be_between", "column: x, minimum: 1"), "minimum", id="unknown_argument"),
        pytest.param(
            "type: expect_column_values_to_be_nice, kwargs: {column: x}",
            "is not an expectation type of Great Expectations",
            id="unknown_type",
        ),
        pytest.param(
            column("not_be_null", "column: x", "grave"), "severity.*'critical' or 'warning'", id="unknown_severity"
        ),
        pytest.param(column("not_be_null", "column: x") + ", colour: red", "colour.*not permitted", id="unknown_key"),
        pytest.param(
            column("not_be_null", "column: x, result_format: COMPLETE"), "result_format", id="own_result_format"
        ),
    ],
)
def test_a_wrong_suite_is_refused(judge, expectation, message):
    with pytest.raises(PolicyError, match=message):
        judge(pl.DataFrame({"x": [1]}), expectation)


def test_a_suite_without_row_count_is_refused(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "bare.yaml").write_text(
        f"description: Bare.\nexpectations:\n- {{type: {NULL}, kwargs: {{column: x}}, why: Because.}}\n"
    )
    with pytest.raises(PolicyError, match="pass on a table without rows"):
        validate_frame("test/bare", pl.DataFrame({"x": [1]}), suites=tmp_path)


# What is expected of text here fails, cannot be computed, or raises with the value in its message.
LEAKY = (
    column("be_unique", "column: x"),
    column("match_regex", "column: x, regex: '^never$'"),
    column("be_in_set", "column: x, value_set: [never]"),
    column("be_between", "column: x, min_value: 3"),
    column("be_dateutil_parseable", "column: x"),
    column("not_be_null", "column: x, row_condition: 'x > 3', condition_parser: pandas"),
    "type: expect_column_max_to_be_between, kwargs: {column: x, max_value: 3}",
    "type: expect_column_distinct_values_to_be_in_set, kwargs: {column: x, value_set: [never]}",
    "type: expect_column_most_common_value_to_be_in_set, kwargs: {column: x, value_set: [never]}",
    "type: expect_compound_columns_to_be_unique, kwargs: {column_list: [x, y]}",
    "type: expect_column_pair_values_to_be_equal, kwargs: {column_A: x, column_B: y}",
    f"type: {COLUMN_SET}, kwargs: {{column_set: [x]}}",
)


def test_no_value_leaves_the_gate(judge, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    frame = pl.DataFrame({"x": [CANARY, CANARY], "y": [f"y{CANARY}"] * 2, CANARY: [1, 2]})
    result = judge(frame, *LEAKY)
    assert [each.type for each in result.results if each.passed] == [ROW_COUNT]
    page = render_quality([(result, date(2011, 12, 1))], title="Quality", generated_for="a test")
    printed = capfd.readouterr()
    for text in (result.to_json(), repr(result), page, caplog.text, printed.out, printed.err):
        assert "tweety" not in text


def test_no_value_leaves_in_an_exception(judge):
    with pytest.raises(GateError) as raised:
        judge(
            pl.DataFrame({"x": [CANARY]}),
            column("be_between", "column: n, min_value: 3"),
            derived="{n: CAST(x AS BIGINT)}",
        )
    error = raised.value
    assert str(error) == "test/table: running the suite failed with InvalidOperationError"
    assert error.__context__ is None
    assert error.__cause__ is None
    assert "tweety" not in "".join(traceback.format_exception(error))


def test_great_expectations_is_imported_by_a_check_alone():
    code = "import sys, expectations.gate, cdp_pipelines.reports.quality; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ROWS = pl.DataFrame({"x": [1, 2, None], "y": [["a"], [], None]})
AT_MOST_2, PRESENT = column("be_between", "column: x, max_value: 2"), column("not_be_null", "column: x", "warning")


@pytest.mark.parametrize(
    ("frame", "expectations", "is_same"),
    [
        pytest.param(ROWS, (AT_MOST_2, PRESENT), True, id="same"),
        pytest.param(ROWS.reverse(), (AT_MOST_2, PRESENT), True, id="another_order"),
        pytest.param(ROWS.with_columns(x=pl.Series([1, 1, None])), (AT_MOST_2, PRESENT), False, id="another_value"),
        pytest.param(ROWS.with_columns(y=pl.Series([["a"], None, []])), (AT_MOST_2, PRESENT), False, id="another_list"),
        pytest.param(ROWS.cast({"x": pl.Int32}), (AT_MOST_2, PRESENT), False, id="another_type"),
        pytest.param(ROWS.rename({"y": "z"}), (AT_MOST_2, PRESENT), False, id="another_name"),
        pytest.param(pl.concat([ROWS, ROWS]), (AT_MOST_2, PRESENT), False, id="more_rows"),
        pytest.param(ROWS, (AT_MOST_2,), False, id="another_suite"),
    ],
)
def test_a_result_counts_again_for_the_same_rows_and_suite_alone(judge, frame, expectations, is_same):
    earlier = judge(ROWS, AT_MOST_2, PRESENT)
    again = judge(frame, *expectations, earlier=earlier)
    assert (again is earlier) == is_same
    assert again.row_count == frame.height


def test_a_failed_result_never_counts_again(judge):
    earlier = judge(ROWS, column("be_between", "column: x, max_value: 1"))
    assert not earlier.passed
    assert judge(ROWS, column("be_between", "column: x, max_value: 1"), earlier=earlier) is not earlier
