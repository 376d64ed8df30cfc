"""People of two generations stay two, and dates that programs write for an unknown one make nobody alike."""

from datetime import date

import polars as pl
import pytest

from cdp_pipelines.identity.score import GENERATION_YEARS
from tests.cdp_pipelines.identity.records import PEOPLE, find_customers, party

HOME = {"last_name": "Bright", "street": "5 dock st", "phone": "+16174940201", "postal_code": "02151"}


def count_customers(*people) -> int:
    return find_customers(party(*people)).cluster["customer_id"].n_unique()


@pytest.mark.parametrize("name", ["Walter", "Ann", "Juan Carlos", "Zbigniew"])
@pytest.mark.parametrize(
    ("father", "son"),
    [
        (date(1950, 2, 10), date(1981, 8, 25)),
        (date(1960, 2, 10), date(1960 + GENERATION_YEARS, 8, 25)),
        (date(1938, 12, 31), date(1999, 1, 5)),
    ],
)
def test_a_record_without_a_date_does_not_make_a_father_and_a_son_one(name, father, son):
    own = {**HOME, "first_name": name}
    people = [{**own, "birth_date": father}, {**own, "birth_date": son}]
    assert count_customers(*people) == 2
    for undated_count in (1, 2, 3):
        undated = [{**own, "birth_date": None, "middle_name": "x" * n or None} for n in range(undated_count)]
        found = find_customers(party(*people, *undated)).cluster
        of_dated = found.filter(pl.col("source_record_id").is_in(["r0", "r1"]))
        assert of_dated["customer_id"].n_unique() == 2


def test_a_date_that_was_misread_is_still_one_person():
    own = {**HOME, "first_name": "Walter", "email": "walter@inbox.example"}
    assert count_customers({**own, "birth_date": date(1950, 2, 10)}, {**own, "birth_date": date(1950, 10, 2)}) == 1
    assert count_customers({**own, "birth_date": date(1950, 2, 10)}, {**own, "birth_date": date(1980, 2, 10)}) == 1


@pytest.mark.parametrize(
    ("placeholder", "names"),
    [
        (date(1900, 1, 1), ("John", "Smith")),
        (date(1901, 1, 1), ("Maria", "Garcia")),
        (date(1904, 1, 1), ("Wei", "Chen")),
        (date(1970, 1, 1), ("John", "Smith")),
    ],
)
def test_a_placeholder_makes_nobody_alike(placeholder, names):
    """Among people whose names are known to be common, strangers of one name and no true birth date stay apart."""
    streets = ("400 north st", "77 south st", "5 east st", "610 west st", "12 elm rd")
    own = [
        {"first_name": names[0], "last_name": names[1], "street": street, "postal_code": f"0{n}139",
         "email": f"{names[0][0]}{n}.{names[1]}@mail{n}.example".lower(), "source_record_id": f"own{n}"}
        for n, street in enumerate(streets)
    ]  # fmt: skip

    def count(birth_date: date) -> int:
        dated = party(*[{**person, "birth_date": birth_date} for person in own])
        found = find_customers(pl.concat([PEOPLE, dated.select(PEOPLE.columns)])).cluster
        return found.filter(pl.col("source_record_id").str.starts_with("own"))["customer_id"].n_unique()

    assert count(placeholder) == len(own)
    # The date of a day on which somebody was born makes them one.
    assert count(date(1983, 5, 17)) < len(own)
