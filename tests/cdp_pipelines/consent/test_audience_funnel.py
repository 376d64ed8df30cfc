"""The waterfall of a purpose, and what another register changes."""

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
from cdp_pipelines.consent.decide import REASONS
from tests.cdp_pipelines.consent.worlds import REGISTER, at, random_world


def decided(*rows):
    return pl.LazyFrame(rows, schema=["customer_id", "purpose", "contact_point", "reason"], orient="row")


def test_each_customer_counts_once_where_the_last_of_their_points_is_denied():
    told = decided(
        ("a", "mail", "1", "allowed"),
        ("a", "mail", "2", "erased"),
        ("b", "mail", "1", "suppressed"),
        ("b", "mail", "2", "withdrawn"),
        ("c", "mail", "", "no_contact_point"),
        ("d", "mail", "1", "requires:profiles"),
        ("d", "other", "1", "allowed"),
    )
    found = {
        row["step"]: (row["left"], row["dropped"], row["because"]) for row in build_funnel(told, "mail").to_dicts()
    }
    assert found["all customers"] == (4, 0, "")
    assert found["has a contact point"] == (3, 1, "no_contact_point: 1")
    assert found["not suppressed"] == (3, 0, "")
    assert found["not denied or withdrawn"] == (2, 1, "withdrawn: 1")
    assert found[REQUIRED] == (1, 1, "requires:profiles: 1")


@pytest.mark.parametrize("reason", [each for each in REASONS if each != "allowed"])
def test_every_reason_has_its_step(reason):
    found = build_funnel(decided(("a", "mail", "", reason)), "mail")
    assert found["left"][-1] == 0
    assert found.filter(dropped=1)["because"].to_list() == [f"{reason}: 1"]
    assert found.filter(dropped=1)["step"].to_list() == [name for name, reasons in STEPS.items() if reason in reasons]


def test_the_last_step_leaves_whom_the_engine_allows():
    decisions = random_world(5, customer_count=10).decide(at("2011-06-15"))
    for key in REGISTER:
        allowed = decisions.filter("is_allowed", purpose=key)["customer_id"].n_unique()
        assert build_funnel(decisions.lazy(), key)["left"][-1] == allowed


@pytest.mark.parametrize(("left", "of", "drawn"), [(0, 4, ""), (4, 4, "████"), (2, 4, "██"), (1, 32, "▏"), (0, 0, "")])
def test_bar(left, of, drawn):
    assert draw_bar(left, of, width=4) == drawn


def test_the_picture_leaves_out_steps_that_drop_nobody():
    drawn = draw_funnel(build_funnel(decided(("a", "mail", "", "erased"), ("b", "mail", "", "allowed")), "mail"))
    assert [line.split(" | ")[0] for line in drawn.splitlines()[2:]] == ["| all customers", "| not erased"]


def test_what_changes_and_what_only_has_another_reason():
    before = decided(("a", "m", "", "allowed"), ("b", "m", "", "denied"), ("c", "m", "", "no_consent")).collect()
    after = decided(
        ("a", "m", "", "expired"), ("b", "m", "", "allowed"), ("c", "m", "", "denied"), ("d", "m", "", "allowed")
    )
    assert compare_decisions(before, after.collect()).select(
        "customer_id", "reason_before", "reason_after", "effect"
    ).rows() == [
        ("a", "allowed", "expired", "drops out"),
        ("b", "denied", "allowed", "comes in"),
        ("c", "no_consent", "denied", "stays out, for another reason"),
        ("d", "not_asked", "allowed", "comes in"),
    ]
    assert compare_decisions(before, before).is_empty()
