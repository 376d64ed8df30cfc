"""No record stops a file: each of these becomes a refused or an accepted row, and its neighbours are taken in."""

import gzip
import io
import tracemalloc
import zlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipelines.channels.formats.gzip_stream import decompress
from cdp_pipelines.channels.records import read_records
from cdp_pipelines.services.declarations import load_all_contracts

POST = b'{"post_id":"%s","network":"x","handle":"h","display_name":"d","posted_at":1717000000,"text":"t","likes":1}'
ELEMENTS = {
    "latin1_byte": b'"text":"Jos\xe9"',
    "whole_number_of_25_digits": b'"likes":' + b"9" * 25,
    "whole_number_of_5000_digits": b'"likes":' + b"9" * 5000,
    "lone_surrogate": b'"text":"\\ud800"',
    "lone_surrogate_in_a_name": b'"\\ud800":1',
    "deep_list": b'"text":' + b"[" * 100_000 + b"]" * 100_000,
    "deep_object": b'"text":' + b'{"a":' * 900 + b"1" + b"}" * 900,
    "nan": b'"text":NaN',
    "infinity": b'"likes":-Infinity',
    "unclosed_text": b'"text":"t',
    "null_character": b'"text":"\\u0000"',
}
LINES = {
    "deep_list_at_the_key": b'{"id":' + b"[" * 100_000,
    "deep_object_at_a_field": b'{"id":"1","email":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
    "deep_list_at_a_field": b'{"id":"1","email":' + b"[" * 500 + b"]" * 500 + b"}",
    "deep_undeclared_object": b'{"id":"1","x":' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
    "key_of_25_digits_in_a_broken_line": b'{"id":' + b"9" * 25 + b", oops",
    "key_of_5000_digits_in_a_broken_line": b'{"id":' + b"9" * 5000 + b", oops",
    "lone_surrogate": b'{"id":"x\\ud800"}',
    "nan": b'{"id":"1","email":NaN}',
    "list": b"[1]",
    "latin1_byte": b'{"id":"1","email":"jos\xe9@post.example"}',
}


@pytest.fixture(scope="module")
def contracts():
    return load_all_contracts()


@pytest.mark.parametrize("name", ELEMENTS)
def test_one_element_of_an_array_stops_no_other(contracts, name):
    element = b'{"post_id":"q","network":"x","posted_at":1717000000,' + ELEMENTS[name] + b"}"
    found = read_records(b"[" + POST % b"1" + b"," + element + b"," + POST % b"2" + b"]", contracts["social"]).frame
    assert found.height == 3
    assert {"1", "2"} <= {*found.filter(pl.col("rule").is_null())["post_id"]}


@pytest.mark.parametrize("name", LINES)
def test_one_line_stops_no_other(contracts, name):
    good = b'{"id":"%d","created_at":"2024-01-01T00:00:00Z"}\n'
    found = read_records(good % 1 + LINES[name] + b"\n" + good % 2, contracts["webshop_customers"]).frame
    assert found.height == 3
    assert found["rule"].to_list()[::2] == [None, None]


def test_a_broken_element_keeps_those_behind_it(contracts):
    elements = b",".join(POST % b"%d" % number for number in range(48))
    found = read_records(b"[" + POST % b"a" + b",{oops}," + elements + b"]", contracts["social"]).frame
    assert (found.height, found["rule"].is_null().sum()) == (50, 49)


@pytest.mark.parametrize(
    ("tail", "rows", "accepted"),
    [
        pytest.param(b"\n[%s,%s]" % (POST % b"2", POST % b"3"), 3, 3, id="another_array"),
        pytest.param(b"garbage", 2, 1, id="text"),
        pytest.param(POST % b"2", 2, 1, id="object"),
        pytest.param(b"\n \n", 1, 1, id="blanks"),
    ],
)
def test_text_behind_an_array_is_rows_or_a_refusal(contracts, tail, rows, accepted):
    found = read_records(b"[" + POST % b"1" + b"]" + tail, contracts["social"]).frame
    assert (found.height, found["rule"].is_null().sum()) == (rows, accepted)


