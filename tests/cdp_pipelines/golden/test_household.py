"""Households: which customers are one, and which id it has."""

from datetime import timedelta

import networkx as nx
import pytest

from cdp_pipelines.golden.household import build_households
from cdp_pipelines.schema import HISTORY, HOUSEHOLD
from tests.cdp_pipelines.golden.records import START, frame, golden, policy_of

HOME = {"last_name": "Núñez", "street": "5 oak street", "postal_code": "98101", "country_code": "US"}
IDS = {f"r{at}": f"c_{at:016x}" for at in range(20)}
GROUPS = (("first_name", "last_name"), ("street", "postal_code", "country_code"))


def build(people, *, born=(), max_members=12, channels=None):
    """Households of customers 0, 1, 2 and so on; `born`: night of birth of each."""
    records = [((channels or {}).get(at, "crm"), 1, says) for at, says in enumerate(people)]
    candidates, customers = golden(records, policy_of(attribute_groups=GROUPS), customers=IDS)
    history = frame(
        HISTORY,
        [
            {"customer_id": IDS[f"r{at}"], "event": "created", "occurred_at": START + timedelta(days=night)}
            for at, night in enumerate(born)
        ],
    )
    return build_households(customers, candidates.lazy(), history, max_members).sort("customer_id")


SAME = [
    pytest.param(HOME, {}, True, id="same"),
    pytest.param(HOME, {"last_name": "NUNEZ"}, True, id="plain_letters"),
    pytest.param(HOME, {"street": "5 Oak St."}, True, id="short_form_of_the_street"),
    pytest.param(HOME, {"first_name": "Ann"}, True, id="first_names_say_nothing"),
    pytest.param(HOME, {"last_name": "Nune"}, False, id="another_name"),
    pytest.param(HOME, {"street": "7 oak street"}, False, id="another_house"),
    pytest.param(HOME, {"street": "5 oak street apt 2"}, False, id="another_flat"),
    pytest.param(HOME, {"postal_code": "98102"}, False, id="another_postal_code"),
    pytest.param(HOME, {"country_code": "GB"}, False, id="another_country"),
    pytest.param(HOME | {"street": "oak street"}, {}, False, id="no_house_number"),
    pytest.param(HOME | {"last_name": None}, {}, False, id="no_name"),
    pytest.param(HOME | {"postal_code": None}, {}, False, id="no_postal_code"),
]


@pytest.mark.parametrize(("one", "change", "expected"), SAME)
def test_customers_of_one_name_and_address_share_a_household(one, change, expected):
    found = build([one, one | change])
    assert found.height == (2 if expected else 0)
    assert found.schema == HOUSEHOLD.schema
    assert found["household_id"].n_unique() <= 1


def test_the_oldest_customer_gives_the_id_whoever_joins_or_leaves():
    before = build([HOME, HOME], born=(9, 3))
    more = build([HOME, HOME, HOME], born=(9, 3, 12))
    fewer = build([HOME | {"last_name": "Li"}, HOME, HOME], born=(9, 3, 12))
    assert len({*before["household_id"], *more["household_id"], *fewer["household_id"]}) == 1
    assert more["member_count"].to_list() == [3, 3, 3]
    gone = build([HOME, HOME | {"last_name": "Li"}, HOME], born=(9, 3, 12))
    assert set(gone["household_id"]) != set(before["household_id"])
    assert gone["household_id"][0].removeprefix("h_") not in gone["customer_id"][0]


def test_more_customers_than_the_maximum_are_not_a_household():
    assert build([HOME] * 5, max_members=4).is_empty()
    assert build([HOME] * 4, max_members=4).height == 4


def test_its_purposes_are_those_of_both_name_and_address():
    found = build([HOME, HOME, HOME | {"street": "7 elm st"}], channels={1: "shop"})
    assert found["collected_for"].to_list() == [["letters", "service"], ["service"]]


def test_a_customer_without_a_profile_is_in_no_household():
    candidates, customers = golden([("crm", 1, HOME)] * 2, policy_of(), customers=IDS, profiled=False)
    assert build_households(customers, candidates.lazy(), frame(HISTORY, []), 12).is_empty()


def test_households_are_the_connected_components_of_equal_addresses():
    people = [
        HOME | {"last_name": name, "street": street} for name in ("Li", "Ng", "Li") for street in ("5 a st", "7 b st")
    ]
    graph = nx.Graph()
    graph.add_nodes_from(range(len(people)))
    graph.add_edges_from((i, j) for i, one in enumerate(people) for j, two in enumerate(people) if i < j and one == two)
    expected = {frozenset(IDS[f"r{at}"] for at in each) for each in nx.connected_components(graph) if len(each) > 1}
    found = build(people).group_by("household_id").agg("customer_id")
    assert {frozenset(each) for each in found["customer_id"]} == expected
