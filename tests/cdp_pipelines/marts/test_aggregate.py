"""Cells of aggregates: no published sum reveals a suppressed cell, against an oracle written another way."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.marts.aggregate import PEOPLE, aggregate_mart, bound_cells, build_cube, list_sum_constraints
from warehouse.verify.protection import find_derivable_cells, find_wrong_cells


def people(**counts):
    """One row per person: `a_b=3` is three people with a in the first dimension and b in the second."""
    rows = [tuple(name.split("_")) for name, n in counts.items() for _ in range(n)]
    return pl.DataFrame(rows, schema=["one", "two"], orient="row").with_columns(amount=pl.lit(1, pl.Int64))


def test_every_cell_and_every_total_exists():
    found = build_cube(people(a_x=2, a_y=1, b_x=4), ["one", "two"], ["amount"])
    assert dict(zip(found.select("one", "two").rows(), found[PEOPLE], strict=True)) == {
        ("a", "all"): 3, ("a", "x"): 2, ("a", "y"): 1, ("all", "all"): 7, ("all", "x"): 6, ("all", "y"): 1,
        ("b", "all"): 4, ("b", "x"): 4,
    }  # fmt: skip
    assert found[PEOPLE].equals(found["amount"].alias(PEOPLE))


def test_a_small_cell_causes_complementary_suppression():
    rows = people(a_x=30, a_y=3, b_x=20, b_y=25)
    found = aggregate_mart(rows, ["one", "two"], ["amount"], 10)
    hidden = {(row["one"], row["two"]) for row in found.iter_rows(named=True) if row[PEOPLE] is None}
    # Alone it would be 33 less 30, or 28 less 25.
    assert hidden > {("a", "y")}
    assert len(hidden) >= 4
    assert found.filter(pl.col(PEOPLE).is_null())["amount"].null_count() == len(hidden)
    assert find_derivable_cells(set(found.select("one", "two").rows()), hidden) == set()


def test_a_sum_dominated_by_one_person_is_suppressed_and_the_people_stay():
    rows = people(a_x=20, a_y=20, b_x=20, b_y=20)
    rich = rows.with_columns(amount=pl.when(pl.int_range(pl.len()) == 0).then(1000).otherwise("amount"))
    shown = aggregate_mart(rows, ["one", "two"], ["amount"], 10)
    found = aggregate_mart(rich, ["one", "two"], ["amount"], 10)
    assert shown.null_count().sum_horizontal().item() == 0
    assert found[PEOPLE].equals(shown[PEOPLE])
    hidden = set(found.filter(pl.col("amount").is_null()).select("one", "two").rows())
    # The person makes most of every total in which they are counted.
    assert hidden >= {("a", "x"), ("a", "all"), ("all", "x"), ("all", "all")}
    assert find_derivable_cells(set(found.select("one", "two").rows()), hidden) == set()


def test_one_sum_is_suppressed_and_another_is_not():
    rows = people(a_x=20, b_x=20).with_columns(visits=pl.lit(2, pl.Int64))
    rich = rows.with_columns(amount=pl.when(pl.int_range(pl.len()) == 0).then(1000).otherwise("amount"))
    found = aggregate_mart(rich, ["one", "two"], ["amount", "visits"], 10)
    assert found["visits"].null_count() == found[PEOPLE].null_count() == 0
    assert found["amount"].null_count() > 0


def test_no_rows_make_no_cells():
    assert aggregate_mart(people(), ["one", "two"], ["amount"], 10).is_empty()


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("12")), st.integers(1, 40), min_size=1
)


@given(COUNTS, st.sampled_from([3, 10]))
@settings(max_examples=40, deadline=None)
def test_no_suppressed_cell_can_be_derived_from_published_ones(counts, minimum):
    """Three attackers: elimination with exact numbers, ranks of matrices, and linear programmes on what may be."""
    rows = pl.DataFrame([cell for cell, n in counts.items() for _ in range(n)], schema=list("ijk"), orient="row")
    found = aggregate_mart(rows, list("ijk"), [], minimum)
    whole = dict(zip((every := build_cube(rows, list("ijk"), [])).select(*"ijk").rows(), every[PEOPLE], strict=True))
    people_counts = dict(zip(found.select(*"ijk").rows(), found[PEOPLE], strict=True))
    hidden = {cell for cell, n in people_counts.items() if n is None}
    assert {cell for cell, n in whole.items() if n < minimum} <= hidden
    assert all(people_counts[cell] == whole[cell] for cell in set(people_counts) - hidden)
    assert find_derivable_cells(set(people_counts), hidden) == set()
    order = sorted(hidden)
    matrix = np.array(
        [
            [(cell == total) - (cell in parts) for cell in order]
            for total, parts in list_sum_constraints(list(people_counts))
        ]
    )
    if order and matrix.size:
        rank = np.linalg.matrix_rank(matrix)
        for n in range(len(order)):
            unit = np.eye(len(order))[n]
            assert np.linalg.matrix_rank(np.vstack([matrix, unit])) == rank + 1
    if len(hidden) < len(people_counts):
        for cell, (least, most) in bound_cells(
            whole, hidden, list(list_sum_constraints(list(people_counts))), 1
        ).items():
            assert least <= whole[cell] <= most
            assert most - least >= minimum - 1


AMOUNTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(-5, 2000)), min_size=1, max_size=60
)


@given(AMOUNTS, st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_sum_of_mostly_one_person_is_published_or_can_be_derived(persons, has_negative):
    rows = pl.DataFrame(persons, schema={"i": pl.String, "j": pl.String, "amount": pl.Int64}, orient="row")
    rows = rows if has_negative else rows.with_columns(pl.col("amount").abs())
    found = aggregate_mart(rows, ["i", "j"], ["amount"], 3)
    purpose = {"aggregate": {"dimensions": ["i", "j"], "sums": ["amount"]}, "minimum_group": 3, "lawful_basis": "c"}
    published = found.with_columns(lawful_basis=pl.lit("c")).to_dicts()
    assert list(find_wrong_cells(purpose, rows.to_dicts(), published)) == []


@given(COUNTS)
@settings(max_examples=20, deadline=None)
def test_without_small_cells_none_is_suppressed(counts):
    rows = pl.DataFrame([cell for cell in counts for _ in range(10)], schema=list("ijk"), orient="row")
    assert aggregate_mart(rows, list("ijk"), [], 10)[PEOPLE].null_count() == 0


def test_elimination_finds_cells_that_subtraction_reveals():
    there = {("a", "x"), ("a", "y"), ("a", "all"), ("all", "x"), ("all", "y"), ("all", "all")}
    assert find_derivable_cells(there, {("a", "y")}) == {("a", "y")}
    assert find_derivable_cells(there, {("a", "y"), ("all", "y")}) == {("a", "y"), ("all", "y")}
