"""The page: what it says, in words, and that it needs nothing but itself."""

import re
from datetime import date
from html.parser import HTMLParser

import pytest

from cdp_pipelines.reports.quality import render_quality
from cdp_pipelines.reports.words import describe_counts, describe_expectation
from expectations.result import GateResult, Outcome

NIGHT = date(2011, 12, 9)
NULL = "expect_column_values_to_not_be_null"


def outcome(
    *,
    passed: bool = True,
    severity: str = "critical",
    failed_count: int | None = 0,
    checked_count: int | None = 1200,
    **more,
) -> Outcome:
    fields = {
        "type": NULL,
        "column": "email",
        "kwargs": {"column": "email"},
        "severity": severity,
        "why": "Nobody is reached without it.",
        "passed": passed,
        "failed_count": failed_count,
        "checked_count": checked_count,
        **more,
    }
    return Outcome(**fields)


def gate(table: str, *outcomes: Outcome) -> GateResult:
    return GateResult(table, "A table.", 1200, 0.25, outcomes or (outcome(),))


def page(*gates: GateResult) -> str:
    return render_quality(
        [(each, NIGHT) for each in gates], title="Data quality", generated_for="the lake as of 2011-12-09"
    )


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


GOOD = gate("golden/customer")
WARNED = gate("raw/crm_west", outcome(passed=False, severity="warning", failed_count=3))
FAILED = gate(
    "mart/analytics", outcome(passed=False, failed_count=12), outcome(column="phone", kwargs={"column": "phone"})
)


@pytest.mark.parametrize(
    ("gates", "verdict", "more"),
    [
        pytest.param([GOOD], "The one table passed", "Every expectation holds", id="one"),
        pytest.param([GOOD, gate("identity/link")], "All 2 tables passed", "Every expectation holds", id="all"),
        pytest.param([GOOD, WARNED], "All 2 tables passed", "Nothing critical failed; 1 warning", id="warned"),
        pytest.param([GOOD, WARNED, FAILED], "1 of 3 tables was held back", "mart/analytics; 1 warning", id="failed"),
        pytest.param(
            [FAILED, gate("mart/push", *FAILED.results)],
            "2 of 2 tables were held back",
            "mart/analytics, mart/push",
            id="both",
        ),
        pytest.param([], "Nothing was checked", "No gate has a result", id="none"),
    ],
)
def test_verdict(gates, verdict, more):
    shown = text(page(*gates))
    assert verdict in shown
    assert more in shown


def test_failures_come_first_and_in_words():
    shown = text(page(GOOD, WARNED, FAILED))
    critical, warning = "12 of 1,200 rows fail (1.0 %)", "3 of 1,200 rows fail (0.2 %)"
    assert "mart/analytics: email has a value" in shown.replace("  ", " ")
    assert shown.index(critical) < shown.index(warning) < shown.index("Verdict")
    assert "Nobody is reached without it." in shown


def test_only_failed_tables_are_open():
    html = page(GOOD, WARNED, FAILED)
    assert html.count("<details") == 3
    assert html.count("<details open>") == 1


def test_tables_stand_in_the_order_of_the_pipeline():
    names = (
        "raw/b",
        "raw/c",
        "quarantine/b",
        "standardised/party",
        "identity/link",
        "consent/ledger",
        "golden/customer",
        "mart/a",
        "audit/file",
    )
    html = page(*(gate(name) for name in reversed(names)))
    shown = re.findall(r"<h2>(\w+)</h2>", html)
    assert shown == list(dict.fromkeys(name.partition("/")[0] for name in names))
    assert html == page(*(gate(name) for name in names))


def test_page_is_whole_and_loads_nothing():
    html = page(GOOD, WARNED, FAILED)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<img|<iframe", html)
    assert "default-src 'none'" in html
    opened: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attrs):  # noqa: ARG002
            if tag not in {"meta", "path", "circle", "rect"}:
                opened.append(tag)

        def handle_endtag(self, tag):
            if tag not in {"path", "circle", "rect"}:
                assert opened.pop() == tag

    Balance().feed(html)
    assert opened == []