def test_whole_numbers_keep_their_digits(contracts):
    ids = ["1234567890123456789012", "1234567890123456789013", "9007199254740993", "-0", "7"]
    lines = "\n".join(f'{{"id":{id_},"created_at":"2024-06-01T10:00:00Z"}}' for id_ in ids)
    assert read_records(lines.encode(), contracts["webshop_customers"]).frame["id"].to_list()[:3] == ids[:3]


def test_a_list_where_an_object_is_declared_is_a_warning(contracts):
    line = b'{"id":"1","created_at":"2024-06-01T10:00:00Z","default_address":[{"city":"Bend"}]}'
    found = read_records(line, contracts["webshop_customers"])
    assert found.frame["rule"].to_list() == [None]
    assert [warning.split(":")[0] for warning in found.warnings] == ["list_for_object"]
    assert "default_address" in found.warnings[0]


READINGS = pl.DataFrame(
    {"reading_id": ["r1"], "serial": ["s"], "owner_email": ["a@b.example"], "at": ["2024-06-01 10:00:00.0"],
     "metric": ["t"], "value": ["1"]}
)  # fmt: skip


def parquet(frame):
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("frame", "rules"),
    [
        pytest.param(READINGS.with_columns(pl.col("serial").cast(pl.Binary)), [None], id="bytes_that_are_text"),
        pytest.param(READINGS.with_columns(pl.lit(b"\xff").alias("blob")), [None], id="undeclared_bytes"),
        pytest.param(
            READINGS.with_columns(pl.lit(b"\xff\xfe").alias("serial")), ["wrong_encoding"], id="declared_bytes"
        ),
        pytest.param(READINGS.with_columns(pl.concat_list("serial").alias("serial")), [None], id="list"),
        pytest.param(READINGS.with_columns(pl.struct("serial").alias("serial")), [None], id="struct"),
        pytest.param(READINGS.with_columns(pl.lit(1).cast(pl.Decimal(10, 2)).alias("value")), [None], id="decimal"),
        pytest.param(pl.DataFrame(), ["unreadable_file"], id="no_columns"),
    ],
)
def test_parquet_of_other_types(contracts, frame, rules):
    assert read_records(parquet(frame), contracts["iot"]).frame["rule"].to_list() == rules


def test_damaged_parquet_is_one_refused_row(contracts):
    whole = parquet(pl.concat([READINGS] * 50))
    damages = [whole[:position] + b"\xff\x00\xfe\x01" + whole[position + 4 :] for position in range(4, len(whole), 97)]
    for data in [*damages, whole[: len(whole) // 2], whole[:-4], b"PAR1", b"no parquet"]:
        found = read_records(data, contracts["iot"]).frame
        assert found.height == 50 or found["rule"].to_list() == ["unreadable_file"]
    assert read_records(whole, contracts["iot"]).frame["rule"].is_null().all()


MOST = 1 << 32
CONTENT = b'{"messageId":"1"}\n' * 100


@pytest.mark.parametrize(
    ("data", "has_problem"),
    [
        pytest.param(gzip.compress(CONTENT), False, id="whole"),
        pytest.param(gzip.compress(CONTENT) + b"\0" * 512, False, id="zero_padding"),
        pytest.param(gzip.compress(CONTENT[:900]) + gzip.compress(CONTENT[900:]), False, id="two_members"),
        pytest.param(gzip.compress(b"") * 50 + gzip.compress(CONTENT), False, id="empty_members"),
        pytest.param(gzip.compress(CONTENT)[:-6] + b"\1\2\3\4\5\6", True, id="wrong_checksum"),
        pytest.param(gzip.compress(CONTENT) + b"garbage", True, id="garbage_behind"),
    ],
)
def test_gzip_loses_nothing(data, has_problem):
    content, problem = decompress(data, MOST)
    assert content == CONTENT
    assert (problem is not None) == has_problem


def test_gzip_with_every_field_of_its_header():
    name_and_comment = b"\x1f\x8b\x08\x1e" + b"\0" * 6 + b"\x02\x00ab" + b"file\0" + b"comment\0" + b"\0\0"
    body = zlib.compressobj(wbits=-15)
    stream = body.compress(CONTENT) + body.flush()
    trailer = zlib.crc32(CONTENT).to_bytes(4, "little") + len(CONTENT).to_bytes(4, "little")
    assert decompress(name_and_comment + stream + trailer, MOST) == (CONTENT, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 130), st.integers(1, 255))
def test_damaged_gzip_raises_nothing(position, change):
    data = bytearray(gzip.compress(CONTENT))
    data[position % len(data)] ^= change
    content, problem = decompress(bytes(data), MOST)
    assert content is None or isinstance(content, bytes)
    assert content == CONTENT or problem is not None


def test_a_file_beyond_the_declared_size_is_refused(contracts):
    limited = {name: each.model_copy(update={"largest_file": 1 << 20}) for name, each in contracts.items()}
    for data, channel in (
        (gzip.compress(b"0" * (1 << 24)), "app_events"),
        (b"0" * (1 << 21), "preferences"),
        (b"0" * (1 << 21), "iot"),
    ):
        found = read_records(data, limited[channel])
        assert found.frame["rule"].to_list() == ["unreadable_file"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"id,email\n" + b'1,"x\n' * 200_000, id="unclosed_quotes"),
        pytest.param(b"id,email\n" + b'1,"x"y\n' * 200_000, id="quotes_out_of_place"),
        pytest.param(b"id,email\n1," + b"x" * (1 << 25) + b"\n2,y\n", id="a_field_of_32_megabytes"),
        pytest.param(b"x" * (1 << 26) + b"\n1\n", id="a_header_of_64_megabytes"),
        pytest.param(b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"," * 99_999 + b"\n", id="many_columns"),
        pytest.param(b"\n" * 2_000_000, id="blank_lines"),
        pytest.param(b"\r" * 200_000 + b'"', id="carriage_returns"),
    ],
)
def test_csv_of_any_shape_takes_linear_time(contracts, data):
    """In the square of their size, some of these would take hours."""
    found = read_records(data, contracts["preferences"])
    assert found.frame["rule"].null_count() == 0


