"""Every shape of file that a channel may deliver, sound and broken: what becomes of each record."""

import gzip
import io
import json
import zlib

import polars as pl
import pytest
import yaml

from cdp_pipelines.channels.contract import load_contract
from cdp_pipelines.channels.records import read_records

FIELDS = {name: {"description": name} for name in ("id", "at", "note")}


def channel(**declared):
    attributes = {
        "title": "T",
        "owner": "team:t",
        "system": "t",
        "region": "US",
        "files": "t.*",
        "format": "csv",
        "key": "id",
        "event_time": {"fields": ["at"], "formats": ["%Y-%m-%d"]},
        "fields": FIELDS,
        "collected_for": ["analytics"],
        "retention": "P1Y",
        **declared,
    }
    return load_contract("t", yaml.safe_load(json.dumps(attributes)), "t/defs.yaml")


def read_rows(data: bytes, **declared):
    """(line, id, note, rule) of each record."""
    found = read_records(data, channel(**declared))
    return found.frame.select("line_number", "id", "note", "rule").rows(), found


CSV = [
    pytest.param(b"id,at,note\n1,d,x\n2,d,y\n", {}, [(2, "1", "x", None), (3, "2", "y", None)], id="plain"),
    pytest.param(b"\xef\xbb\xbfid,at,note\n1,d,x\n", {}, [(2, "1", "x", None)], id="byte_order_mark"),
    pytest.param(b"id,at,note\r\n1,d,x\r\n", {}, [(2, "1", "x", None)], id="crlf"),
    pytest.param(b"id,at,note\n1,d,x", {}, [(2, "1", "x", None)], id="no_last_line_end"),
    pytest.param(
        b'id,at,note\n1,d,"a\nb"\n2,d,y\n', {}, [(2, "1", "a\nb", None), (4, "2", "y", None)], id="quoted_newline"
    ),
    pytest.param(b'id,at,note\n1,d,"say ""hi"""\n', {}, [(2, "1", 'say "hi"', None)], id="quoted_quote"),
    pytest.param(b'id,at,note\n1,d,"a,b"\n', {}, [(2, "1", "a,b", None)], id="quoted_delimiter"),
    pytest.param(b"id;at;note\n1;d;x\n", {"delimiter": ";"}, [(2, "1", "x", None)], id="semicolon"),
    pytest.param(b"id\tat\tnote\n1\td\tx\n", {"delimiter": "\t"}, [(2, "1", "x", None)], id="tab"),
    pytest.param(
        "id,at,note\n1,d,Zoë\n".encode("latin-1"), {"encoding": "latin-1"}, [(2, "1", "Zoë", None)], id="latin_1"
    ),
    pytest.param(b"note,id,at\nx,1,d\n", {}, [(2, "1", "x", None)], id="columns_in_another_order"),
    pytest.param(b"id,at,note\n\n1,d,x\n\n", {}, [(3, "1", "x", None)], id="blank_lines"),
    pytest.param(b"id,at,note\n1,d,\n", {}, [(2, "1", None, None)], id="empty_is_no_value"),
    pytest.param(
        b"id,at,note\n1,d\n2,d,y\n", {}, [(2, "1", None, "wrong_field_count"), (3, "2", "y", None)], id="too_few"
    ),
    pytest.param(b"id,at,note\n1,d,x,z\n", {}, [(2, "1", "x", "wrong_field_count")], id="too_many"),
    pytest.param(
        b'id,at,note\n1,d,"open\n2,d,y\n3,d,"z"\n',
        {},
        [(2, "1", None, "broken_csv"), (3, "2", "y", None), (4, "3", "z", None)],
        id="unclosed_quote_takes_its_line_alone",
    ),
    pytest.param(
        b'id,at,note\n1,d,"x"y\n2,d,y\n', {}, [(2, "1", None, "broken_csv"), (3, "2", "y", None)], id="text_after_quote"
    ),
    pytest.param(b"id,at\n1,d\n", {}, [(2, "1", None, None)], id="missing_column_that_is_not_needed"),
    pytest.param(
        b"at,note\nd,x\ne,y\n",
        {},
        [(2, None, "x", "missing_column"), (3, None, "y", "missing_column")],
        id="missing_key_column",
    ),
    pytest.param(b"id,at,note,new\n1,d,x,z\n", {}, [(2, "1", "x", None)], id="unknown_column"),
    pytest.param(
        b"id,at,note\n1,d,Zo\xeb\n2,d,y\n",
        {},
        [(2, "1", "Zo\\xeb", "wrong_encoding"), (3, "2", "y", None)],
        id="one_row_not_utf8",
    ),
    pytest.param(
        "id,at,note\n1,d,Zoë\n2,d,y\n".encode(),
        {"encoding": "latin-1"},
        [(2, "1", "Zoë", "wrong_encoding"), (3, "2", "y", "wrong_encoding")],
        id="utf8_declared_latin_1",
    ),
    pytest.param("id,at,note\n1,d,x\n".encode("utf-16"), {}, [(2, "1", "x", "wrong_encoding")], id="utf16"),
    pytest.param(b"", {}, [], id="empty"),
    pytest.param(b"id,at,note\n", {}, [], id="header_alone"),
    pytest.param(b"id,at,note\n1,d,'a,b'\n", {"quote": "'"}, [(2, "1", "a,b", None)], id="single_quotes"),
    pytest.param(b'id,at,note\n1,d,"open\n', {"quote": None}, [(2, "1", '"open', None)], id="no_quotes"),
    pytest.param(
        b'id,at,note\n1,d,"say \\"hi\\""\n', {"escape": "\\"}, [(2, "1", 'say "hi"', None)], id="escaped_quote"
    ),
    pytest.param(b"id,at,note\n1,d,a\\,b\n", {"escape": "\\"}, [(2, "1", "a,b", None)], id="escaped_delimiter"),
    pytest.param(
        b'id, at, note\n1, d, "a, b"\n', {"skip_initial_space": True}, [(2, "1", "a, b", None)], id="blank_before_quote"
    ),
    pytest.param(
        b"id,at,note\n1,d,NULL\n2,d,\\N\n3,d,null\n",
        {"null_tokens": ["NULL", "\\N"]},
        [(2, "1", None, None), (3, "2", None, None), (4, "3", "null", None)],
        id="words_for_no_value",
    ),
    pytest.param(
        b"id,at,note\n1,d,12345\n2,d,1234\n",
        {"longest_field": 4},
        [(2, "1", "12345", "field_too_long"), (3, "2", "1234", None)],
        id="field_beyond_the_declared_length",
    ),
    pytest.param(
        "id,at,note\n1,d,O\u2019Neil\n".encode("cp1252"),
        {"encoding": "cp1252"},
        [(2, "1", "O\u2019Neil", None)],
        id="windows_1252",
    ),
    pytest.param(
        b"id,at,note\n1,d,O\x81Neil\n2,d,y\n",
        {"encoding": "cp1252"},
        [(2, "1", "O\\x81Neil", "wrong_encoding"), (3, "2", "y", None)],
        id="a_byte_that_windows_1252_does_not_have",
    ),
    pytest.param(
        "id,at,note\n1,d,Zo\u00eb\n".encode("utf-16"),
        {"encoding": "utf-16"},
        [(2, "1", "Zo\u00eb", None)],
        id="utf16_as_declared",
    ),
    pytest.param(
        "id,at,note\n1,d,\u30c6\u30b9\u30c8\n".encode("shift_jis"),
        {"encoding": "shift_jis"},
        [(2, "1", "\u30c6\u30b9\u30c8", None)],
        id="shift_jis",
    ),
    pytest.param(
        "id,at,note\n1,d,Zo\u00eb\n".encode(), {"encoding": "auto"}, [(2, "1", "Zo\u00eb", None)], id="auto_utf8"
    ),
]


