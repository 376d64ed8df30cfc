"""The model: learned without labels, likelihood that only rises, weights by hand; groups that are kept apart."""

from itertools import pairwise, product
from math import log2

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.benchmarks.identity import febrl
from cdp_pipelines.identity import evaluate, resolve
from cdp_pipelines.identity.clusters import label_components, split_conflicts
from cdp_pipelines.identity.compare import compare_pairs
from cdp_pipelines.identity.model import (
    Model,
    PatternIndex,
    agreement_by_chance,
    compute_likelihood,
    decode_patterns,
    encode_pattern,
    fit_model,
    run_em,
    sample_random_pairs,
)
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.values import build_distinct_records
from cdp_pipelines.sample.duplicates import copies
from cdp_pipelines.schema import PARTY
from tests.cdp_pipelines.identity.test_resolve import NONE, POLICY, party

NAMES = ["first_name", "middle_name", "birth_date", "street", "email"]
SMALL = POLICY.model_copy(
    update={
        "comparisons": {name: POLICY.comparisons[name] for name in NAMES},
        "blocking": (("phone",),),
        "min_pairs": 50,
    }
)
NO_LABELS = pl.DataFrame(schema=dict.fromkeys(NAMES, pl.Int8) | {"is_same": pl.Boolean})


def world(n=4000, shares=(0.3, 0.3, 0.4), seed=1):
    """Levels of pairs drawn from known m, h and u in known shares, a fifth of them missing; and who is which."""
    rng = np.random.default_rng(seed)
    m = {name: np.array(SMALL.comparisons[name].declared("m")) for name in NAMES}
    u = {name: np.array(SMALL.comparisons[name].declared("u")) for name in NAMES}
    h = {name: m[name] if name in {"street", "email"} else u[name] for name in NAMES}
    kind = rng.choice(3, n, p=shares)
    told = {}
    for name in NAMES:
        drawn = np.stack([rng.choice(each[name].size, n, p=each[name] / each[name].sum()) for each in (m, h, u)])
        told[name] = np.where(rng.random(n) < 0.8, drawn[kind, np.arange(n)], -1).astype(np.int8)
    return pl.DataFrame(told), u, kind


def test_matches_are_told_from_households_without_labels():
    compared, u, kind = world()
    m, h = run_em(compared, u, SMALL, NO_LABELS)
    model = Model({name: SMALL.comparisons[name].kind for name in NAMES}, m, h, u, (0.3, 0.3, 0.4), "learned")
    found = model.score(PatternIndex.of(compared, NAMES), {})["log_odds"].to_numpy() > 0
    right = (found & (kind == 0)).sum()
    assert right / found.sum() > 0.95
    assert right / (kind == 0).sum() > 0.9


def test_no_round_lowers_the_likelihood(monkeypatch):
    """Every round's likelihood and that of the declaration, worked out here from the m and h that the round left."""
    from cdp_pipelines.identity import model

    compared, u, _ = world(n=1000)
    declared = {name: np.array(SMALL.comparisons[name].declared("m")) for name in NAMES}
    counted = compared.group_by(NAMES).len()
    levels = {name: counted[name].to_numpy() for name in NAMES}
    reached = []
    for rounds in range(1, 15):
        monkeypatch.setattr(model, "ROUNDS", rounds)
        monkeypatch.setattr(model, "CLOSE_ENOUGH", 0)
        m, h = run_em(compared, u, SMALL, NO_LABELS)
        classes = np.stack([compute_likelihood(levels, each) for each in (m, h, u)])
        # The shares that fit best, whatever they were on the way.
        shares = np.full(3, 1 / 3)
        for _ in range(300):
            posterior = np.exp2(classes) * shares[:, None]
            shares = (posterior / posterior.sum(axis=0) * counted["len"].to_numpy()).sum(axis=1) / compared.height
        told = (counted["len"].to_numpy() * np.log2((np.exp2(classes) * shares[:, None]).sum(axis=0))).sum()
        prior = sum(SMALL.min_pairs * (declared[name] * np.log2(m[name])).sum() for name in NAMES)
        prior += sum((declared[name] * np.log2(h[name])).sum() for name in ("street", "email"))
        reached.append(told + prior)
    print([round(float(each), 2) for each in reached])
    assert all(later >= earlier - 0.05 for earlier, later in pairwise(reached))
    assert reached[-1] > reached[0]


def test_labels_are_learned_from():
    compared, u, _ = world(n=1000)
    other = len(LEVELS["name"]) - 1
    labels = pl.DataFrame(
        {name: pl.Series([other if name == "first_name" else 0] * 400, dtype=pl.Int8) for name in NAMES}
    ).with_columns(is_same=pl.lit(value=True))
    without, _ = run_em(compared, u, SMALL, NO_LABELS)
    with_, _ = run_em(compared, u, SMALL, labels)
    assert with_["first_name"][other] > 2 * without["first_name"][other]


