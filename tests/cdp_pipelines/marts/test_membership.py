"""Mart membership: who enters, who remains, who leaves and why."""

from datetime import UTC, datetime

import polars as pl

from cdp_pipelines.marts.membership import update_membership
from cdp_pipelines.schema import DECISION, MEMBERSHIP
from cdp_pipelines.schema.interval import valid_at

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))


def build_decisions(**reasons):
    rows = [
        dict.fromkeys(DECISION.schema)
        | {
            "customer_id": customer,
            "purpose": "mail",
            "contact_point": "",
            "is_allowed": reason == "allowed",
            "reason": reason,
            "lawful_basis": "consent",
            "purpose_version": "1",
            "evidence": [f"event:{customer}"],
            "valid_from": ONE,
        }
        for customer, reason in reasons.items()
    ]
    return pl.DataFrame(rows, schema=DECISION.schema).lazy()


def run_night(history, as_of, members, **reasons):
    return update_membership(
        history, {"mail": pl.DataFrame({"customer_id": list(members)})}, build_decisions(**reasons), as_of
    )


def select_intervals(history):
    return history.select("customer_id", "valid_from", "valid_to", "exit_reason").rows()


def test_members_enter_remain_and_leave():
    history = run_night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    history = run_night(history, TWO, "a", a="allowed", b="withdrawn")
    history = run_night(history, THREE, "ab", a="allowed", b="allowed")
    assert select_intervals(history) == [("a", ONE, None, None), ("b", ONE, TWO, "withdrawn"), ("b", THREE, None, None)]
    assert history.schema == MEMBERSHIP.schema
    assert valid_at(history.lazy(), TWO).collect()["customer_id"].to_list() == ["a"]
    assert valid_at(history.lazy(), ONE).collect()["customer_id"].to_list() == ["a", "b"]


def test_an_exit_without_a_denial_has_its_own_reason():
    history = run_night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    assert select_intervals(run_night(history, TWO, "", a="allowed"))[0][-1] == "no_usable_value"
    assert select_intervals(run_night(history, TWO, "", a="allowed"))[1][-1] == "not_decided_any_more"


def test_a_second_run_of_a_night_changes_nothing():
    first = run_night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    once = run_night(first, TWO, "a", a="allowed", b="withdrawn")
    assert run_night(once, TWO, "a", a="allowed", b="withdrawn").equals(once)
    assert run_night(once, TWO, "ab", a="allowed", b="allowed").equals(first)