@pytest.mark.parametrize(("data", "declared", "expected"), CSV)
def test_csv(data, declared, expected):
    assert read_rows(data, **declared)[0] == expected


NDJSON = [
    pytest.param(
        b'{"id":"1","at":"d","note":"x"}\n{"id":2,"note":true}\n',
        [(1, "1", "x", None), (2, "2", "true", None)],
        id="scalars_as_text",
    ),
    pytest.param(
        b'{"id":"1"}\r\n\n{"id":"2","note":null}',
        [(1, "1", None, None), (3, "2", None, None)],
        id="blank_lines_and_crlf",
    ),
    pytest.param(
        b'{"id":"1","note":"x"}\n{"id": "2", "note": "brok\n{"id":"3"}\n',
        [(1, "1", "x", None), (2, "2", None, "broken_json"), (3, "3", None, None)],
        id="broken_after_its_id",
    ),
    pytest.param(b'{"note":"x","id"\n', [(1, None, None, "broken_json")], id="broken_before_its_id"),
    pytest.param(b"[1]\n", [(1, None, None, "broken_json")], id="no_object"),
    pytest.param(b'{"id":"1","note":"Zo\xeb"}\n', [(1, "1", "Zo\\xeb", "wrong_encoding")], id="not_utf8"),
    pytest.param(
        b'{"id":"1","note":"a\xe2\x80\xa8b"}\n',
        [(1, "1", "a\u2028b", None)],
        id="unicode_line_separator_is_no_line_end",
    ),
]


@pytest.mark.parametrize(("data", "expected"), NDJSON)
def test_ndjson(data, expected):
    found, _ = read_rows(data, format="ndjson")
    # Values of a record that is not UTF-8 are only shown to people; it must be refused, and stay whole.
    assert [(line, key, rule) for line, key, _, rule in found] == [(line, key, rule) for line, key, _, rule in expected]
    assert [note for *_, note, rule in found if rule is None] == [note for *_, note, rule in expected if rule is None]


def test_nested_fields_and_unknown_ones():
    fields = {**FIELDS, "who.email": {"description": "e"}}
    found = read_records(
        b'{"id":"1","who":{"email":"a@b.de","age":3}}\n{"id":"2","who":null}\n', channel(format="ndjson", fields=fields)
    )
    assert found.frame["who_email"].to_list() == ["a@b.de", None]
    assert found.warnings == ["unknown_column: w… (7 characters): kept in the record, not read until declared"]


