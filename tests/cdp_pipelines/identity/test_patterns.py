"""Comparison patterns: the levels of a pair as one number."""

from itertools import product

import numpy as np
import polars as pl

from cdp_pipelines.identity.compare import compare_pairs
from cdp_pipelines.identity.patterns import (
    PatternIndex,
    compare_as_patterns,
    count_patterns,
    decode_patterns,
    encode_pattern,
)
from tests.cdp_pipelines.identity.records import ANN, BOB, POLICY, distinct_of


def test_patterns_are_one_number_each():
    names = ["a", "b"]
    for a, b in product(range(-1, 8), repeat=2):
        code = pl.DataFrame({"a": [a], "b": [b]}).select(encode_pattern(names)).item()
        assert {name: int(each[0]) for name, each in decode_patterns(np.array([code]), names).items()} == {
            "a": a,
            "b": b,
        }


COMPARED = pl.DataFrame({"a": [0, -1, 0, 0], "b": [1, 2, 1, -1]}, schema={"a": pl.Int8, "b": pl.Int8})


def test_an_index_leads_every_pair_to_its_levels():
    index = PatternIndex.of(COMPARED, COMPARED.columns)
    assert index.count == 3
    assert {name: levels[index.of_pair].tolist() for name, levels in index.levels.items()} == COMPARED.to_dict(
        as_series=False
    )


def test_patterns_are_counted_in_one_order():
    levels, counts = count_patterns(COMPARED, COMPARED.columns)
    shuffled = count_patterns(COMPARED.reverse(), COMPARED.columns)
    assert sorted(zip(*levels.values(), counts, strict=True)) == [(-1, 2, 1), (0, -1, 1), (0, 1, 2)]
    assert all((levels[name] == shuffled[0][name]).all() for name in levels)
    assert (counts == shuffled[1]).all()


def test_a_pattern_is_the_levels_of_the_comparison():
    distinct = distinct_of(ANN, BOB)
    pair = pl.DataFrame({"left": [0], "right": [1]}, schema={"left": pl.Int64, "right": pl.Int64})
    levels = decode_patterns(compare_as_patterns(pair, distinct, POLICY)["pattern"].to_numpy(), POLICY.compared)
    compared = compare_pairs(pair, distinct, POLICY)
    assert {name: int(of_field[0]) for name, of_field in levels.items()} == compared.select(*POLICY.compared).row(
        0, named=True
    )
