"""Groups of equal rows: none is too small, against an oracle written another way."""

from collections import Counter
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.marts.anonymity import count_small_groups, suppress_small_groups
from warehouse.verify.protection import remove_small_groups

NAMES = ["a", "b", "c"]
ROWS = st.lists(st.tuples(*(st.sampled_from([None, "x", "y", "z"]) for _ in NAMES)), max_size=40)


@given(ROWS, st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_no_group_is_too_small_on_any_columns(rows, minimum):
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row").with_row_index("key")
    found = suppress_small_groups(frame, NAMES, minimum)
    assert found["key"].to_list() == frame["key"].to_list()
    if len(rows) < minimum:
        assert all(found[name].null_count() == len(rows) for name in NAMES)
    else:
        for n in range(1, len(NAMES) + 1):
            for subset in combinations(NAMES, n):
                assert min(Counter(found.select(subset).rows()).values()) >= minimum
    assert count_small_groups(found, NAMES, minimum) == 0
    # Published values are true; grouped values stay as they are; the other implementation gives the same result.
    for name in NAMES:
        assert all(new in {None, old} for new, old in zip(found[name], frame[name], strict=True))
    assert suppress_small_groups(found, NAMES, minimum).equals(found)
    assert remove_small_groups(frame.to_dicts(), NAMES, minimum) == found.to_dicts()


@given(ROWS, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_does_not_matter_to_groups(rows, random):
    frame = pl.DataFrame(rows, schema=dict.fromkeys(NAMES, pl.String), orient="row").with_row_index("key")
    shuffled = frame[random.sample(range(len(rows)), len(rows))] if rows else frame
    assert suppress_small_groups(shuffled, NAMES, 3).sort("key").equals(suppress_small_groups(frame, NAMES, 3))


SUPPRESSED = [
    pytest.param([("x", "1")] * 3 + [("x", "2")], [(None, None)] * 4, 2, id="the_only_other_group_hides_one"),
    pytest.param([("x", "1")] * 3, [("x", "1")] * 3, 3, id="enough"),
    pytest.param([("x", "1"), ("x", "2"), ("x", "3")], [("x", None)] * 3, 3, id="the_last_column_first"),
    pytest.param([("x", "1"), ("y", "1"), ("z", "1")], [(None, None)] * 3, 3, id="all_columns"),
    pytest.param([("x", "1")] * 3 + [("y", "1")] * 4 + [("z", "1")], [(None, None)] * 3 + [("y", "1")] * 4 + [(None, None)], 3, id="the_smallest_group_hides_who_is_left"),
    pytest.param([("x", "1"), ("x", "1")], [(None, None)] * 2, 3, id="too_few_rows"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected", "minimum"), SUPPRESSED)
def test_suppressed_values(rows, expected, minimum):
    frame = pl.DataFrame(rows, schema=["a", "b"], orient="row")
    assert suppress_small_groups(frame, ["a", "b"], minimum).rows() == expected
