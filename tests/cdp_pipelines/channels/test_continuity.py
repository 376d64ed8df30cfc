"""Gaps in the deliveries of a channel: nights without a file, and numbers that are missing."""

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from cdp_pipelines.channels.continuity import Continuity, Delivery

FIRST = date(2024, 6, 1)
HEARTBEAT, SEQUENCE = Continuity(heartbeat_days=1), Continuity(sequence=r"c_(\d+)\.csv")


def night(number: int) -> date:
    return FIRST + timedelta(days=number)


def on_nights(*numbers: int) -> list[Delivery]:
    return [Delivery(night(number), "c.csv") for number in numbers]


def numbered(**nights: int) -> list[Delivery]:
    """Keyword `n4=2`: file number 4 in night 2."""
    return [Delivery(night(place), f"c_{name[1:].zfill(3)}.csv") for name, place in nights.items()]


@pytest.mark.parametrize(
    ("nights", "until", "since"),
    [
        ((), 9, []),
        ((0, 1, 2), 2, []),
        ((0, 1, 2), 3, []),
        ((0, 1, 2), 4, [3]),
        ((0, 3, 4), 4, [1]),
        ((0, 3, 4, 1, 2), 4, []),
        ((0, 3, 4, 2), 4, [1]),
        ((0, 2, 4), 4, [1, 3]),
        ((0, 9), 1, []),
        ((5,), 4, []),
    ],
)
def test_a_night_without_a_file_is_a_gap_until_one_lies_in_its_folder(nights, until, since):
    gaps = HEARTBEAT.find_gaps(on_nights(*nights), night(until))
    assert [each.since for each in gaps] == [night(number) for number in since]


def test_a_gap_of_a_heartbeat_is_put_into_words():
    first, last = HEARTBEAT.find_gaps(on_nights(0, 3), night(5))
    assert first.reason == "no file after 2024-06-01 until 2024-06-04; one is due every night"
    assert last.reason == "no file after 2024-06-04; one is due every night"


def test_a_heartbeat_of_several_days_allows_as_many():
    weekly = Continuity(heartbeat_days=7)
    assert weekly.find_gaps(on_nights(0, 7), night(14)) == []
    assert [each.since for each in weekly.find_gaps(on_nights(0, 8), night(15))] == [night(1)]


@pytest.mark.parametrize(
    ("files", "since", "reason"),
    [
        ({"n1": 0, "n2": 1, "n3": 2}, None, ""),
        ({"n7": 0, "n8": 1}, None, ""),
        ({"n1": 0, "n3": 2, "n4": 3}, 2, "file 2 is missing"),
        ({"n1": 0, "n5": 2}, 2, "files 2 to 4 are missing"),
        ({"n1": 0, "n3": 2, "n2": 4}, None, ""),
        ({"n1": 0, "n2": 0, "n4": 0}, 0, "file 3 is missing"),
        ({"n1": 0, "n4": 1, "n3": 3}, 1, "file 2 is missing"),
        ({"n4": 1, "n2": 3}, 1, "file 3 is missing"),
    ],
)
def test_a_missing_number_is_a_gap_until_it_comes(files, since, reason):
    gaps = SEQUENCE.find_gaps(numbered(**files), night(9))
    assert [(each.since, each.reason) for each in gaps] == ([] if since is None else [(night(since), reason)])


def test_what_was_delivered_later_is_not_known_yet():
    assert SEQUENCE.find_gaps(numbered(n1=0, n3=5), night(4)) == []


def test_files_of_other_names_have_no_number():
    assert SEQUENCE.find_gaps([*numbered(n1=0, n2=1), Delivery(night(2), "c_9.csv.bak")], night(2)) == []


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({}, "declare heartbeat_days, sequence, or both"),
        ({"heartbeat_days": 0}, "greater than or equal to 1"),
        ({"sequence": "c.csv"}, "0 groups"),
        ({"sequence": r"(\d+)_(\d+)"}, "2 groups"),
        ({"sequence": "("}, "no regular expression"),
    ],
)
def test_a_declaration_that_states_nothing_is_refused(declared, problem):
    with pytest.raises(ValidationError, match=problem):
        Continuity(**declared)