def test_weights_add_up_by_hand_a_rare_value_says_more_and_missing_adds_nothing():
    kinds = {"last_name": "initial", "email": "initial", "birth_date": "initial"}
    m = {"last_name": np.array([0.9, 0.1]), "email": np.array([0.8, 0.2]), "birth_date": np.array([0.95, 0.05])}
    u = {
        "last_name": np.array([0.01, 0.99]),
        "email": np.array([0.001, 0.999]),
        "birth_date": np.array([0.0001, 0.9999]),
    }
    h = {"last_name": np.array([0.9, 0.1]), "email": np.array([0.1, 0.9]), "birth_date": np.array([0.01, 0.99])}
    compared = pl.DataFrame(
        {"last_name": [0, 0, 1, -1], "email": [0, -1, -1, -1], "birth_date": [-1, -1, 1, -1]},
        schema=dict.fromkeys(m, pl.Int8),
    )
    rare = {"last_name": np.array([0.0, log2(10), 0.0, 0.0])}
    two = Model(kinds, m, h, u, (0.2, 0.0, 0.8), "by hand", {"last_name": 0.01}, frozenset({"last_name", "email"}))
    of = PatternIndex.of(compared, list(m))
    scored = two.score(of, rare)
    weights = [log2(90) + log2(800), log2(90) + log2(10), log2(0.1 / 0.99) + log2(0.05 / 0.9999), 0.0]
    assert scored["match_weight"].to_list() == pytest.approx(weights)
    assert scored["log_odds"].to_list() == pytest.approx([each - 2 for each in weights])
    three = Model(kinds, m, h, u, (0.2, 0.3, 0.5), "by hand", {"last_name": 0.01}, frozenset({"last_name", "email"}))
    # A name and an e-mail may be a household's: 0.2 x 0.9 x 0.8 against 0.3 x 0.9 x 0.1 + 0.5 x 0.01 x 0.001.
    odds = 0.2 * 0.9 * 0.8 / (0.3 * 0.9 * 0.1 + 0.5 * 0.01 * 0.001)
    assert three.score(of, rare)["log_odds"][0] == pytest.approx(log2(odds))


def test_chance_is_counted():
    names = ["ann", "bob"] * 500
    told = build_distinct_records(
        party(*({"first_name": name, "device_id": f"d{i}"} for i, name in enumerate(names))), POLICY, NONE
    )
    random = compare_pairs(sample_random_pairs(told, POLICY), told, POLICY)
    assert agreement_by_chance(told, POLICY, random)["first_name"][0] == pytest.approx(0.5 * 499 / 999 * 2, abs=1e-6)


def test_too_few_pairs_teach_nothing():
    told = build_distinct_records(party({"first_name": "Ann"}, {"first_name": "Bob"}), POLICY, NONE)
    compared = pl.DataFrame({name: pl.Series([0], dtype=pl.Int8) for name in POLICY.comparisons})
    model = fit_model(compared, told, POLICY, compared.with_columns(is_same=pl.lit(value=True)).clear(), compared)
    assert model.origin.startswith("declared")
    levels = POLICY.comparisons["email"].levels
    assert model.weights["email"]["exact"] == pytest.approx(log2(levels["exact"][0] / levels["exact"][1]), abs=0.01)


def test_patterns_are_one_number_each():
    names = ["a", "b"]
    for a, b in product(range(-1, 8), repeat=2):
        code = pl.DataFrame({"a": [a], "b": [b]}).select(encode_pattern(names)).item()
        assert {name: int(each[0]) for name, each in decode_patterns(np.array([code]), names).items()} == {
            "a": a,
            "b": b,
        }


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
    ("nothing_said_contradicts_nothing", [(0, 1, 9, 20, False, False)], [], [(0, 1)]),
    ("a_pair_that_contradicts_is_no_link", [(0, 1, -1, 9, True, False)], [], []),
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
        assert {int(ours[node]) for node in group} == {min(group)}


@pytest.mark.parametrize("name", ["febrl1", "febrl2", "febrl3", "febrl4"])
def test_febrl_without_tuning(name, capsys):
    """Data sets that others made, under the policy as it is."""
    records, truth = febrl(name)
    found = evaluate(resolve(records, POLICY).cluster, truth).row(0, named=True)
    with capsys.disabled():
        print(f"\n{name}: precision {found['precision']:.4f}, recall {found['recall']:.4f}, F1 {found['f1']:.4f}")
    assert found["precision"] > 0.999
    assert found["recall"] > 0.98


def test_households_namesakes_and_typos(capsys):
    """A company with fathers and sons of one name, twins, moves, short forms and gaps."""
    records, truth = copies(10_000)
    assert (records.schema, records.height, truth.height) == (PARTY.schema, 10_000, 10_000)
    found = evaluate(resolve(records, POLICY).cluster, truth).row(0, named=True)
    with capsys.disabled():
        print(
            f"\n10,000 records: precision {found['precision']:.4f}, recall {found['recall']:.4f}, F1 {found['f1']:.4f}"
        )
    assert found["precision"] > 0.97
    assert found["recall"] > 0.93
