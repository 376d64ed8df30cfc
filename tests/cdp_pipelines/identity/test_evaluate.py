"""Evaluation: pairwise precision, recall and F1, by hand and by brute force."""

from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.identity import evaluate


def test_evaluate_by_hand():
    crosswalk = pl.DataFrame(
        {"channel": "t", "source_record_id": list("abcde"), "customer_id": ["1", "1", "1", "2", "3"]}
    )
    persons = pl.DataFrame({"channel": "t", "source_record_id": list("abcde"), "person": ["x", "x", "y", "y", "z"]})
    found = evaluate(crosswalk, persons).row(0, named=True)
    assert (found["pairs_found"], found["pairs_true"], found["pairs_right"]) == (3, 2, 1)
    assert (found["precision"], found["recall"]) == (pytest.approx(1 / 3), pytest.approx(1 / 2))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_evaluate_is_brute_force(records):
    ids = [str(number) for number in range(len(records))]
    both = pl.DataFrame({"channel": "t", "source_record_id": ids})
    crosswalk = both.with_columns(customer_id=pl.Series([str(customer) for customer, _ in records]))
    persons = both.with_columns(person=pl.Series([str(person) for _, person in records]))
    pairs = list(combinations(records, 2))
    found, true = ({i for i, (a, b) in enumerate(pairs) if a[side] == b[side]} for side in (0, 1))
    result = evaluate(crosswalk, persons).row(0, named=True)
    assert (result["pairs_found"], result["pairs_true"], result["pairs_right"]) == (
        len(found),
        len(true),
        len(found & true),
    )


def test_without_pairs_nothing_is_wrong():
    records = pl.DataFrame({"channel": "t", "source_record_id": ["a", "b"]})
    found = evaluate(
        records.with_columns(customer_id=pl.Series(["1", "2"])), records.with_columns(person=pl.Series(["x", "y"]))
    )
    assert found.select("precision", "recall", "f1").row(0) == (1.0, 1.0, 1.0)