JSON = [
    pytest.param(b'[{"id":"1"},\n {"id":"2"}]', [(1, "1", None), (2, "2", None)], id="array"),
    pytest.param(b'[{"id":"1"}, {"id":"2", "note"', [(1, "1", None), (1, "2", "broken_json")], id="cut"),
    pytest.param(b'{"id":"1"}', [(1, None, "broken_json")], id="no_array"),
    pytest.param(b"[]", [], id="empty_array"),
    pytest.param(b"", [], id="empty"),
]


@pytest.mark.parametrize(("data", "expected"), JSON)
def test_json_array(data, expected):
    found, _ = read_rows(data, format="json_array")
    assert [(line, key, rule) for line, key, _, rule in found] == expected


def test_records_are_verbatim():
    lines = ['{"id": "1",  "at":"d", "n": 1.50}', '{"id": "2", "bro']
    found = read_records("\n".join(lines).encode(), channel(format="ndjson"))
    assert found.frame["record"].to_list() == lines
    rows = ['1,d,"a\nb"', "2,d,z"]
    found = read_records(("id,at,note\n" + "\n".join(rows) + "\n").encode(), channel())
    assert found.frame["record"].to_list() == rows


def test_gzip_in_several_members():
    data = gzip.compress(b"id,at,note\n1,d,x\n") + gzip.compress(b"2,d,y\n")
    assert [row[1] for row in read_rows(data, compression="gzip")[0]] == ["1", "2"]


def test_damaged_gzip_keeps_what_stands_before_the_damage():
    deflate = zlib.compressobj(wbits=31)
    data = deflate.compress(b"id,at,note\n1,d,x\n2,d,y\n3,d") + deflate.flush(zlib.Z_FULL_FLUSH)
    # A block of a type that does not exist, in the bytes that are read at once with those before it.
    found, file = read_rows(data + b"\x07" * 20, compression="gzip")
    assert [(row[1], row[3]) for row in found] == [("1", None), ("2", None), ("3", "truncated_file")]
    assert file.warnings == ["truncated_file: the file has a damaged gzip stream; its complete records were taken in"]


def test_damaged_gzip_without_a_record_is_one_refused_row():
    data = gzip.compress(b"id,at,note\n1,d,x\n")
    (row,) = read_rows(data[:10] + b"\xff" * 20, compression="gzip")[0]
    assert row[3] == "unreadable_file"


def test_truncated_gzip_keeps_complete_records():
    rows = "".join(f"{number},d,{number * 7919 % 1000003}\n" for number in range(5000))
    data = gzip.compress(("id,at,note\n" + rows).encode())
    found, file = read_rows(data[: len(data) // 2], compression="gzip")
    sound = [row for row in found if row[3] is None]
    assert len(sound) > 1000
    assert [row[1] for row in sound] == [str(number) for number in range(len(sound))]
    assert {row[3] for row in found[len(sound) :]} <= {"truncated_file"}
    assert file.warnings[0].startswith("truncated_file")


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        pytest.param(b"no gzip at all", {"compression": "gzip"}, id="gzip"),
        pytest.param(b"no parquet at all", {"format": "parquet"}, id="parquet"),
    ],
)
def test_an_unreadable_file_is_one_record_in_quarantine(data, declared):
    found = read_records(data, channel(**declared))
    assert found.frame["rule"].to_list() == ["unreadable_file"]
    assert found.frame["record"][0].startswith("base64:")


def test_a_file_of_another_encoding_without_a_record_is_one_refused_row():
    rows, found = read_rows(b"\xff\xfe\x00\x00")
    assert rows == [(None, None, None, "unreadable_file")]
    assert found.warnings == ["unreadable_file: is UTF-32; declared is utf-8"]


def test_parquet():
    written = io.BytesIO()
    pl.DataFrame({"id": [1, 2], "at": ["d", "e"], "extra": [0, 0]}).write_parquet(written)
    found = read_records(written.getvalue(), channel(format="parquet"))
    assert found.frame.select("id", "at", "note", "line_number").rows() == [
        ("1", "d", None, None),
        ("2", "e", None, None),
    ]
    assert [warning.split(":")[0] for warning in found.warnings] == ["unknown_column", "missing_column"]


def test_numbers_of_parquet_that_are_none_are_no_values():
    content = io.BytesIO()
    notes = [1.5, float("nan"), float("inf"), None]
    pl.DataFrame({"id": list("abcd"), "at": ["d"] * 4, "note": notes}).write_parquet(content)
    rows, _ = read_rows(content.getvalue(), format="parquet")
    assert [note for _, _, note, _ in rows] == ["1.5", None, None, None]
    squeezed, _ = read_rows(gzip.compress(content.getvalue()), format="parquet", compression="gzip")
    assert squeezed == rows


def test_warnings_never_hold_values():
    found = read_records(b'id,at,note,x\n1,d,"secret\n2,d,secret,s,s\n', channel())
    text = " ".join([*found.warnings, *(reason or "" for reason in found.frame["reason"])])
    assert "secret" not in text
