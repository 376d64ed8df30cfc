"""Clusters: groups that contradict each other stay separate, and so do forbidden pairs."""

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.identity.clusters import (
    LARGEST_GROUP,
    enforce_cannot_link,
    find_uncompared_pairs,
    label_components,
    select_unifying_links,
    split_conflicts,
)

PAIR = {"left": pl.Int64, "right": pl.Int64, "log_odds": pl.Float64, "match_weight": pl.Float64,
        "contradicts": pl.Boolean, "agrees": pl.Boolean}  # fmt: skip


GROUPS = [
    ("father_null_son", [(0, 1, 9, 20, False, False), (1, 2, 8, 19, False, False), (0, 2, -9, -2, True, False)], [], [(0, 1)]),
    ("the_surer_link_wins", [(0, 1, 8, 19, False, False), (1, 2, 9, 20, False, False), (0, 2, -9, -2, True, False)], [], [(1, 2)]),
    ("two_without_a_birth_date_bridge_nobody",
     [(0, 1, 9, 20, False, False), (1, 2, 8, 19, False, False), (0, 3, 9, 20, False, False), (1, 3, 9, 20, False, False),
      (2, 3, 8, 19, False, False), (0, 2, -9, -2, True, False)], [], [(0, 1), (0, 3), (1, 3)]),
    ("a_weak_bridge_between_two_groups_is_cut",
     [(0, 1, 9, 20, False, True), (2, 3, 9, 20, False, True), (1, 2, 4, 6, False, True), (0, 2, -9, -5, False, True),
      (0, 3, -9, -5, False, True), (1, 3, -9, -5, False, True)], [], [(0, 1), (2, 3)]),
    ("either_name_of_one_person", [(0, 2, -9, -3, True, False), (1, 2, 9, 20, False, True)], [(0, 1)], [(1, 2)]),
    ("nothing_known_contradicts_nothing", [(0, 1, 9, 20, False, False)], [], [(0, 1)]),
    ("a_pair_that_contradicts_is_not_a_link", [(0, 1, -1, 9, True, False)], [], []),
]  # fmt: skip


@pytest.mark.parametrize(("scored", "exact", "kept"), [pytest.param(*case[1:], id=case[0]) for case in GROUPS])
def test_groups_that_contradict_each_other_stay_apart(scored, exact, kept):
    links = pl.DataFrame(exact, schema={"left": pl.Int64, "right": pl.Int64}, orient="row")
    found = split_conflicts(4, links, pl.DataFrame(scored, schema=PAIR, orient="row"), 3.0)
    assert found.select("left", "right").rows() == kept


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_components_are_networkx_components(edges):
    graph = nx.Graph()
    graph.add_nodes_from(range(20))
    graph.add_edges_from(edges)
    ours = label_components(20, pl.DataFrame(edges, schema={"left": pl.Int64, "right": pl.Int64}, orient="row"))
    for group in nx.connected_components(graph):
        assert {int(ours[member]) for member in group} == {min(group)}


ENDS = {"left": pl.Int64, "right": pl.Int64}
LINKS = {**ENDS, "is_exact": pl.Boolean, "match_weight": pl.Float64}
FORBIDDEN = [
    pytest.param([(0, 1, True, None), (1, 2, False, 9.0)], [(0, 2)], [(0, 1)], id="the_less_sure_link_goes"),
    pytest.param([(0, 1, False, 5.0), (1, 2, False, 9.0)], [(0, 2)], [(1, 2)], id="the_lesser_weight_goes"),
    pytest.param([(0, 1, True, None), (1, 2, True, None)], [(0, 2)], [(0, 1)], id="of_exact_ones_the_later_goes"),
    pytest.param([(0, 1, True, None), (2, 3, True, None)], [(0, 2)], [(0, 1), (2, 3)], id="nothing_connects_them"),
]


@pytest.mark.parametrize(("links", "forbidden", "kept"), FORBIDDEN)
def test_forbidden_pairs_are_not_connected(links, forbidden, kept):
    frame = pl.DataFrame(links, schema=LINKS, orient="row")
    found = enforce_cannot_link(4, frame, pl.DataFrame(forbidden, schema=ENDS, orient="row"))
    assert found.select("left", "right").rows() == kept


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
@settings(max_examples=60, deadline=None)
def test_a_forbidden_pair_is_in_two_components(edges, pair):
    links = pl.DataFrame([(*edge, True, None) for edge in edges], schema=LINKS, orient="row")
    component = label_components(10, enforce_cannot_link(10, links, pl.DataFrame([pair], schema=ENDS, orient="row")))
    assert pair[0] == pair[1] or component[pair[0]] != component[pair[1]]


def test_only_uncompared_pairs_of_small_groups_are_found():
    large = LARGEST_GROUP + 1
    group = np.array([0, 0, 0, 3, 3] + [5] * large)
    compared = pl.DataFrame([(0, 1)], schema=ENDS, orient="row")
    is_identifying = pl.Series([True] * group.size)
    assert find_uncompared_pairs(group, is_identifying, compared).rows() == [(0, 2), (1, 2)]
    assert find_uncompared_pairs(group, pl.Series([True, True, False] + [True] * (group.size - 3)), compared).is_empty()


UNIFYING = [
    pytest.param([(0, 2), (1, 2)], [], id="several_customers_none_is_followed"),
    pytest.param([(0, 1), (0, 2), (1, 2)], [(0, 1), (0, 2), (1, 2)], id="one_customer_is_followed"),
    pytest.param([(0, 2), (2, 3), (1, 3)], [(2, 3)], id="over_a_chain"),
    pytest.param([(0, 2), (2, 3)], [(2, 3), (0, 2)], id="a_chain_to_one"),
]


@pytest.mark.parametrize(("links", "unifying"), UNIFYING)
def test_non_linking_records_join_no_customers(links, unifying):
    non_linking = np.array([False, False, True, True])
    frame = pl.DataFrame(links, schema=ENDS, orient="row")
    assert select_unifying_links(frame, non_linking).rows() == unifying
    assert select_unifying_links(frame, np.zeros(4, dtype=bool)).equals(frame)
