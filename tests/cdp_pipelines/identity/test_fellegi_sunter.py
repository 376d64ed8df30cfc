"""Training of the three-class model: learned without labels, by a likelihood that only rises."""

from itertools import pairwise
from math import log2

import numpy as np
import polars as pl
import pytest

from cdp_pipelines.identity.compare import compare_pairs
from cdp_pipelines.identity.fellegi_sunter import count_chance_agreement, run_em, train_fellegi_sunter
from cdp_pipelines.identity.model import build_fellegi_sunter, compute_likelihood
from cdp_pipelines.identity.pairs import sample_random_pairs
from cdp_pipelines.identity.patterns import PatternIndex
from cdp_pipelines.identity.policy import LEVELS
from tests.cdp_pipelines.identity.records import POLICY, distinct_of

NAMES = ["first_name", "middle_name", "birth_date", "street", "email"]


SMALL = POLICY.model_copy(
    update={
        "comparisons": {name: POLICY.comparisons[name] for name in NAMES},
        "blocking": (("phone",),),
        "min_pairs": 50,
    }
)


NO_REVIEWS = pl.DataFrame(schema=dict.fromkeys(NAMES, pl.Int8) | {"is_same": pl.Boolean})


def world(n=4000, shares=(0.3, 0.3, 0.4), seed=1):
    """Levels of pairs drawn from known m, h and u in known shares, a fifth of them missing; and who is which."""
    rng = np.random.default_rng(seed)
    m = {name: np.array(SMALL.comparisons[name].declared("m")) for name in NAMES}
    u = {name: np.array(SMALL.comparisons[name].declared("u")) for name in NAMES}
    h = {name: m[name] if name in {"street", "email"} else u[name] for name in NAMES}
    kind = rng.choice(3, n, p=shares)
    levels = {}
    for name in NAMES:
        drawn = np.stack([rng.choice(each[name].size, n, p=each[name] / each[name].sum()) for each in (m, h, u)])
        levels[name] = np.where(rng.random(n) < 0.8, drawn[kind, np.arange(n)], -1).astype(np.int8)
    return pl.DataFrame(levels), u, kind


def test_matches_are_separated_from_households_without_labels():
    compared, u, kind = world()
    m, h = run_em(compared, u, SMALL, NO_REVIEWS)
    model = build_fellegi_sunter(SMALL, m, h, u, (0.3, 0.3, 0.4), "learned")
    found = model.score(PatternIndex.of(compared, NAMES), {})["log_odds"].to_numpy() > 0
    right = (found & (kind == 0)).sum()
    assert right / found.sum() > 0.95
    assert right / (kind == 0).sum() > 0.9


def test_no_round_lowers_the_likelihood(monkeypatch):
    """Every round's likelihood and that of the declaration, computed here from the m and h that the round left."""
    from cdp_pipelines.identity import fellegi_sunter

    compared, u, _ = world(n=1000)
    declared = {name: np.array(SMALL.comparisons[name].declared("m")) for name in NAMES}
    counted = compared.group_by(NAMES).len()
    levels = {name: counted[name].to_numpy() for name in NAMES}
    reached = []
    for rounds in range(1, 15):
        monkeypatch.setattr(fellegi_sunter, "ROUNDS", rounds)
        monkeypatch.setattr(fellegi_sunter, "CONVERGED", 0)
        m, h = run_em(compared, u, SMALL, NO_REVIEWS)
        classes = np.stack([compute_likelihood(levels, each) for each in (m, h, u)])
        # The shares that fit best, whatever they were on the way.
        shares = np.full(3, 1 / 3)
        for _ in range(300):
            posterior = np.exp2(classes) * shares[:, None]
            shares = (posterior / posterior.sum(axis=0) * counted["len"].to_numpy()).sum(axis=1) / compared.height
        of_pairs = (counted["len"].to_numpy() * np.log2((np.exp2(classes) * shares[:, None]).sum(axis=0))).sum()
        prior = sum(SMALL.min_pairs * (declared[name] * np.log2(m[name])).sum() for name in NAMES)
        prior += sum((declared[name] * np.log2(h[name])).sum() for name in ("street", "email"))
        reached.append(of_pairs + prior)
    print([round(float(each), 2) for each in reached])
    assert all(later >= earlier - 0.05 for earlier, later in pairwise(reached))
    assert reached[-1] > reached[0]


def test_reviewed_pairs_are_learned_from():
    compared, u, _ = world(n=1000)
    other = len(LEVELS["name"]) - 1
    reviewed = pl.DataFrame(
        {name: pl.Series([other if name == "first_name" else 0] * 400, dtype=pl.Int8) for name in NAMES}
    ).with_columns(is_same=pl.lit(value=True))
    without, _ = run_em(compared, u, SMALL, NO_REVIEWS)
    with_, _ = run_em(compared, u, SMALL, reviewed)
    assert with_["first_name"][other] > 2 * without["first_name"][other]


def test_chance_is_counted():
    names = ["ann", "bob"] * 500
    distinct = distinct_of(*({"first_name": name, "device_id": f"d{i}"} for i, name in enumerate(names)))
    random = compare_pairs(sample_random_pairs(distinct, POLICY), distinct, POLICY)
    agreement = count_chance_agreement(distinct, POLICY, random)["first_name"][0]
    assert agreement == pytest.approx(0.5 * 499 / 999 * 2, abs=1e-6)


def test_too_few_pairs_teach_nothing():
    distinct = distinct_of({"first_name": "Ann"}, {"first_name": "Bob"})
    compared = pl.DataFrame({name: pl.Series([0], dtype=pl.Int8) for name in POLICY.comparisons})
    model = train_fellegi_sunter(
        compared, distinct, POLICY, compared.with_columns(is_same=pl.lit(value=True)).clear(), compared
    )
    assert model.origin.startswith("declared")
    levels = POLICY.comparisons["email"].levels
    assert model.weights_by_level()["email"]["exact"] == pytest.approx(
        log2(levels["exact"][0] / levels["exact"][1]), abs=0.01
    )
