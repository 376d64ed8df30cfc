"""The history of decisions: a changed decision is closed and another one opened."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.consent import update_decision_history
from cdp_pipelines.consent.decide import COLUMNS
from cdp_pipelines.consent.history import HIDDEN_PREFIX, hide_unused_contact_points
from cdp_pipelines.schema import DECISION
from cdp_pipelines.schema.interval import current, valid_at

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))
EMPTY = DECISION.empty()


def build_decisions(**reasons):
    """Decisions on `customer__purpose`; allowed by the event named after the customer."""
    rows = []
    for name, reason in reasons.items():
        customer, purpose = name.split("__")
        rows.append(
            {
                "customer_id": customer,
                "purpose": purpose,
                "contact_point": "",
                "is_allowed": reason == "allowed",
                "reason": reason,
                "lawful_basis": "consent",
                "since_at": ONE,
                "evidence": [f"event:{customer}"],
                "purpose_version": "1",
                "ledger_position": 7,
            }
        )
    return pl.DataFrame(rows, schema={name: DECISION.schema[name] for name in COLUMNS})


def test_only_a_changed_decision_is_closed():
    first = update_decision_history(
        EMPTY, build_decisions(ann__mail="allowed", ben__mail="allowed", cyd__mail="denied"), ONE
    )
    then = build_decisions(ann__mail="allowed", ben__mail="withdrawn").with_columns(ledger_position=pl.lit(9, pl.Int64))
    second = update_decision_history(first, then, TWO)
    rows = second.select("customer_id", "reason", "ledger_position", "valid_from", "valid_to").rows()
    assert rows == [
        ("ann", "allowed", 7, ONE, None),
        ("ben", "allowed", 7, ONE, TWO),
        ("ben", "withdrawn", 9, TWO, None),
        ("cyd", "denied", 7, ONE, TWO),
    ]
    assert update_decision_history(second, then, TWO).equals(second)
    assert current(second.lazy()).collect()["customer_id"].to_list() == ["ann", "ben"]


def test_a_closed_decision_does_not_name_a_contact_point_without_a_customer():
    all_decisions = build_decisions(ann__mail="allowed", ben__mail="allowed", cyd__mail="denied")
    first = update_decision_history(
        EMPTY, all_decisions.with_columns(contact_point=pl.Series(["ann@shop", "ben@shop", "cyd@shop"])), ONE
    )
    # Ann's contact point is Cyd's now; no customer has Ben's and Cyd's own any more.
    then = build_decisions(ann__mail="denied", cyd__mail="denied").with_columns(
        contact_point=pl.Series(["", "ann@shop"])
    )
    second = hide_unused_contact_points(
        update_decision_history(first, then, TWO), then["contact_point"], lambda value: HIDDEN_PREFIX + value[::-1]
    )
    assert set(second.select("customer_id", "contact_point", "valid_to").rows()) == {
        ("ann", "ann@shop", TWO),
        ("ann", "", None),
        ("ben", f"{HIDDEN_PREFIX}pohs@neb", TWO),
        ("cyd", f"{HIDDEN_PREFIX}pohs@dyc", TWO),
        ("cyd", "ann@shop", None),
    }
    # A hidden contact point is not hidden again, and a second run of the night changes nothing.
    again = hide_unused_contact_points(
        update_decision_history(second, then, TWO), then["contact_point"], lambda value: HIDDEN_PREFIX + value[::-1]
    )
    assert again.equals(second)


@pytest.mark.parametrize(
    ("instant", "reason"),
    [
        pytest.param(ONE, "allowed", id="from_its_first_instant"),
        pytest.param(TWO, "withdrawn", id="until_before_its_end"),
        pytest.param(THREE, "withdrawn", id="while_it_is_current"),
    ],
)
def test_decisions_valid_at_an_instant(instant, reason):
    first = update_decision_history(EMPTY, build_decisions(ben__mail="allowed"), ONE)
    history = update_decision_history(first, build_decisions(ben__mail="withdrawn"), TWO)
    assert valid_at(history.lazy(), instant).collect()["reason"].to_list() == [reason]


def test_a_second_run_of_a_night_replaces_its_decisions():
    first = update_decision_history(EMPTY, build_decisions(ann__mail="allowed"), ONE)
    corrected = update_decision_history(
        update_decision_history(first, build_decisions(ann__mail="denied"), TWO),
        build_decisions(ann__mail="allowed", ben__mail="denied"),
        TWO,
    )
    assert corrected.filter(customer_id="ann").equals(first)
    assert corrected.height == 2


def test_other_evidence_is_another_decision():
    first = update_decision_history(EMPTY, build_decisions(ann__mail="allowed"), ONE)
    other = build_decisions(ann__mail="allowed").with_columns(pl.lit(["event:new"]).alias("evidence"))
    assert update_decision_history(first, other, TWO).height == 2
