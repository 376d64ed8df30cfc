"""The merge gate: which records may join a profile, and the reason of each other record."""

import polars as pl
import pytest

from cdp_pipelines.consent import build_crosswalk
from cdp_pipelines.schema import CLUSTER, CROSSWALK, PARTY
from tests.cdp_pipelines.consent.test_history import build_decisions

CHANNELS = {
    "crm": ("mail", "account", "profile_unification"),
    "web": ("mail", "profile_unification"),
    "till": ("account", "fraud"),
}
GATE = [
    ("unified_and_person_wide_purpose", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "crm", "joined"),
    ("purpose_of_another_channel", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "web", "no_purpose"),
    ("unification_alone_is_not_enough", {"ann__profile_unification": "allowed"}, "crm", "no_purpose"),
    ("unification_denied", {"ann__profile_unification": "objected", "ann__account": "allowed"}, "crm", "unification:objected"),
    ("not_collected_for_unification", {"ann__profile_unification": "allowed", "ann__account": "allowed"}, "till", "unification:not_collected_for"),
    ("unification_not_registered", {"ann__account": "allowed"}, "crm", "unification:not_registered"),
]  # fmt: skip


@pytest.mark.parametrize(("reasons", "channel", "gate"), [pytest.param(*case[1:], id=case[0]) for case in GATE])
def test_merge_gate(reasons, channel, gate):
    assert apply_gate(channel, build_decisions(**reasons)) == [("1", gate, gate == "joined")]


def test_a_purpose_of_a_contact_point_admits_the_records_that_carry_it():
    mail = build_decisions(ann__profile_unification="allowed", ann__mail="allowed").with_columns(
        contact_point=pl.when(pl.col("purpose") == "mail").then(pl.lit("a@x")).otherwise(pl.lit(""))
    )
    found = apply_gate("web", mail, {"email": "a@x"}, {"email": "b@x"}, {"phone": "+1"})
    assert [gate for _, gate, _ in found] == ["joined", "no_purpose", "no_purpose"]


def apply_gate(channel, decisions, *records):
    rows = [{"channel": channel, "source_record_id": str(n), **record} for n, record in enumerate(records or ({},), 1)]
    party = pl.DataFrame([dict.fromkeys(PARTY.schema) | row for row in rows], schema=PARTY.schema)
    cluster = CLUSTER.conform(party.lazy().with_columns(customer_id=pl.lit("ann"), is_exact=pl.lit(True)))
    found = build_crosswalk(cluster, party.lazy(), decisions.lazy(), CHANNELS).collect()
    assert found.schema == CROSSWALK.schema
    return found.sort("source_record_id").select("source_record_id", "gate", "is_profiled").rows()
