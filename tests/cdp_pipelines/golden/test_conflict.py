"""Conflict counts: which channel loses to which."""

import polars as pl

from cdp_pipelines.golden.conflict import count_conflicts
from tests.cdp_pipelines.golden.records import golden, policy_of


def test_conflicts_count_customers_by_winning_and_losing_channel():
    records = [
        ("crm", 1, {"first_name": "Ann"}),
        ("shop", 2, {"first_name": "Anna"}),
        ("shop", 1, {"first_name": "Ann"}),
        ("crm", 1, {"first_name": "Bob"}),
        ("shop", 1, {"first_name": "Bob"}),
        ("call", 1, {"first_name": "Eve"}),
    ]
    owners = ["a", "a", "a", "b", "b", "e"]
    customers = {f"r{at}": f"c_{owner:0>16}" for at, owner in enumerate(owners)}
    candidates, _ = golden(records, policy_of(("source_priority",)), customers=customers)
    assert count_conflicts(candidates.lazy()).sort("winner", "loser").collect().rows() == [
        ("first_name", "call", "call", 1, 0),
        ("first_name", "crm", "crm", 2, 0),
        ("first_name", "crm", "shop", 2, 1),
    ]
    assert count_conflicts(candidates.lazy().filter(pl.lit(value=False))).collect().is_empty()
