"""Corpus statistics: over-shared identifiers and refined blocks."""

from datetime import date

import numpy as np
import pytest

from cdp_pipelines.identity.statistics import (
    BITS,
    compute_statistics,
    pack_over_shared,
    pack_refinements,
)
from tests.cdp_pipelines.identity.records import ANN, POLICY, distinct_of, find_customers, invented, party

OVER_SHARED = [
    pytest.param(invented(300, email="none@none.com"), "email", {"email": 1}, id="placeholder_email"),
    pytest.param(invented(300, phone="+12065550100"), "phone", {"phone": 1}, id="switchboard"),
    pytest.param(invented(300, birth_date=date(1985, 1, 1), street="1 oak st"), "birth_date+street", {}, id="first_of_january_1985"),
    pytest.param(
        [{**ANN, "phone": None, "birth_date": date(1985, 1, 1), "device_id": f"d{i}"} for i in range(300)],
        "last_name+birth_date", {}, id="a_test_record_entered_again_and_again",
    ),
    pytest.param(invented(300, birth_date=date(1980, 1, 2), postal_code="99999"), "birth_date+postal_code", {}, id="constant_postal_code"),
    pytest.param(invented(300, device_id="kiosk"), None, {"device_id": 1}, id="a_tablet_in_the_shop"),
    pytest.param(invented(300, account_id="guest"), None, {"account_id": 1}, id="the_account_of_guests"),
    pytest.param(
        [{"email": "none@none.com", "device_id": f"d{i}"} for i in range(300)], None, {"email": 1}, id="nameless_with_a_placeholder",
    ),
    pytest.param(
        [{"phone": "+12065550100", "last_name": "Smith", "device_id": f"d{i}"} for i in range(300)],
        None, {"phone": 1}, id="mrs_smith_at_the_switchboard",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "rule", "over_shared"), OVER_SHARED)
def test_an_over_shared_value_joins_nobody_and_is_reported(records, rule, over_shared):
    found = find_customers(party(*records))
    assert found.cluster["customer_id"].is_unique().all()
    assert found.report["over-shared identifiers"] == over_shared
    blocking = {row["rule"]: row for row in found.report["blocking"]}
    assert {name for name, row in blocking.items() if row["blocks refined"]} >= ({rule} if rule else set())
    assert sum(row["pairs"] for row in blocking.values()) < 1000


def test_a_value_is_over_shared_from_one_record_beyond_the_limit():
    policy = POLICY.model_copy(update={"max_sharers": 3})
    three, four = (distinct_of(*invented(n, device_id="kiosk"), {"device_id": "own"}) for n in (3, 4))
    assert not compute_statistics(three, policy)[0].over_shared["device_id"].any()
    assert compute_statistics(four, policy)[0].over_shared["device_id"].tolist() == [True] * 4 + [False]


def test_statistics_are_packed_and_unpacked():
    policy = POLICY.model_copy(update={"max_sharers": 3, "max_block": 2})
    distinct = distinct_of(*invented(5, device_id="kiosk", phone="+12065550100"), {"email": "a@x.de"})
    statistics, _ = compute_statistics(distinct, policy)
    packed = pack_refinements(statistics, distinct.count)
    for place, refinement in enumerate(statistics.refinements):
        assert (packed >> BITS * place & 15 == refinement).all()
    bits = pack_over_shared(statistics, distinct.count)
    for place, name in enumerate(policy.identifiers):
        assert ((bits >> place & 1).astype(bool) == statistics.over_shared[name]).all()
    assert bits.dtype == packed.dtype == np.int64
