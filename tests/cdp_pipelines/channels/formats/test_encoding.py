"""Text in every encoding that Python has: read as declared, or found by a library that says what it chose."""

import encodings
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cdp_pipelines.channels.formats.encoding import decode_text, escape_undecodable, find_encoding, is_text_encoding
from cdp_pipelines.errors import PolicyError
from tests.cdp_pipelines.channels.test_records import channel, read_rows

ENCODINGS = sorted(
    name for _, name, _ in pkgutil.iter_modules(encodings.__path__) if name != "aliases" and is_text_encoding(name)
)
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Paní Nováková bydlí v Českých Budějovicích.\n" * 3
FRENCH = "Cher Monsieur, l’été dernier nous étions à la plage; ça coûtait 30 €, n’est-ce pas\u00a0?\n" * 3  # noqa: RUF001
RUSSIAN = "Уважаемая Наталья, ваш заказ отправлен в Санкт-Петербург и будет доставлен завтра.\n" * 3


def test_every_text_encoding_of_python_can_be_declared():
    assert len(ENCODINGS) > 90
    assert not {"base64_codec", "zlib_codec", "rot_13"} & set(ENCODINGS)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ascii_and_what_the_encoding_has_is_read(encoding):
    try:
        encoded = "id,at,note\n1,d,x\n".encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("it writes no ASCII")
    assert decode_text(encoded, encoding).text == "id,at,note\n1,d,x\n"


@given(st.binary(max_size=200), st.sampled_from(ENCODINGS))
def test_no_bytes_raise_and_each_text_can_be_written(data, encoding):
    text, fault, _ = decode_text(data, encoding)
    shown, own_fault = escape_undecodable(text)
    assert shown.encode().decode() == shown
    assert fault or own_fault or shown == text


@given(st.binary(max_size=300))
def test_finding_an_encoding_raises_nothing(data):
    assert is_text_encoding(find_encoding(data))
    assert decode_text(data, "auto").fault is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(FRENCH, "cp1252"), (CZECH, "cp1250"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (CZECH, "utf-8"),
     (FRENCH, "utf-16"), (RUSSIAN, "utf-32"), (FRENCH, "utf-8-sig")],
)  # fmt: skip
def test_auto_finds_the_text_and_says_how_it_read_it(text, encoding):
    found = decode_text(text.encode(encoding), "auto")
    assert found.text == text
    assert found.notice.startswith("encoding: read as ")


def test_the_choice_is_a_warning_of_the_file():
    data = ("id,at,note\n" + "".join(f"{n},d,{RUSSIAN.splitlines()[0]}\n" for n in range(5))).encode("cp1251")
    rows, found = read_rows(data.replace(b",", b",").replace(b", ", b" "), encoding="auto")
    assert {rule for *_, rule in rows} == {None}
    assert rows[0][2].startswith("Уважаемая")
    assert found.warnings == ["encoding: read as cp1251"]


@pytest.mark.parametrize("encoding", ["utf8", "UTF-8", "Windows-1252", "cp037", "auto"])
def test_names_and_aliases_are_accepted(encoding):
    assert channel(encoding=encoding).encoding == encoding


@pytest.mark.parametrize("encoding", ["base64", "hex", "zlib", "utf-9", "", "rot13"])
def test_what_is_no_text_encoding_is_refused(encoding):
    with pytest.raises((PolicyError, ValidationError), match="allowed: auto, or a text encoding"):
        channel(encoding=encoding)


def test_headers_in_any_script_are_read():
    fields = {name: {"description": name} for name in ("id", "at", "Имя", "名前")}
    data = "id,at,Имя,名前\n1,d,Анна,杏奈\n".encode("utf-16")
    found = channel(encoding="utf-16", fields=fields)
    assert len(set(found.columns.values())) == 4
    from cdp_pipelines.channels.records import read_records

    row = read_records(data, found).frame.row(0, named=True)
    assert [row[found.columns[name]] for name in ("Имя", "名前")] == ["Анна", "杏奈"]
