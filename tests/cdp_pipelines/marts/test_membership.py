"""Stays in marts: who comes, who stays, who leaves and why."""

from datetime import UTC, datetime

import polars as pl

from cdp_pipelines.marts.membership import update_membership
from cdp_pipelines.schema import DECISION, MEMBERSHIP
from cdp_pipelines.schema.interval import valid_at

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))


def decisions(**reasons):
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


def night(history, as_of, members_, **reasons):
    return update_membership(
        history, {"mail": pl.DataFrame({"customer_id": list(members_)})}, decisions(**reasons), as_of
    )


def told(history):
    return history.select("customer_id", "valid_from", "valid_to", "exit_reason").rows()


def test_who_comes_stays_and_leaves():
    history = night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    history = night(history, TWO, "a", a="allowed", b="withdrawn")
    history = night(history, THREE, "ab", a="allowed", b="allowed")
    assert told(history) == [("a", ONE, None, None), ("b", ONE, TWO, "withdrawn"), ("b", THREE, None, None)]
    assert history.schema == MEMBERSHIP.schema
    assert valid_at(history.lazy(), TWO).collect()["customer_id"].to_list() == ["a"]
    assert valid_at(history.lazy(), ONE).collect()["customer_id"].to_list() == ["a", "b"]


def test_leaving_without_a_denial_says_what_it_was():
    history = night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    assert told(night(history, TWO, "", a="allowed"))[0][-1] == "no_usable_value"
    assert told(night(history, TWO, "", a="allowed"))[1][-1] == "not_decided_any_more"


def test_the_same_night_again_is_the_night_once():
    first = night(MEMBERSHIP.empty(), ONE, "ab", a="allowed", b="allowed")
    once = night(first, TWO, "a", a="allowed", b="withdrawn")
    assert night(once, TWO, "a", a="allowed", b="withdrawn").equals(once)
    assert night(once, TWO, "ab", a="allowed", b="allowed").equals(first)
