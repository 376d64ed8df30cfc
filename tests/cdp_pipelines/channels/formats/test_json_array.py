"""Arrays of JSON with broken elements: each costs its own bytes only, every byte is in a row, in linear time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.channels.records import read_records
from tests.cdp_pipelines.channels.test_records import channel

ARRAYS = channel(format="json_array")
# Elements that end where their brackets or quotes close.
CLOSED = {
    "word": "oops",
    "word_in_an_object": "{oops}",
    "objects_within": '{"id":"x","note":[{"id":"y"},{"id":"z"}],oops}',
    "line_end_in_a_text": '{"id":"x\ny"}',
    "wrong_escape": '{"id":"\\x"}',
    "wrong_escape_in_a_text": '"\\x"',
    "nan": '{"id":NaN}',
    "too_deep": '{"id":"x","a":' + "[" * 5_000 + "]" * 5_000 + "}",
    "comma_at_the_end": '{"id":"x",}',
    "closing_brace": "}",
}
# Elements whose end nobody can know: the next object is taken in.
OPEN = {
    "quote": '{"id":"x',
    "brace": '{"id":"x","a":{"b":1}',
    "list": '{"id":"x","a":[1',
    "wrong_bracket": '{"id":"x","a":[1}',
    "deep": '{"id":"x","a":' + "[" * 5_000,
    "backslash": '{"id":\\"x"}',
    "text": '"x',
    "nan_in_a_list": '{"id":NaN,"a":[',
}
DAMAGED = CLOSED | OPEN


def good(number: int) -> str:
    return f'{{"id":"{number}","note":"[a] {{b}}, \\"c\\""}}'


def read(text: str):
    """(id, record, rule) of each row, and the warnings."""
    found = read_records(text.encode(), ARRAYS)
    return found.frame.select("id", "record", "rule").rows(), found.warnings


def list_accepted(rows) -> list[str]:
    return [id_ for id_, _, rule in rows if rule is None]


@pytest.mark.parametrize("name", CLOSED)
def test_a_broken_element_that_closes_costs_its_own_bytes(name):
    rows, warnings = read(f"[{good(1)}, {CLOSED[name]} , {good(2)}]")
    assert [(record.strip(), rule) for _, record, rule in rows] == [
        (good(1), None),
        (CLOSED[name], "broken_json"),
        (good(2), None),
    ]
    assert [warning for warning in warnings if warning.startswith("broken_json")] == []


@pytest.mark.parametrize("name", OPEN)
def test_a_broken_element_that_does_not_close_ends_at_the_next_object(name):
    rows, _ = read(f"[{good(1)}, {OPEN[name]} , {good(2)},{good(3)}]")
    assert list_accepted(rows) == ["1", "2", "3"]
    assert [rule for *_, rule in rows].count("broken_json") == 1


@pytest.mark.parametrize("name", DAMAGED)
def test_many_broken_elements_take_no_other_with_them(name):
    """Read again from each of them to the end of the text, they would take minutes."""
    count = 30 if len(DAMAGED[name]) > 1_000 else 2_000
    rows, _ = read("[" + ",".join(f"{DAMAGED[name]},{good(number)}" for number in range(count)) + "]")
    assert list_accepted(rows) == [str(number) for number in range(count)]
    assert len(rows) == 2 * count


def test_brackets_that_close_behind_a_lost_quote_take_no_other_with_them():
    rows, _ = read('[{"id":"x},{"id":"2"},{"id":"y},{"id":"3"}]')
    assert list_accepted(rows) == ["2", "3"]


@pytest.mark.parametrize("start", ['{"id":"x","n":",{","a":[', '{"id":"x","a":[1,'])
def test_elements_within_each_other_take_linear_time(start):
    rows, _ = read("[" + start * 20_000 + "oops" + "]}" * 20_000 + f",{good(1)}]")
    assert list_accepted(rows) == ["1"]


def test_elements_longer_than_a_window_are_read():
    long = json.dumps({"id": "1", "note": "x" * 200_000})
    rows, _ = read(f"[{long},{long.replace('1', '2')[:-1]},{long.replace('1', '3')},{{oops}},{good(4)}]")
    assert list_accepted(rows) == ["1", "3", "4"]


@given(
    st.lists(st.sampled_from([*DAMAGED.values(), "7", '"a"', "[1]", good(1), good(2), "", "]", "[", ":"])), st.data()
)
def test_every_byte_of_an_array_is_in_a_row(elements, data):
    text = "[" + "".join(element + data.draw(st.sampled_from([",", ", ", " ", ",\n", "]["])) for element in elements)
    rest, position = "", 0
    for _, record, _ in read(text)[0]:
        start = text.index(record, position)
        rest, position = rest + text[position:start], start + len(record)
    assert set(rest + text[position:]) <= set("[], \n")


@pytest.mark.parametrize(
    ("text", "rows", "warning"),
    [
        pytest.param(f"[{good(1)},{good(2)}", 2, "the array breaks off", id="no_end"),
        pytest.param(f"[{good(1)},{good(2)},", 2, "the array breaks off", id="no_end_behind_a_comma"),
        pytest.param(f"[{good(1)}{good(2)}]", 2, "no comma", id="no_comma"),
        pytest.param(f"[{good(1)},]", 1, "a comma", id="comma_at_the_end"),
        pytest.param("[", 0, "the array breaks off", id="opening_bracket"),
    ],
)
def test_a_faulty_array_of_sound_elements_is_a_warning(text, rows, warning):
    found, warnings = read(text)
    assert [rule for *_, rule in found] == [None] * rows
    assert any(each.startswith(f"broken_json: {warning}") for each in warnings)


def test_an_empty_element_is_a_refused_row():
    rows, _ = read(f"[,{good(1)},,{good(2)}]")
    assert [rule for *_, rule in rows] == ["broken_json", None, "broken_json", None]
