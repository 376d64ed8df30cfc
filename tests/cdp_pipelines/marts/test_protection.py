"""What a mart lets out of what it may take: bands, groups, cells; and that joins and sums give nobody away."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.marts.aggregate import PEOPLE, aggregate_mart, bound_cells, build_cube, list_sum_constraints
from cdp_pipelines.marts.anonymity import count_small_groups, suppress_small_groups
from cdp_pipelines.marts.coarsening import band_number, coarsen, coarsened_dtype
from cdp_pipelines.purposes.mart_terms import MartColumn
from warehouse.verify.protection import coarsen_value, find_derivable_cells, remove_small_groups

BANDS = [
    pytest.param(-1, "under 0", id="below_all"),
    pytest.param(0, "0", id="a_band_of_one_number"),
    pytest.param(1, "1 to 4", id="least_of_a_band"),
    pytest.param(4, "1 to 4", id="greatest_of_a_band"),
    pytest.param(5, "5 or more", id="the_last_band"),
    pytest.param(None, None, id="unknown"),
]


@pytest.mark.parametrize(("value", "expected"), BANDS)
def test_bands(value, expected):
    frame = pl.DataFrame({"n": [value]}, schema={"n": pl.Int64})
    assert frame.select(band_number(pl.col("n"), [0, 1, 5])).item() == expected


CUTS = [("date", date(2011, 11, 30)), ("month", date(2011, 11, 1)), ("quarter", date(2011, 10, 1)), ("year", date(2011, 1, 1))]  # fmt: skip


@pytest.mark.parametrize(("cut", "expected"), CUTS)
def test_a_time_is_cut_in_utc(cut, expected):
    column = MartColumn(name="last", source="measure.last_order_at", cut_to=cut)
    frame = pl.DataFrame({"at": [datetime(2011, 11, 30, 23, 59, 59, tzinfo=UTC)]}, schema={"at": column.source_dtype})
    found = frame.select(coarsen(column, pl.col("at")))
    assert found.item() == expected
    assert found.dtypes == [coarsened_dtype(column)]
    assert coarsen_value(frame.item(), {"cut_to": cut}) == expected


NAMES = ["a", "b", "c"]
ROWS = st.lists(st.tuples(*(st.sampled_from([None, "x", "y", "z"]) for _ in NAMES)), max_size=40)


@given(ROWS, st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_nobody_is_in_a_group_that_is_too_small_on_any_columns(rows, minimum):
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
    # Nothing is told that was not so; what is grouped already stays; the other implementation says the same.
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


GIVEN_UP = [
    pytest.param([("x", "1")] * 3 + [("x", "2")], [(None, None)] * 4, 2, id="the_only_other_group_hides_one"),
    pytest.param([("x", "1")] * 3, [("x", "1")] * 3, 3, id="enough"),
    pytest.param([("x", "1"), ("x", "2"), ("x", "3")], [("x", None)] * 3, 3, id="the_last_column_first"),
    pytest.param([("x", "1"), ("y", "1"), ("z", "1")], [(None, None)] * 3, 3, id="all_columns"),
    pytest.param([("x", "1")] * 3 + [("y", "1")] * 4 + [("z", "1")], [(None, None)] * 3 + [("y", "1")] * 4 + [(None, None)], 3, id="the_smallest_group_hides_who_is_left"),
    pytest.param([("x", "1"), ("x", "1")], [(None, None)] * 2, 3, id="too_few_rows"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected", "minimum"), GIVEN_UP)
def test_what_is_given_up(rows, expected, minimum):
    frame = pl.DataFrame(rows, schema=["a", "b"], orient="row")
    assert suppress_small_groups(frame, ["a", "b"], minimum).rows() == expected


def people(**counts):
    """One row per person: `a_b=3` is three people with a in the first dimension and b in the second."""
    told = [tuple(name.split("_")) for name, n in counts.items() for _ in range(n)]
    return pl.DataFrame(told, schema=["one", "two"], orient="row").with_columns(amount=pl.lit(1, pl.Int64))


def test_every_cell_and_every_total_is_there():
    found = build_cube(people(a_x=2, a_y=1, b_x=4), ["one", "two"], ["amount"])
    assert dict(zip(found.select("one", "two").rows(), found[PEOPLE], strict=True)) == {
        ("a", "all"): 3, ("a", "x"): 2, ("a", "y"): 1, ("all", "all"): 7, ("all", "x"): 6, ("all", "y"): 1,
        ("b", "all"): 4, ("b", "x"): 4,
    }  # fmt: skip
    assert found[PEOPLE].equals(found["amount"].alias(PEOPLE))


def test_a_small_cell_takes_others_with_it():
    rows = people(a_x=30, a_y=3, b_x=20, b_y=25)
    found = aggregate_mart(rows, ["one", "two"], ["amount"], 10)
    hidden = {(row["one"], row["two"]) for row in found.iter_rows(named=True) if row[PEOPLE] is None}
    # Alone it would be 33 less 30, or 28 less 25.
    assert hidden > {("a", "y")}
    assert len(hidden) >= 4
    assert found.filter(pl.col(PEOPLE).is_null())["amount"].null_count() == len(hidden)
    assert find_derivable_cells(set(found.select("one", "two").rows()), hidden) == set()


def test_one_person_who_makes_most_of_a_sum_is_not_told():
    rows = people(a_x=20, b_x=20)
    rich = rows.with_columns(amount=pl.when(pl.int_range(pl.len()) == 0).then(1000).otherwise("amount"))
    told = {found.filter(one="a", two="x")[PEOPLE].item() for found in (
        aggregate_mart(each, ["one", "two"], ["amount"], 10) for each in (rows, rich))}  # fmt: skip
    assert told == {20, None}


def test_nobody_gives_no_cells():
    assert aggregate_mart(people(), ["one", "two"], ["amount"], 10).is_empty()


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("12")), st.integers(1, 40), min_size=1
)


@given(COUNTS, st.sampled_from([3, 10]))
@settings(max_examples=40, deadline=None)
def test_no_suppressed_cell_can_be_had_from_the_published_ones(counts, minimum):
    """Three attackers: elimination with exact numbers, ranks of matrices, and linear programmes on what may be."""
    rows = pl.DataFrame([cell for cell, n in counts.items() for _ in range(n)], schema=list("ijk"), orient="row")
    found = aggregate_mart(rows, list("ijk"), [], minimum)
    whole = dict(zip((every := build_cube(rows, list("ijk"), [])).select(*"ijk").rows(), every[PEOPLE], strict=True))
    told = dict(zip(found.select(*"ijk").rows(), found[PEOPLE], strict=True))
    hidden = {cell for cell, n in told.items() if n is None}
    assert {cell for cell, n in whole.items() if n < minimum} <= hidden
    assert all(told[cell] == whole[cell] for cell in set(told) - hidden)
    assert find_derivable_cells(set(told), hidden) == set()
    order = sorted(hidden)
    matrix = np.array(
        [[(cell == total) - (cell in parts) for cell in order] for total, parts in list_sum_constraints(list(told))]
    )
    if order and matrix.size:
        rank = np.linalg.matrix_rank(matrix)
        for n in range(len(order)):
            unit = np.eye(len(order))[n]
            assert np.linalg.matrix_rank(np.vstack([matrix, unit])) == rank + 1
    if len(hidden) < len(told):
        for cell, (least, most) in bound_cells(whole, hidden, list(list_sum_constraints(list(told)))).items():
            assert least <= whole[cell] <= most
            assert most - least >= minimum - 1


@given(COUNTS)
@settings(max_examples=20, deadline=None)
def test_where_no_cell_is_small_none_is_suppressed(counts):
    rows = pl.DataFrame([cell for cell in counts for _ in range(10)], schema=list("ijk"), orient="row")
    assert aggregate_mart(rows, list("ijk"), [], 10)[PEOPLE].null_count() == 0


def test_elimination_finds_what_subtraction_gives():
    there = {("a", "x"), ("a", "y"), ("a", "all"), ("all", "x"), ("all", "y"), ("all", "all")}
    assert find_derivable_cells(there, {("a", "y")}) == {("a", "y")}
    assert find_derivable_cells(there, {("a", "y"), ("all", "y")}) == {("a", "y"), ("all", "y")}
