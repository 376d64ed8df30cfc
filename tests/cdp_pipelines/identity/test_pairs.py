"""Candidate pairs: each pair once, and no block that explodes."""

from itertools import product

import polars as pl

from cdp_pipelines.identity.pairs import (
    NO_BLOCK,
    TOO_LARGE,
    count_pairs_by_rule,
    find_candidate_pairs,
    locate_pairs,
    refine_blocks,
    sample_random_pairs,
)
from cdp_pipelines.identity.statistics import compute_statistics
from cdp_pipelines.identity.values import build_distinct_records
from tests.cdp_pipelines.identity.records import ANN, NONE, PEOPLE, POLICY, distinct_of, find_customers, party


def test_each_pair_is_made_once():
    distinct = distinct_of(ANN, {**ANN, "email": "a@x.de"}, {**ANN, "middle_name": "B"})
    found = find_candidate_pairs(distinct, compute_statistics(distinct, POLICY)[0].refinements, POLICY)
    assert found.select("left", "right").rows() == [(0, 1), (0, 2), (1, 2)]
    assert [rules >> POLICY.blocking.index(("last_name", "street")) & 1 for rules in found["rules"]] == [1, 1, 1]


def test_a_switchboard_does_not_explode():
    words = ["".join(letters) for letters in product("abcdefg", repeat=3)][:300]
    records = [{"first_name": word, "last_name": word, "phone": "+12065550100"} for word in words]
    found = find_customers(party(*records))
    report = {row["rule"]: row for row in found.report["blocking"]}["phone"]
    assert (report["pairs"], report["largest block"], report["blocks refined"], report["blocks skipped"]) == (
        0,
        300,
        1,
        0,
    )
    assert found.cluster["customer_id"].n_unique() == 300


def test_a_block_that_no_field_refines_is_skipped_and_reported():
    records = [{**ANN, "postal_code": "98101", "device_id": f"d{i}"} for i in range(60)]
    report = {row["rule"]: row for row in find_customers(party(*records)).report["blocking"]}
    assert report["phone"] == {
        "rule": "phone", "pairs": 0, "largest block": 60, "blocks refined": 1, "blocks skipped": 1,
    }  # fmt: skip


def test_pairs_are_counted_by_rule():
    distinct = distinct_of(ANN, {**ANN, "email": "a@x.de"}, {**ANN, "birth_date": None, "phone": None})
    pairs = find_candidate_pairs(distinct, compute_statistics(distinct, POLICY)[0].refinements, POLICY)
    counts = dict(zip(POLICY.blocking, count_pairs_by_rule(pairs, POLICY), strict=True))
    assert (counts["first_name", "last_name"], counts["phone",], counts["email",]) == (3, 1, 0)


def test_blocks_are_refined_until_they_are_small():
    policy = POLICY.model_copy(update={"max_block": 2, "refine_by": ("first_name",)})
    digests = pl.DataFrame({"phone": [1, 1, 1, 1, 1, 1, None], "first_name": [1, 1, 2, 2, 2, None, 1]})
    refinement = refine_blocks(digests, ("phone",), policy)
    assert refinement.of_record.tolist() == [1, 1, TOO_LARGE, TOO_LARGE, TOO_LARGE, NO_BLOCK, NO_BLOCK]
    assert (refinement.largest, refinement.refined_count, refinement.skipped_count) == (6, 1, 1)


def test_random_pairs_hardly_change_with_a_few_more_records():
    def contents(frame):
        distinct = build_distinct_records(frame, POLICY.model_copy(update={"random_pairs": 1000}), NONE)
        pairs = sample_random_pairs(distinct, POLICY.model_copy(update={"random_pairs": 1000}))
        left, right = (distinct.digests["content"].gather(pairs[side]) for side in ("left", "right"))
        return set(zip(left, right, strict=True))

    before, after = contents(PEOPLE.head(1490)), contents(PEOPLE)
    assert len(before) == len(after) == 1000
    assert len(before & after) > 900


def test_pairs_are_located_among_others():
    among = pl.DataFrame({"left": [0, 0, 2], "right": [1, 5, 3]})
    is_there, rows = locate_pairs(pl.DataFrame({"left": [0, 2, 2], "right": [5, 3, 9]}), among)
    assert is_there.tolist() == [True, True, False]
    assert rows[is_there].tolist() == [1, 2]
    assert not locate_pairs(among, among.clear())[0].any()