def test_what_is_declared_is_escaped():
    each = outcome(
        type="expect_column_values_to_match_regex",
        kwargs={"column": "<b>", "regex": "<script>&"},
        passed=False,
        failed_count=1,
        why="Less < more.",
    )
    html = render_quality([(GateResult("raw/x", "<i>", 1, 0.1, (each,)), NIGHT)], title="<t>", generated_for="<g>")
    assert not re.search(r"<(b|script|i|t|g)>", html)


def test_columns_of_which_the_same_holds_are_told_at_once():
    same = [outcome(column=name, kwargs={"column": name}) for name in ("email", "phone", "city")]
    other = outcome(column="street", kwargs={"column": "street"}, checked_count=7)
    shown = text(page(gate("golden/customer", *same, other)))
    assert "Each of email , phone , city has a value" in shown
    assert "street has a value" in shown


@pytest.mark.parametrize(
    ("type_", "kwargs", "said"),
    [
        (NULL, {"column": "x", "mostly": 0.995}, "x has a value, in at least 99.5 % of rows"),
        (
            NULL,
            {"column": "x", "row_condition": 'y == "b"', "condition_parser": "pandas"},
            "x has a value, where y == &quot;b&quot;",
        ),
        ("expect_column_values_to_be_null", {"column": "x"}, "x is empty"),
        ("expect_column_values_to_be_unique", {"column": "x"}, "x is unique"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["x", "y"]}, "x, y are unique together"),
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": [True, "a"]}, "x is one of true, a"),
        ("expect_column_values_to_not_be_in_set", {"column": "x", "value_set": ["a"]}, "x is none of a"),
        ("expect_column_values_to_match_regex", {"column": "x", "regex": "^a$"}, "x has the form ^a$"),
        ("expect_column_values_to_not_match_regex", {"column": "x", "regex": "@"}, "x does not match @"),
        ("expect_column_values_to_be_between", {"column": "x", "min_value": 0}, "x is at least 0"),
        ("expect_column_values_to_be_between", {"column": "x", "max_value": 604800}, "x is at most 604,800"),
        (
            "expect_column_values_to_be_between",
            {"column": "x", "min_value": "1880-01-01T00:00:00", "max_value": "2100-01-01T00:00:00"},
            "x is 1880-01-01 to 2100-01-01",
        ),
        (
            "expect_column_value_lengths_to_be_between",
            {"column": "x", "min_value": 1},
            "x is at least 1 characters long",
        ),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "x", "column_B": "y"}, "x is greater than y"),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "x", "column_B": "y", "or_equal": True},
            "x is not less than y",
        ),
        ("expect_column_pair_values_to_be_equal", {"column_A": "x", "column_B": "y"}, "x equals y"),
        ("expect_table_row_count_to_be_between", {"min_value": 0}, "The table may be empty"),
        ("expect_table_row_count_to_be_between", {"min_value": 1}, "The table has at least 1 row"),
        ("expect_table_row_count_to_be_between", {"min_value": 2, "max_value": 9}, "The table has 2 to 9 rows"),
        ("expect_table_columns_to_match_set", {"column_set": ["x", "y"]}, "The table has exactly the columns x, y"),
        (
            "expect_table_columns_to_match_set",
            {"column_set": ["x"], "exact_match": False},
            "The table has at least the columns x",
        ),
        ("expect_column_stdev_to_be_between", {"column": "x"}, "expect_column_stdev_to_be_between"),
    ],
)
def test_sentence(type_, kwargs, said):
    assert re.sub(r"</?code>", "", describe_expectation(outcome(type=type_, kwargs=kwargs))) == said


@pytest.mark.parametrize(
    ("passed", "failed_count", "checked_count", "detail", "said"),
    [
        (True, 0, 5484, None, "all 5,484 rows hold"),
        (True, 0, 1, None, "the one row holds"),
        (True, 0, 0, None, "no rows to check"),
        (False, 519, 5484, None, "519 of 5,484 rows fail (9.5 %)"),
        (False, 1, 200_000, None, "1 of 200,000 rows fails (under 0.1 %)"),
        (False, 2, 3, None, "2 of 3 rows fail (67 %)"),
        (True, None, None, None, "holds"),
        (False, None, None, None, "does not hold"),
        (False, None, None, "it has 0", "it has 0"),
    ],
)
def test_counts(passed, failed_count, checked_count, detail, said):
    assert (
        describe_counts(outcome(passed=passed, failed_count=failed_count, checked_count=checked_count, detail=detail))
        == said
    )
