"""Customers: cases that people know, data sets that others made, and that order never matters."""

from datetime import date

import networkx as nx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.benchmarks.identity import febrl
from cdp_pipelines.identity import evaluate
from cdp_pipelines.sample.duplicates import generate_duplicates
from cdp_pipelines.schema import CLUSTER, LINK, PARTY
from tests.cdp_pipelines.identity.records import ANN, BOB, find_customers, party, people_of, review

CASES = [
    pytest.param(
        [
            {"email": "a@x.de", "first_name": "Ann", "last_name": "Ervin"},
            {"email": "a@x.de", "first_name": "Ann", "last_name": "Moss"},
        ],
        [["r0", "r1"]],
        id="same_email_new_family_name",
    ),
    pytest.param(
        [{"email": "us@x.de", "first_name": "Ann"}, {"email": "us@x.de", "first_name": "Bob"}],
        [["r0"], ["r1"]],
        id="shared_email_other_first_name",
    ),
    pytest.param([ANN, BOB], [["r0"], ["r1"]], id="household_on_one_phone"),
    pytest.param([ANN, {**ANN, "first_name": "Eva"}], [["r0"], ["r1"]], id="twins"),
    pytest.param(
        [ANN, {**ANN, "birth_date": date(1951, 7, 30)}], [["r0"], ["r1"]], id="mother_and_daughter_of_one_name"
    ),
    pytest.param(
        [
            {"handle": "x:@ann", "advertising_id": "a"},
            {"advertising_id": "a", "serial": "s"},
            {"serial": "s", **ANN},
            {"handle": "x:@ann", "loyalty_card": "LC1"},
            {"loyalty_card": "LC1", "email": "a@x.de"},
        ],
        [["r0", "r1", "r2", "r3", "r4"]],
        id="handle_advertising_id_serial_and_card_bridge",
    ),
    pytest.param(
        [{**ANN, "email": "a@x.de"}, {**ANN, "first_name": "Anne", "email": None}],
        [["r0", "r1"]],
        id="typo_in_first_name",
    ),
    pytest.param(
        [ANN, {"honorific": "Mrs", "last_name": "Ervin", "phone": "+12065550101"}],
        [["r0", "r1"]],
        id="mrs_ervin_on_her_own_phone",
    ),
    pytest.param(
        [ANN, BOB, {"honorific": "Mrs", "last_name": "Ervin", "phone": "+12065550101"}],
        [["r0"], ["r1"], ["r2"]],
        id="mrs_ervin_on_a_shared_phone",
    ),
    pytest.param(
        [ANN, {"last_name": "Moss", "phone": "+12065550101"}], [["r0"], ["r1"]], id="another_family_on_the_phone"
    ),
    pytest.param(
        [{"device_id": "d1"}, {"device_id": "d1", "account_id": "k1"}, {"account_id": "k1", **ANN}],
        [["r0", "r1", "r2"]],
        id="device_and_account_bridge",
    ),
    pytest.param([{"email": "a@x.de"}, {"email": "a@x.de"}], [["r0", "r1"]], id="bare_email_with_itself"),
    pytest.param([{**ANN, "email": "a@x.de"}, {"email": "a@x.de"}], [["r0", "r1"]], id="bare_email_to_its_owner"),
    pytest.param(
        [{"email": "us@x.de", "first_name": "Ann"}, {"email": "us@x.de", "first_name": "Bob"}, {"email": "us@x.de"}],
        [["r0"], ["r1"], ["r2"]],
        id="bare_email_of_two_owners_stays_alone",
    ),
    pytest.param(
        [
            {"first_name": "José", "last_name": "Núñez", "email": "j@x.de"},
            {"first_name": "JOSE", "last_name": "Nunez", "email": "j@x.de"},
        ],
        [["r0", "r1"]],
        id="diacritics",
    ),
    pytest.param(
        [{"first_name": "A", "last_name": "Ervin", "phone": "+12065550101"}, ANN], [["r0", "r1"]], id="initial"
    ),
]


@pytest.mark.parametrize(("records", "expected"), CASES)
def test_people(records, expected):
    assert people_of(find_customers(party(*records)).cluster) == expected


