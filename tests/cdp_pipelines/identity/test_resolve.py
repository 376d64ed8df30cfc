"""Who is one person: cases that people know, oracles written another way, and that order never matters."""

from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import networkx as nx
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity import IdentityPolicy, evaluate, resolve
from cdp_pipelines.identity.pairs import block, compare
from cdp_pipelines.tables import CLUSTER, LINK, PARTY

POLICY = IdentityPolicy.model_validate(
    yaml.safe_load((Path(__file__).parents[3] / "assets" / "defs" / "identity" / "defs.yaml").read_text())["attributes"]
)


def party(*records):
    base = {
        **dict.fromkeys(PARTY.schema),
        "channel": "t",
        "drop_date": date(2024, 1, 1),
        "observed_at": datetime(2024, 1, 1, tzinfo=UTC),
    }
    return pl.DataFrame(
        [{**base, "source_record_id": f"r{i}", **record} for i, record in enumerate(records)], schema=PARTY.schema
    )


def groups(records, policy=POLICY):
    found = resolve(party(*records), policy).cluster
    return sorted(
        sorted(ids) for ids in found.group_by("customer_id").agg("source_record_id")["source_record_id"].to_list()
    )


ANN = {
    "first_name": "Ann",
    "last_name": "Ervin",
    "birth_date": date(1980, 1, 2),
    "street": "5 oak st",
    "phone": "+12065550101",
}
BOB = {
    "first_name": "Bob",
    "last_name": "Ervin",
    "birth_date": date(1978, 5, 6),
    "street": "5 oak st",
    "phone": "+12065550101",
}

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
    assert groups(records) == expected


def test_customers_are_named_after_their_earliest_record_and_keep_the_name():
    before = resolve(party(ANN), POLICY).cluster["customer_id"][0]
    after = resolve(party(ANN, {**ANN, "drop_date": date(2024, 2, 1)}), POLICY).cluster
    assert after["customer_id"].to_list() == [before, before]
    assert before.startswith("c_")
    assert len(before) == 18


def test_an_exact_identifier_is_exact_and_a_probable_link_is_not():
    found = resolve(party({**ANN, "device_id": "d"}, {"device_id": "d"}, {**ANN, "email": "z@x.de"}), POLICY)
    assert found.cluster.sort("source_record_id")["is_exact"].to_list() == [True, True, False]
    assert found.link.schema == LINK.schema
    assert found.cluster.schema == CLUSTER.schema
    probable = found.link.filter(~pl.col("is_exact"))
    assert probable["match_weight"].is_not_null().all()
    assert "first_name:exact" in probable["evidence"][0]


def test_a_switchboard_does_not_explode():
    words = ["".join(letters) for letters in product("abcdefg", repeat=3)][:300]
    records = [{"first_name": word, "last_name": word, "phone": "+12065550100"} for word in words]
    found = resolve(party(*records), POLICY)
    assert found.report["pairs compared"] == 0
    assert {row["rule"]: row["blocks skipped"] for row in found.report["blocking"]}["phone"] == 1
    assert found.cluster["customer_id"].n_unique() == 300


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
    found = resolve(frame, POLICY)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 10**6))
    again = resolve(shuffled, POLICY)
    assert again.cluster.equals(found.cluster)
    assert again.link.equals(found.link)
    graph = nx.Graph()
    graph.add_nodes_from(frame["source_record_id"])
    graph.add_edges_from(found.link.select("left_source_record_id", "right_source_record_id").iter_rows())
    expected = sorted(sorted(each) for each in nx.connected_components(graph))
    ours = found.cluster.group_by("customer_id").agg("source_record_id")["source_record_id"].to_list()
    assert sorted(sorted(each) for each in ours) == expected


def test_each_pair_is_made_once_and_compared_into_levels():
    nodes = pl.DataFrame(
        {
            "node": [0, 1, 2],
            "first_name": ["ann", "anne", "a"],
            "middle_name": [None, "b", "b"],
            "last_name": ["ervin"] * 3,
            "birth_date": [date(1980, 1, 1), None, date(1980, 1, 2)],
            "street": ["5 oak st"] * 3,
            "email": ["a@x.de"] * 3,
            "phone": [None] * 3,
        },
        schema_overrides={"phone": pl.String},
    )
    pairs, _ = block(nodes, POLICY)
    assert pairs.select("left", "right").rows() == [(0, 1), (0, 2), (1, 2)]
    compared = compare(pairs, nodes, POLICY)
    assert compared["first_name"].to_list() == ["close", "initial", "initial"]
    assert compared["birth_date"].to_list() == [None, "close", None]
    assert compared["middle_name"].to_list() == [None, None, "exact"]


def test_evaluate_by_hand():
    crosswalk = pl.DataFrame(
        {"channel": "t", "source_record_id": list("abcde"), "customer_id": ["1", "1", "1", "2", "3"]}
    )
    persons = pl.DataFrame({"channel": "t", "source_record_id": list("abcde"), "person": ["x", "x", "y", "y", "z"]})
    found = evaluate(crosswalk, persons).row(0, named=True)
    assert (found["pairs_found"], found["pairs_true"], found["pairs_right"]) == (3, 2, 1)
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
