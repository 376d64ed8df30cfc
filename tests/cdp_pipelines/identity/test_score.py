"""Scores: contradictions, agreement, and pairs that blocking does not find."""

import polars as pl

from cdp_pipelines.identity.fellegi_sunter import build_declared_model
from cdp_pipelines.identity.patterns import compare_as_patterns
from cdp_pipelines.identity.score import score_pairs, score_rest_of_groups, select_ends, select_likely
from tests.cdp_pipelines.identity.records import ANN, BOB, POLICY, distinct_of

MODEL = build_declared_model(POLICY)
ENDS = {"left": pl.Int64, "right": pl.Int64}


def score(distinct, *pairs):
    frame = pl.DataFrame(pairs, schema=ENDS, orient="row")
    return score_pairs(compare_as_patterns(frame, distinct, POLICY), distinct, MODEL, POLICY)


def test_contradiction_and_agreement():
    no_date = {**ANN, "birth_date": None, "email": "a@x.de"}
    scored = score(distinct_of(ANN, {**ANN, "middle_name": "B"}, BOB, no_date), (0, 1), (0, 2), (0, 3))
    assert scored.select("contradicts", "agrees").rows() == [(False, True), (True, False), (False, False)]
    assert scored["log_odds"].is_sorted() is False
    assert select_ends(select_likely(scored, POLICY)).rows() == [(0, 1), (0, 3)]


def test_a_contradiction_that_is_likely_a_match_does_not_count():
    renamed = {**ANN, "first_name": "Xu", "email": "a@x.de", "loyalty_card": "L1"}
    scored = score(distinct_of({**ANN, "email": "a@x.de", "loyalty_card": "L1"}, renamed), (0, 1))
    assert scored["log_odds"][0] > 0
    assert scored["contradicts"].to_list() == [False]


def test_the_rest_of_a_linked_group_is_scored_behind_the_candidates():
    distinct = distinct_of(ANN, {**ANN, "middle_name": "B"}, {**ANN, "middle_name": "C"}, BOB)
    scored = score(distinct, (0, 1), (0, 3), (1, 2))
    exact = pl.DataFrame(schema=ENDS)
    rest = score_rest_of_groups(scored, exact, distinct, MODEL, POLICY)
    assert select_ends(rest).rows() == [(0, 1), (0, 3), (1, 2), (0, 2)]
    assert rest.head(3).equals(scored)
    assert score_rest_of_groups(scored.head(1), exact, distinct, MODEL, POLICY).equals(scored.head(1))