# Channel `till` was not collected to unify profiles: its payment devices may show fraud, and join nobody's profiles.
NON_LINKING = [
    pytest.param(
        [{"device_id": "d1"}, {"device_id": "d2"}, {"channel": "till", "device_id": "d1", "account_id": "x"},
         {"channel": "till", "device_id": "d2", "account_id": "x"}],
        [["r0"], ["r1"], ["r2", "r3"]],
        id="what_reaches_two_customers_joins_neither",
    ),
    pytest.param(
        [{"device_id": "d1"}, {"channel": "till", "device_id": "d1", "account_id": "x"},
         {"channel": "till", "account_id": "x"}],
        [["r0", "r1", "r2"]],
        id="what_reaches_one_customer_follows",
    ),
    pytest.param(
        [{"channel": "till", "account_id": "x"}, {"account_id": "x"}, {"account_id": "x"}],
        [["r0", "r1", "r2"]],
        id="what_two_share_themselves_joins_them_whichever_was_first",
    ),
    pytest.param(
        [{**ANN, "channel": "till", "email": "a@x.de"}, {"email": "a@x.de"}, {"email": "a@x.de"}],
        [["r0"], ["r1", "r2"]],
        id="a_name_from_there_names_nobody_and_what_is_nameless_stays_together",
    ),
    pytest.param(
        [{**ANN, "channel": "till", "email": "a@x.de"}, {**ANN, "email": "a@x.de"}, {"email": "a@x.de"}],
        [["r0", "r1", "r2"]],
        id="a_record_with_the_same_fields_is_followed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "expected"), NON_LINKING)
def test_what_was_collected_for_another_purpose_joins_no_profiles(records, expected):
    found = find_customers(party(*records), non_linking=("till",))
    assert people_of(found.cluster) == expected


def test_customers_are_named_after_their_earliest_record_and_keep_the_name():
    before = find_customers(party(ANN)).cluster["customer_id"][0]
    after = find_customers(party(ANN, {**ANN, "drop_date": date(2024, 2, 1)})).cluster
    assert after["customer_id"].to_list() == [before, before]
    assert before.startswith("c_")
    assert len(before) == 18


def test_an_exact_identifier_is_exact_and_a_probable_link_is_not():
    found = find_customers(party({**ANN, "device_id": "d"}, {"device_id": "d"}, {**ANN, "email": "z@x.de"}))
    assert found.cluster.sort("source_record_id")["is_exact"].to_list() == [True, True, False]
    assert found.link.schema == LINK.schema
    assert found.cluster.schema == CLUSTER.schema
    probable = found.link.filter(~pl.col("is_exact"))
    assert probable["match_weight"].is_not_null().all()
    assert "first_name:exact" in probable["evidence"][0]


REVIEWS = [
    pytest.param([ANN, BOB], [("r0", "r1", True)], [["r0", "r1"]], id="same_brings_together"),
    pytest.param(
        [ANN, ANN], [("r0", "r1", False)], [["r0"], ["r1"]], id="different_separates_records_with_the_same_fields"
    ),
    pytest.param(
        [{"device_id": "d"}, {"device_id": "d"}], [("r0", "r1", False)], [["r0"], ["r1"]], id="different_beats_a_device"
    ),
    pytest.param(
        [{"device_id": "d"}, {"device_id": "d", "account_id": "k"}, {"account_id": "k"}],
        [("r0", "r2", False)],
        [["r0"], ["r1", "r2"]],
        id="different_holds_over_a_bridge",
    ),
    pytest.param([ANN, BOB], [("r0", "gone", True)], [["r0"], ["r1"]], id="a_record_that_is_not_there"),
]


@pytest.mark.parametrize(("records", "decisions", "expected"), REVIEWS)
def test_a_clerks_decision_outranks_all_else(records, decisions, expected):
    found = find_customers(party(*records), review=review(*decisions)).cluster
    assert people_of(found) == expected


RECORDS = st.builds(
    lambda first, last, email, phone, device: {
        "first_name": first,
        "last_name": last,
        "email": email,
        "phone": phone,
        "device_id": device,
    },
    st.sampled_from(["Ann", "Bob", "Anne", None]),
    st.sampled_from(["Ervin", "Moss", None]),
    st.sampled_from(["a@x.de", "b@x.de", None]),
    st.sampled_from(["+1", "+2", None]),
    st.sampled_from(["d1", "d2", None]),
)


@given(st.lists(RECORDS, min_size=1, max_size=12), st.randoms())
@settings(max_examples=40, deadline=None)
def test_order_never_matters_and_components_are_networkx_components(records, random):
    frame = party(*records)
    found = find_customers(frame)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 10**6))
    again = find_customers(shuffled)
    assert again.cluster.equals(found.cluster)
    assert again.link.equals(found.link)
    graph = nx.Graph()
    graph.add_nodes_from(frame["source_record_id"])
    graph.add_edges_from(found.link.select("left_source_record_id", "right_source_record_id").iter_rows())
    assert people_of(found.cluster) == sorted(sorted(component) for component in nx.connected_components(graph))


@pytest.mark.parametrize("name", ["febrl1", "febrl2", "febrl3", "febrl4"])
def test_febrl_without_tuning(name, capsys):
    """Data sets that others made, under the policy as it is."""
    records, truth = febrl(name)
    found = evaluate(find_customers(records).cluster, truth).row(0, named=True)
    with capsys.disabled():
        print(f"\n{name}: precision {found['precision']:.4f}, recall {found['recall']:.4f}, F1 {found['f1']:.4f}")
    assert found["precision"] > 0.999
    assert found["recall"] > 0.98


def test_households_namesakes_and_typos(capsys):
    """A company with fathers and sons of one name, twins, moves, short forms and gaps."""
    records, truth = generate_duplicates(10_000)
    assert (records.schema, records.height, truth.height) == (PARTY.schema, 10_000, 10_000)
    found = evaluate(find_customers(records).cluster, truth).row(0, named=True)
    with capsys.disabled():
        print(
            f"\n10,000 records: precision {found['precision']:.4f}, recall {found['recall']:.4f}, F1 {found['f1']:.4f}"
        )
    assert found["precision"] > 0.97
    assert found["recall"] > 0.93
