"""Who is one person: cases that people know, oracles written another way, and that order never matters."""

from datetime import UTC, date, datetime
from importlib import import_module
from itertools import product

import networkx as nx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity import evaluate, resolve
from cdp_pipelines.identity.compare import compare_pairs, name_levels
from cdp_pipelines.identity.groups import build_groups as groups_of
from cdp_pipelines.identity.pairs import find_candidate_pairs
from cdp_pipelines.identity.statistics import compute_statistics
from cdp_pipelines.identity.values import build_distinct_records, normalise_names
from cdp_pipelines.schema import CLUSTER, HISTORY, LINK, PARTY, REVIEW
from cdp_pipelines.services.declarations import load_identity_policy

POLICY = load_identity_policy()
NONE = pl.DataFrame(schema={"channel": pl.String, "source_record_id": pl.String})


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


# Channel `till` was not collected to unify profiles: its payment devices may show fraud, and join nobody's profiles.
BOUND = [
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
        id="what_two_share_themselves_joins_them_whoever_was_first",
    ),
    pytest.param(
        [{**ANN, "channel": "till", "email": "a@x.de"}, {"email": "a@x.de"}, {"email": "a@x.de"}],
        [["r0"], ["r1", "r2"]],
        id="a_name_from_there_names_nobody_and_what_is_nameless_stays_together",
    ),
    pytest.param(
        [{**ANN, "channel": "till", "email": "a@x.de"}, {**ANN, "email": "a@x.de"}, {"email": "a@x.de"}],
        [["r0", "r1", "r2"]],
        id="who_says_the_same_is_followed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "expected"), BOUND)
def test_what_was_collected_for_another_purpose_joins_no_profiles(records, expected):
    found = resolve(party(*records), POLICY, bound=["till"])
    people = found.cluster.group_by("customer_id").agg(pl.col("source_record_id").sort())["source_record_id"].to_list()
    assert sorted(people) == expected


def test_links_of_another_purpose_are_told_for_it():
    records = party(*BOUND[0].values[0])
    found = resolve(records, POLICY, bound=["till"])
    assert found.link.equals(resolve(records, POLICY).link)
    assert found.report["links that join no profiles"] == 2
    names = dict(found.cluster.select("source_record_id", "customer_id").iter_rows())
    born = HISTORY.conform(
        found.cluster.lazy()
        .select("customer_id")
        .unique()
        .with_columns(
            event=pl.lit("born"), other_customer_id=None, cause=None, occurred_at=datetime(2024, 1, 1, tzinfo=UTC)
        )
        .with_columns(occurred_at=pl.col("occurred_at") - pl.duration(days=(pl.col("customer_id") == names["r1"]) * 9))
    ).collect()
    asked = {"fraud_prevention": ["t", "till"], "email_marketing": ["t"]}
    told = groups_of(found.link, found.cluster, born, asked)
    # One person where fraud is looked for, named after the oldest of them; for marketing they stay two.
    assert dict(told.select("customer_id", "group_id").iter_rows()) == {
        names[each]: names["r1"] for each in ("r0", "r1", "r2")
    }
    assert set(told["purpose"]) == {"fraud_prevention"}


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
    told = {row["rule"]: row for row in found.report["blocking"]}["phone"]
    assert (told["pairs"], told["largest block"], told["blocks cut down"], told["blocks skipped"]) == (0, 300, 1, 0)
    assert found.cluster["customer_id"].n_unique() == 300


def invented(n, **shared):
    words = ["".join(letters) for letters in product("abcdefg", repeat=3)][:n]
    return [{"first_name": word, "last_name": f"{word[::-1]}son", **shared} for word in words]


CROWDS = [
    pytest.param(invented(300, email="none@none.com"), "email", {"email": 1}, id="placeholder_email"),
    pytest.param(invented(300, phone="+12065550100"), "phone", {"phone": 1}, id="switchboard"),
    pytest.param(invented(300, birth_date=date(1900, 1, 1), street="1 oak st"), "birth_date+street", {}, id="first_of_january_1900"),
    pytest.param(
        [{**ANN, "phone": None, "birth_date": date(1900, 1, 1), "device_id": f"d{i}"} for i in range(300)],
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


@pytest.mark.parametrize(("records", "rule", "crowded"), CROWDS)
def test_what_a_crowd_shares_joins_nobody_and_is_told(records, rule, crowded):
    found = resolve(party(*records), POLICY)
    assert found.cluster["customer_id"].is_unique().all()
    assert found.report["crowded identifiers"] == crowded
    told = {row["rule"]: row for row in found.report["blocking"]}
    assert {name for name, row in told.items() if row["blocks cut down"]} >= ({rule} if rule else set())
    assert sum(row["pairs"] for row in told.values()) < 1000


def test_a_block_that_nothing_cuts_down_is_skipped_and_told():
    records = [{**ANN, "postal_code": "98101", "device_id": f"d{i}"} for i in range(60)]
    told = {row["rule"]: row for row in resolve(party(*records), POLICY).report["blocking"]}
    assert told["phone"] == {
        "rule": "phone", "pairs": 0, "largest block": 60, "blocks cut down": 1, "blocks skipped": 1,
    }  # fmt: skip


def review(*decisions):
    rows = [
        {"left_channel": "t", "left_source_record_id": left, "right_channel": "t", "right_source_record_id": right,
         "is_same": is_same, "decided_by": "clerk", "decided_at": datetime(2024, 1, 2, tzinfo=UTC)}
        for left, right, is_same in decisions
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=REVIEW.schema)


REVIEWS = [
    pytest.param([ANN, BOB], [("r0", "r1", True)], [["r0", "r1"]], id="same_brings_together"),
    pytest.param([ANN, ANN], [("r0", "r1", False)], [["r0"], ["r1"]], id="different_parts_who_say_the_same"),
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
    found = resolve(party(*records), POLICY, review(*decisions)).cluster
    ours = found.group_by("customer_id").agg("source_record_id")["source_record_id"].to_list()
    assert sorted(sorted(each) for each in ours) == expected


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


def test_each_pair_is_made_once():
    told = build_distinct_records(party(ANN, {**ANN, "email": "a@x.de"}, {**ANN, "middle_name": "B"}), POLICY, NONE)
    found = find_candidate_pairs(told.digest, compute_statistics(told, POLICY)[0].cut, POLICY)
    assert found.select("left", "right").rows() == [(0, 1), (0, 2), (1, 2)]
    assert [rules >> POLICY.blocking.index(("last_name", "street")) & 1 for rules in found["rules"]] == [1, 1, 1]


LEVELS = [
    ("first_name", "Ann", "ANN", "exact"),
    ("first_name", "José", "Jose", "exact"),
    ("first_name", "Мария", "Mariya", "exact"),
    ("first_name", "Min-Ji", "Min Ji", "exact"),
    ("first_name", "O'Neal", "ONeal", "exact"),
    ("first_name", "A", "Ann", "initial"),
    ("first_name", "A", "A.", "initial"),
    ("first_name", "B", "Ann", "other"),
    ("first_name", "Bob", "Robert", "nickname"),
    ("first_name", "Maria Jose", "Jose", "part"),
    ("first_name", "Willoughby", "Wiloughby", "close"),
    ("last_name", "Hansen", "Jansen", "similar"),
    ("first_name", "Ann", "Bob", "other"),
    ("last_name", "Garcia-Lopez", "Lopez", "part"),
    ("birth_date", date(1980, 3, 4), date(1980, 3, 4), "exact"),
    ("birth_date", date(1980, 3, 4), date(1980, 4, 3), "typo"),
    ("birth_date", date(1980, 3, 4), date(1980, 3, 5), "typo"),
    ("birth_date", date(1980, 3, 4), date(1981, 3, 4), "typo"),
    ("birth_date", date(1980, 3, 4), date(1979, 3, 4), "part"),
    ("birth_date", date(1980, 3, 4), date(1979, 5, 4), "other"),
    ("street", "5 Oak Street", "5 oak st", "exact"),
    ("street", "5 oak st apt 7", "5 oak st", "flat"),
    ("street", "5 oak st", "5 aok st", "close"),
    ("street", "5 oak st", "77 pine ave", "other"),
    ("email", "ann.ervin@x.de", "ann.ervin@y.de", "local"),
    ("email", "ann.ervin@example.de", "ann.ervni@example.de", "typo"),
    ("email", "ann.ervin1@example.de", "ann.ervin2@example.de", "other"),
    ("phone", "+12065550101", "+12065550110", "typo"),
    ("phone", "+12065550101", "+12069990101", "other"),
    ("loyalty_card", "LC1234567", "LC1234576", "typo"),
    ("middle_name", "Jo", "J", "exact"),
    ("middle_name", "Jo", "K", "other"),
    ("middle_name", None, "K", None),
]


@pytest.mark.parametrize(("field", "left", "right", "level"), LEVELS)
def test_levels(field, left, right, level):
    told = build_distinct_records(
        party({field: left, "device_id": "d1"}, {field: right, "device_id": "d2"}), POLICY, NONE
    )
    pair = pl.DataFrame({"left": [0], "right": [1]}, schema={"left": pl.Int64, "right": pl.Int64})
    compared = compare_pairs(pair, told, POLICY)
    assert compared.select(name_levels(field, POLICY)).item() == level


def test_names_are_spelt_in_plain_letters_however_often_they_come():
    names = pl.Series(["Мария", "Ann", "Мария", None, "Núria", "???"])
    assert normalise_names(names).to_list() == ["mariya", "ann", "mariya", None, "nuria", None]


def test_each_pair_of_values_is_judged_once(monkeypatch):
    module = import_module("cdp_pipelines.identity.compare")
    judged, original = [], module._judged
    monkeypatch.setattr(module, "_judged", lambda texts, each: judged.append(texts.height) or original(texts, each))
    records = ({"first_name": ("Ann", "Anne")[i % 2], "device_id": f"d{i}"} for i in range(40))
    told = build_distinct_records(party(*records), POLICY, NONE)
    pairs = pl.DataFrame([(a, b) for a in range(40) for b in range(a)], schema=["left", "right"], orient="row")
    compare_pairs(pairs, told, POLICY)
    assert max(judged) == sum(judged) == 1


def test_first_and_last_name_may_have_changed_places_and_the_area_may_agree_alone():
    told = build_distinct_records(
        party(
            {"first_name": "Ann", "last_name": "Ervin", "street": "5 oak st", "postal_code": "98101"},
            {"first_name": "Ervine", "last_name": "Ann", "street": "7 elm rd", "postal_code": "98101"},
        ),
        POLICY,
        NONE,
    )
    pair = pl.DataFrame({"left": [0], "right": [1]}, schema={"left": pl.Int64, "right": pl.Int64})
    levels = compare_pairs(pair, told, POLICY).select(
        name_levels(name, POLICY) for name in ("first_name", "last_name", "street")
    )
    assert levels.row(0) == ("swapped", "swapped", "area")


def test_evaluate_by_hand():
    crosswalk = pl.DataFrame(
        {"channel": "t", "source_record_id": list("abcde"), "customer_id": ["1", "1", "1", "2", "3"]}
    )
    persons = pl.DataFrame({"channel": "t", "source_record_id": list("abcde"), "person": ["x", "x", "y", "y", "z"]})
    found = evaluate(crosswalk, persons).row(0, named=True)
    assert (found["pairs_found"], found["pairs_true"], found["pairs_right"]) == (3, 2, 1)
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
