"""Comparison levels of each kind of field."""

from datetime import date
from importlib import import_module

import polars as pl
import pytest

from cdp_pipelines.identity.compare import MISSING, compare_pairs
from cdp_pipelines.identity.pairs import find_candidate_pairs
from cdp_pipelines.identity.policy import LEVELS as LEVELS_OF_KIND
from cdp_pipelines.identity.statistics import compute_statistics
from cdp_pipelines.identity.values import build_distinct_records
from tests.cdp_pipelines.identity.records import NONE, PEOPLE, POLICY, distinct_of

LEVELS = [
    ("first_name", "Ann", "ANN", "exact"),
    ("first_name", "José", "Jose", "exact"),
    ("first_name", "Мария", "Mariya", "exact"),
    ("first_name", "Min-Ji", "Min Ji", "exact"),
    ("first_name", "O'Neal", "ONeal", "exact"),
    ("first_name", "A", "Ann", "initial"),
    ("first_name", "A", "A.", "initial"),
    ("first_name", "B", "Ann", "other"),
    ("first_name", "Bob", "Robert", "nickname"),
    ("first_name", "Maria Jose", "Jose", "part"),
    ("first_name", "Willoughby", "Wiloughby", "close"),
    ("last_name", "Hansen", "Jansen", "similar"),
    ("first_name", "Ann", "Bob", "other"),
    ("last_name", "Garcia-Lopez", "Lopez", "part"),
    ("birth_date", date(1980, 3, 4), date(1980, 3, 4), "exact"),
    ("birth_date", date(1980, 3, 4), date(1980, 4, 3), "typo"),
    ("birth_date", date(1980, 3, 4), date(1980, 3, 5), "typo"),
    ("birth_date", date(1980, 3, 4), date(1981, 3, 4), "typo"),
    ("birth_date", date(1980, 3, 4), date(1979, 3, 4), "part"),
    ("birth_date", date(1980, 3, 4), date(1979, 5, 4), "other"),
    ("street", "5 Oak Street", "5 oak st", "exact"),
    ("street", "5 oak st apt 7", "5 oak st", "flat"),
    ("street", "5 oak st", "5 aok st", "close"),
    ("street", "5 oak st", "77 pine ave", "other"),
    ("email", "ann.ervin@x.de", "ann.ervin@y.de", "local"),
    ("email", "ann.ervin@example.de", "ann.ervni@example.de", "typo"),
    ("email", "ann.ervin1@example.de", "ann.ervin2@example.de", "other"),
    ("phone", "+12065550101", "+12065550110", "typo"),
    ("phone", "+12065550101", "+12069990101", "other"),
    ("loyalty_card", "LC1234567", "LC1234576", "typo"),
    ("middle_name", "Jo", "J", "exact"),
    ("middle_name", "Jo", "K", "other"),
    ("middle_name", None, "K", None),
]


def name_level(compared, field):
    place = compared[field][0]
    return None if place == MISSING else LEVELS_OF_KIND[POLICY.comparisons[field].kind][place]


@pytest.mark.parametrize(("field", "left", "right", "level"), LEVELS)
def test_levels(field, left, right, level):
    distinct = distinct_of({field: left, "device_id": "d1"}, {field: right, "device_id": "d2"})
    pair = pl.DataFrame({"left": [0], "right": [1]}, schema={"left": pl.Int64, "right": pl.Int64})
    compared = compare_pairs(pair, distinct, POLICY)
    assert name_level(compared, field) == level


def test_each_pair_of_values_is_compared_once(monkeypatch):
    module = import_module("cdp_pipelines.identity.compare")
    compared, original = [], module._find_levels
    monkeypatch.setattr(module, "_find_levels", lambda texts, of: compared.append(texts.height) or original(texts, of))
    records = ({"first_name": ("Ann", "Anne")[i % 2], "device_id": f"d{i}"} for i in range(40))
    distinct = distinct_of(*records)
    pairs = pl.DataFrame([(a, b) for a in range(40) for b in range(a)], schema=["left", "right"], orient="row")
    compare_pairs(pairs, distinct, POLICY)
    assert max(compared) == sum(compared) == 1


def test_first_and_last_name_may_have_changed_places_and_the_area_may_agree_alone():
    distinct = distinct_of(
        {"first_name": "Ann", "last_name": "Ervin", "street": "5 oak st", "postal_code": "98101"},
        {"first_name": "Ervine", "last_name": "Ann", "street": "7 elm rd", "postal_code": "98101"},
    )
    pair = pl.DataFrame({"left": [0], "right": [1]}, schema={"left": pl.Int64, "right": pl.Int64})
    compared = compare_pairs(pair, distinct, POLICY)
    levels = [name_level(compared, name) for name in ("first_name", "last_name", "street")]
    assert levels == ["swapped", "swapped", "area"]


def test_a_comparison_has_no_direction():
    distinct = build_distinct_records(PEOPLE, POLICY, NONE)
    statistics, _ = compute_statistics(distinct, POLICY)
    pairs = find_candidate_pairs(distinct, statistics.refinements, POLICY).select("left", "right")
    turned = pairs.select(left="right", right="left")
    assert pairs.height > 1000
    one, other = (compare_pairs(each, distinct, POLICY).select(*POLICY.compared) for each in (pairs, turned))
    assert one.equals(other)
