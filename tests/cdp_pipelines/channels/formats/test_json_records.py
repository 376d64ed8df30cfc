"""Objects of JSON in which a name stands more than once, and lines that are no JSON though they look blank."""

import pytest

from cdp_pipelines.channels.records import read_records
from tests.cdp_pipelines.channels.test_records import FIELDS, channel

REPEATED = [
    pytest.param('{"id":"1","id":"2"}', "id", id="key"),
    pytest.param('{"id":"1","note":"a","id" :"2"}', "id", id="blank_before_the_colon"),
    pytest.param('{"id":"1","\\u0069d":"2"}', "id", id="escaped_name"),
    pytest.param('{"id":"1","note":"\\u0022:","note":"b"}', "note", id="escaped_quote_in_a_text"),
    pytest.param('{"id":"1","note":null,"note":"b"}', "note", id="null_and_a_value"),
    pytest.param('{"id":"1","note":true,"note":1.0}', "note", id="true_and_1"),
    pytest.param('{"id":"1","who":{"email":"a"},"who":{"email":"b"}}', "who", id="object_around_a_field"),
    pytest.param('{"id":"1","who":{"email":"a","email":"b"}}', "who.email", id="field_in_an_object"),
    pytest.param('{"id":"1","note":[{"a":1,"a":2}]}', "note", id="object_within_a_field"),
    pytest.param('{"id":12345678901234567890,"note":"a","note":"b"}', "note", id="long_number"),
    pytest.param('{"id":"1","note":"a","note":"b","note":"a"}', "note", id="first_and_last_are_the_same"),
]
HARMLESS = [
    pytest.param('{"id":"1","note":"a","note":"a"}', "a", id="same_value"),
    pytest.param('{"id":"1","note":[1,2] ,"note":[1,2]}', "[1,2]", id="same_list"),
    pytest.param('{"id":"1","note":"a","x":1,"x":2}', "a", id="undeclared_field"),
    pytest.param('{"id":"1","note":"a","x":{"y":1},"x":2}', "a", id="undeclared_object"),
    pytest.param('{"id":"1","note":"a","x":{"note":1},"y":{"note":2}}', "a", id="in_two_objects"),
    pytest.param('{"id":"1","note":"\\"id\\": \\"2\\", \\"id\\":"}', '"id": "2", "id":', id="names_in_a_text"),
]


def read_one(record, format_):
    fields = {**FIELDS, "who.email": {"description": "e"}}
    text = record if format_ == "ndjson" else f"[{record}]"
    return read_records(text.encode(), channel(format=format_, fields=fields)).frame.row(0, named=True)


@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
@pytest.mark.parametrize(("record", "field"), REPEATED)
def test_different_values_under_one_name_refuse_the_record(record, field, format_):
    row = read_one(record, format_)
    assert (row["rule"], row["field"], row["record"]) == ("repeated_name", field, record)


@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
@pytest.mark.parametrize(("record", "note"), HARMLESS)
def test_other_repeated_names_are_read(record, note, format_):
    row = read_one(record, format_)
    assert row["rule"] is None
    assert row["note"].replace('"1","2"', "1,2") == note


def test_an_element_of_a_list_with_different_values_under_one_name_is_refused():
    fields = {**FIELDS, "tags[].name": {"description": "n"}}
    contract = channel(format="ndjson", fields=fields, one_row_per="tags[]")
    found = read_records(b'{"id":"1","tags":[{"name":"a"},{"name":"b","name":"c"}]}', contract).frame
    assert found["rule"].null_count() < found.height
    assert "repeated_name" in found["rule"].to_list()


def test_a_line_of_blanks_that_json_does_not_have_is_refused():
    found = read_records('{"id":"1"}\n \t\r\n\u00a0\n\x0c\n'.encode(), channel(format="ndjson")).frame
    assert found["rule"].to_list() == [None, "broken_json", "broken_json"]
