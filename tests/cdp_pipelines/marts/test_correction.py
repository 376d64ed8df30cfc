"""What a split changed in the marts, named case by case."""

from datetime import UTC, datetime

import polars as pl
import pytest

from cdp_pipelines.marts.correction import build_corrections, find_split_customers
from cdp_pipelines.schema import CORRECTION, HISTORY

ONE, TWO, THREE = (datetime(2024, 6, day, tzinfo=UTC) for day in (1, 2, 3))
SPLIT = pl.DataFrame({"customer_id": ["a", "b"], "cause": ["email", "email"]})


def mart(**rows):
    people = [{"customer_id": key, "email": email, "tags": tags} for key, (email, tags) in rows.items()]
    return pl.DataFrame(people, schema={"customer_id": pl.String, "email": pl.String, "tags": pl.List(pl.String)})


# before, now, and (customer, change, columns)
CASES = [
    pytest.param({"a": ("x", ["1"])}, {"a": ("x", ["1"])}, [], id="nothing_changed"),
    pytest.param({"a": ("x", ["1"])}, {"a": ("x", ["1"]), "b": ("y", None)}, [("b", "came", ["email"])], id="came"),
    pytest.param({"a": ("x", ["1"])}, {}, [("a", "left", ["email", "tags"])], id="left"),
    pytest.param({"a": ("x", ["1"])}, {"a": ("y", ["1"])}, [("a", "changed", ["email"])], id="another_value"),
    pytest.param({"a": ("x", ["1"])}, {"a": ("x", ["1", "2"])}, [("a", "changed", ["tags"])], id="another_list"),
    pytest.param({"a": (None, None)}, {"a": ("x", None)}, [("a", "changed", ["email"])], id="a_value_where_none_was"),
    pytest.param({"a": (None, None)}, {}, [("a", "left", [])], id="left_with_nothing"),
    pytest.param({"c": ("x", ["1"])}, {"c": ("y", ["1"])}, [], id="who_did_not_come_apart"),
]


@pytest.mark.parametrize(("before", "now", "expected"), CASES)
def test_what_changed(before, now, expected):
    found = build_corrections({"mail": mart(**before)}, {"mail": mart(**now)}, SPLIT, {"mail": ["sender"]}, TWO)
    assert found.select("customer_id", "change", "columns").rows() == expected
    assert found.schema == CORRECTION.schema
    assert set(found["recipient"]) <= {"sender"}


def test_each_recipient_is_told_and_the_company_itself_where_there_is_none():
    before, now = {"mail": mart(), "call": mart()}, {"mail": mart(a=("x", [])), "call": mart(a=("x", []))}
    found = build_corrections(before, now, SPLIT, {"mail": ["sender", "printer"], "call": []}, TWO)
    assert found.select("purpose", "recipient", "cause", "occurred_at").rows() == [
        ("call", "own_systems", "email", TWO), ("mail", "printer", "email", TWO), ("mail", "sender", "email", TWO),
    ]  # fmt: skip


def test_a_column_that_was_not_there_is_not_compared():
    before = {"mail": mart(a=("x", ["1"])).drop("tags")}
    assert build_corrections(before, {"mail": mart(a=("x", ["2"]))}, SPLIT, {"mail": []}, TWO).is_empty()


@pytest.mark.parametrize(("since", "expected"), [(None, "abcd"), (ONE, "cd"), (TWO, "")])
def test_splits_since_the_last_night(since, expected):
    rows = [("a", "split", "b", ONE), ("c", "split", "d", TWO), ("e", "merged", "f", TWO), ("g", "split", "h", THREE)]
    history = pl.DataFrame(
        [dict.fromkeys(HISTORY.schema) | {"customer_id": one, "event": event, "other_customer_id": other, "cause": "email",
          "occurred_at": at} for one, event, other, at in rows],
        schema=HISTORY.schema,
    )  # fmt: skip
    assert set(find_split_customers(history.lazy(), since, TWO)["customer_id"]) == set(expected)
