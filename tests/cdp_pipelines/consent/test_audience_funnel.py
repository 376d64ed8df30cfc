"""The audience funnel of a purpose, and the decisions that another register changes."""

import polars as pl
import pytest

from cdp_pipelines.consent.audience_funnel import (
    REQUIRED,
    STEPS,
    build_funnel,
    compare_decisions,
    draw_bar,
    draw_funnel,
)
from cdp_pipelines.consent.checks import REASONS
from tests.cdp_pipelines.consent.inputs import REGISTER, at, random_input


def decisions(*rows):
    return pl.LazyFrame(rows, schema=["customer_id", "purpose", "contact_point", "reason"], orient="row")


def test_a_customer_drops_out_where_the_last_of_their_contact_points_is_denied():
    rows = decisions(
        ("a", "mail", "1", "allowed"),
        ("a", "mail", "2", "erased"),
        ("b", "mail", "1", "suppressed"),
        ("b", "mail", "2", "withdrawn"),
        ("c", "mail", "", "no_contact_point"),
        ("d", "mail", "1", "requires:profiles"),
        ("d", "other", "1", "allowed"),
    )
    found = {
        row["step"]: (row["customer_count"], row["dropped_count"], row["reasons"])
        for row in build_funnel(rows, "mail").to_dicts()
    }
    assert found["all customers"] == (4, 0, "")
    assert found["has a contact point"] == (3, 1, "no_contact_point: 1")
    assert found["not suppressed"] == (3, 0, "")
    assert found["not denied or withdrawn"] == (2, 1, "withdrawn: 1")
    assert found[REQUIRED] == (1, 1, "requires:profiles: 1")


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason != "allowed"])
def test_every_reason_has_a_step(reason):
    funnel = build_funnel(decisions(("a", "mail", "", reason)), "mail")
    assert funnel["customer_count"][-1] == 0
    assert funnel.filter(dropped_count=1)["reasons"].to_list() == [f"{reason}: 1"]
    assert funnel.filter(dropped_count=1)["step"].to_list() == [
        name for name, reasons in STEPS.items() if reason in reasons
    ]


def test_the_customers_of_the_last_step_are_allowed():
    decided = random_input(5, customer_count=10).decide(at("2011-06-15"))
    for key in REGISTER:
        allowed = decided.filter("is_allowed", purpose=key)["customer_id"].n_unique()
        assert build_funnel(decided.lazy(), key)["customer_count"][-1] == allowed


@pytest.mark.parametrize(
    ("count", "total", "drawn"), [(0, 4, ""), (4, 4, "████"), (2, 4, "██"), (1, 32, "▏"), (0, 0, "")]
)
def test_bar(count, total, drawn):
    assert draw_bar(count, total, width=4) == drawn


def test_the_drawn_funnel_leaves_out_steps_that_drop_nobody():
    drawn = draw_funnel(build_funnel(decisions(("a", "mail", "", "erased"), ("b", "mail", "", "allowed")), "mail"))
    assert [line.split(" | ")[0] for line in drawn.splitlines()[2:]] == ["| all customers", "| not erased"]


def test_comparison_of_decisions():
    before = decisions(("a", "m", "", "allowed"), ("b", "m", "", "denied"), ("c", "m", "", "no_consent")).collect()
    after = decisions(
        ("a", "m", "", "expired"), ("b", "m", "", "allowed"), ("c", "m", "", "denied"), ("d", "m", "", "allowed")
    )
    assert compare_decisions(before, after.collect()).select(
        "customer_id", "reason_before", "reason_after", "effect"
    ).rows() == [
        ("a", "allowed", "expired", "drops out"),
        ("b", "denied", "allowed", "comes in"),
        ("c", "no_consent", "denied", "stays out, for another reason"),
        ("d", "not_decided", "allowed", "comes in"),
    ]
    assert compare_decisions(before, before).is_empty()
