"""Models: weights by hand, and that a stored model scores as the one that was trained."""

from datetime import date
from math import log2

import numpy as np
import polars as pl
import pytest

from cdp_pipelines.identity.explain import RARITY, build_waterfall
from cdp_pipelines.identity.model import Model, build_fellegi_sunter, load_model
from cdp_pipelines.identity.patterns import PatternIndex
from cdp_pipelines.identity.policy import IdentityPolicy
from cdp_pipelines.identity.score import score_pairs
from tests.cdp_pipelines.identity.records import PEOPLE, SMALL, Lake, find_customers, party


def test_weights_add_up_by_hand_a_rare_value_adds_more_and_missing_adds_nothing():
    initial = {"kind": "initial", "levels": {"exact": [0.9, 0.1], "other": [0.1, 0.9]}}
    fields = ("last_name", "email", "birth_date")
    comparisons = {name: {**initial, "of_household": name != "birth_date"} for name in fields}
    policy = IdentityPolicy(exact=(), shareable=(), blocking=(), comparisons=comparisons)
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
    two = build_fellegi_sunter(policy, m, h, u, (0.2, 0.0, 0.8), "by hand")
    patterns = PatternIndex.of(compared, m)
    scored = two.score(patterns, rare)
    weights = [log2(90) + log2(800), log2(90) + log2(10), log2(0.1 / 0.99) + log2(0.05 / 0.9999), 0.0]
    assert scored["match_weight"].to_list() == pytest.approx(weights)
    assert scored["log_odds"].to_list() == pytest.approx([weight - 2 for weight in weights])
    three = build_fellegi_sunter(policy, m, h, u, (0.2, 0.3, 0.5), "by hand")
    # A name and an e-mail may be a household's: 0.2 x 0.9 x 0.8 against 0.3 x 0.9 x 0.1 + 0.5 x 0.01 x 0.001.
    odds = 0.2 * 0.9 * 0.8 / (0.3 * 0.9 * 0.1 + 0.5 * 0.01 * 0.001)
    assert three.score(patterns, rare)["log_odds"][0] == pytest.approx(log2(odds))


def test_a_value_that_came_after_the_training_is_as_rare_as_can_be():
    lake, rare = Lake().bring(PEOPLE.head(600)), {"first_name": "Ann", "last_name": "Zyxomma", "birth_date": None}
    new = party(*({**rare, "phone": f"+1206555010{at}", "drop_date": date(2025, 1, 1)} for at in range(2)))
    night = lake.bring(pl.concat([PEOPLE.head(600), new])).night
    assert night.resolved is not None
    pair = night.distinct.texts.filter(pl.col("last_name") == "zyxomma")["distinct"].sort().to_list()
    steps = build_waterfall(night.distinct, night.model, SMALL, *pair)
    added = steps.filter(comparison="last_name", level=RARITY)["weight"].item()
    term = night.model.term_frequencies["last_name"]
    assert added == pytest.approx(np.log2(term.chance_agreement * term.record_count))


def test_a_linear_model_adds_its_intercept_and_the_weights_of_present_fields():
    weights = {"email": np.array([8.0, 3.0, 2.0, -4.0]), "middle_name": np.array([1.0, -2.0])}
    model = Model({"email": "email", "middle_name": "initial"}, weights, (0.25, 0.0, 0.75), "by hand", intercept=-0.5)
    compared = pl.DataFrame({"email": [0, 3, -1], "middle_name": [1, -1, -1]})
    scored = model.score(PatternIndex.of(compared, compared.columns), {})
    assert scored["match_weight"].to_list() == [5.5, -4.5, -0.5]
    assert scored["log_odds"].to_list() == pytest.approx([weight - log2(3) for weight in (5.5, -4.5, -0.5)])


def test_a_stored_model_scores_as_it_did():
    found = find_customers(PEOPLE, SMALL)
    assert found.model.origin == "learned"
    loaded = load_model(found.state.model, found.state.frequency, SMALL)
    scored = score_pairs(found.scored, found.distinct, loaded, SMALL)
    assert scored.equals(score_pairs(found.scored, found.distinct, found.model, SMALL))
