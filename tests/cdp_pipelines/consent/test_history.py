"""Decisions over time, and the merge gate that they open."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.consent import build_crosswalk, update_decision_history
from cdp_pipelines.consent.decide import COLUMNS
from cdp_pipelines.consent.history import HIDDEN_PREFIX, hide_unused_contact_points
from cdp_pipelines.schema import CLUSTER, CROSSWALK, DECISION, PARTY
from cdp_pipelines.schema.interval import current, valid_at

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))
NOBODY = DECISION.empty()


def decisions(**reasons):
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


def test_what_stays_is_not_touched_and_what_changes_is_closed():
    first = update_decision_history(
        NOBODY, decisions(ann__mail="allowed", ben__mail="allowed", cyd__mail="denied"), ONE
    )
    then = decisions(ann__mail="allowed", ben__mail="withdrawn").with_columns(ledger_position=pl.lit(9, pl.Int64))
    second = update_decision_history(first, then, TWO)
    told = second.select("customer_id", "reason", "ledger_position", "valid_from", "valid_to").rows()
    assert told == [
        ("ann", "allowed", 7, ONE, None),
        ("ben", "allowed", 7, ONE, TWO),
        ("ben", "withdrawn", 9, TWO, None),
        ("cyd", "denied", 7, ONE, TWO),
    ]
    assert update_decision_history(second, then, TWO).equals(second)
    assert current(second.lazy()).collect()["customer_id"].to_list() == ["ann", "ben"]


def test_an_ended_decision_does_not_name_a_contact_point_that_nobody_has_any_more():
    of_all = decisions(ann__mail="allowed", ben__mail="allowed", cyd__mail="denied")
    first = update_decision_history(
        NOBODY, of_all.with_columns(contact_point=pl.Series(["ann@shop", "ben@shop", "cyd@shop"])), ONE
    )
    # Ann's is Cyd's now, Ben's and Cyd's own are nobody's.
    then = decisions(ann__mail="denied", cyd__mail="denied").with_columns(contact_point=pl.Series(["", "ann@shop"]))
    second = hide_unused_contact_points(
        update_decision_history(first, then, TWO), then, lambda value: HIDDEN_PREFIX + value[::-1]
    )
    assert set(second.select("customer_id", "contact_point", "valid_to").rows()) == {
        ("ann", "ann@shop", TWO),
        ("ann", "", None),
        ("ben", f"{HIDDEN_PREFIX}pohs@neb", TWO),
        ("cyd", f"{HIDDEN_PREFIX}pohs@dyc", TWO),
        ("cyd", "ann@shop", None),
    }
    # Once hidden it stays so, and the same night again changes nothing.
    again = hide_unused_contact_points(
        update_decision_history(second, then, TWO), then, lambda value: HIDDEN_PREFIX + value[::-1]
    )
    assert again.equals(second)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        pytest.param(ONE, "allowed", id="from_its_first_instant"),
        pytest.param(TWO, "withdrawn", id="until_before_its_end"),
        pytest.param(THREE, "withdrawn", id="while_it_stands"),
    ],
)
def test_what_stood_at_an_instant(moment, reason):
    first = update_decision_history(NOBODY, decisions(ben__mail="allowed"), ONE)
    history = update_decision_history(first, decisions(ben__mail="withdrawn"), TWO)
    assert valid_at(history.lazy(), moment).collect()["reason"].to_list() == [reason]


def test_of_one_night_there_is_one_decision():
    first = update_decision_history(NOBODY, decisions(ann__mail="allowed"), ONE)
    corrected = update_decision_history(
        update_decision_history(first, decisions(ann__mail="denied"), TWO),
        decisions(ann__mail="allowed", ben__mail="denied"),
        TWO,
    )
    assert corrected.filter(customer_id="ann").equals(first)
    assert corrected.height == 2


def test_other_evidence_is_another_decision():
    first = update_decision_history(NOBODY, decisions(ann__mail="allowed"), ONE)
    other = decisions(ann__mail="allowed").with_columns(pl.lit(["event:new"]).alias("evidence"))
    assert update_decision_history(first, other, TWO).height == 2


CHANNELS = {
    "crm": ("mail", "account", "profile_unification"),
    "web": ("mail", "profile_unification"),
    "till": ("account", "fraud"),
}
GATE = [
    ("unified_and_person_wide_purpose", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "crm", "joined"),
    ("purpose_of_another_channel", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "web", "no_purpose"),
    ("unification_alone_is_no_purpose", {"ann__profile_unification": "allowed"}, "crm", "no_purpose"),
    ("unification_denied", {"ann__profile_unification": "objected", "ann__account": "allowed"}, "crm", "unification:objected"),
    ("not_collected_for_unification", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "till", "unification:not_collected_for"),
    ("unification_not_registered", {"ann__account": "allowed"}, "crm", "unification:not_registered"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "channel", "gate"), [pytest.param(*case[1:], id=case[0]) for case in GATE])
def test_merge_gate(told, channel, gate):
    assert joined(channel, decisions(**told)) == [("1", gate, gate == "joined")]


def test_a_purpose_of_a_contact_point_lets_in_the_records_that_carry_it():
    mail = decisions(ann__profile_unification="allowed", ann__mail="allowed").with_columns(
        contact_point=pl.when(pl.col("purpose") == "mail").then(pl.lit("a@x")).otherwise(pl.lit(""))
    )
    found = joined("web", mail, {"email": "a@x"}, {"email": "b@x"}, {"phone": "+1"})
    assert [gate for _, gate, _ in found] == ["joined", "no_purpose", "no_purpose"]


def joined(channel, told, *records):
    rows = [{"channel": channel, "source_record_id": str(n), **each} for n, each in enumerate(records or ({},), 1)]
    party = pl.DataFrame([dict.fromkeys(PARTY.schema) | row for row in rows], schema=PARTY.schema)
    cluster = CLUSTER.conform(party.lazy().with_columns(customer_id=pl.lit("ann"), is_exact=pl.lit(True)))
    found = build_crosswalk(cluster, party.lazy(), told.lazy(), CHANNELS).collect()
    assert found.schema == CROSSWALK.schema
    return found.sort("source_record_id").select("source_record_id", "gate", "is_profiled").rows()