def test_a_field_of_short_lines_takes_little_memory(contracts):
    """A list of these lines would take sixty times the memory of the text."""
    data = b'id,email\n1,"' + b"x\n" * 1_000_000 + b'"\n'
    tracemalloc.start()
    try:
        assert read_records(data, contracts["preferences"]).frame.height == 1
        assert tracemalloc.get_traced_memory()[1] < 30 * len(data)
    finally:
        tracemalloc.stop()


def test_many_empty_members_of_gzip():
    """In the square of their number, these would take minutes."""
    assert decompress(gzip.compress(b"") * 200_000 + gzip.compress(CONTENT), MOST) == (CONTENT, None)


def test_a_file_without_a_header_shows_no_person(contracts):
    found = read_records(b"7,ann@post.example,email,en,22-07,3,2024-06-01T00:00:00.0\n" * 2, contracts["preferences"])
    assert "ann@post.example" not in " ".join(found.warnings)
    assert any(warning.startswith("unknown_column") for warning in found.warnings)


def test_windows_1252_in_a_file_declared_latin_1(contracts):
    header = "id_client;nume_complet;adresa;oras;judet;cod_postal;email;telefon;inregistrat;nota_informare\n"
    row = "100;O\x92Neil, Ann;1 elm st;Bend;MA;02138;;;02.07.2023 00:16;2010-06\n"
    found = read_records((header + row).encode("latin-1"), contracts["crm_east"]).frame
    assert found["nume_complet"].to_list() == ["O\u2019Neil, Ann"]


def test_a_field_of_csv_has_no_undeclared_limit(contracts):
    text = "call_id\tstarted_at\tcaller_number\tnotes\nc1\t2024-06-01\t1\t" + "x" * 200_000 + "\n"
    found = read_records(text.encode(), contracts["call_centre"]).frame
    assert found.height == 1
    assert "broken_csv" not in found["rule"].to_list()


def test_many_broken_lines_of_csv(contracts):
    """In the square of their number, these would take minutes."""
    header = "id,email,preferred_channel,language,quiet_hours,max_per_week,updated\n"
    found = read_records((header + '1,"a"b,c,d,e,f,g\n' * 40_000).encode(), contracts["preferences"]).frame
    assert found["rule"].to_list() == ["broken_csv"] * 40_000
