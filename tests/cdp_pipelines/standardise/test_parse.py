"""Names, e-mails and phones as people write them."""

import polars as pl
import pytest

from cdp_pipelines.standardise import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Duran, Holly", (None, "Holly", None, "Duran")),
        ("Ybarra Canales, Clarence", (None, "Clarence", None, "Ybarra Canales")),
        ("Patrick E Rodriguez", (None, "Patrick", "E", "Rodriguez")),
        ("W Castillo", (None, "W", None, "Castillo")),
        ("Ortiz, ", (None, None, None, "Ortiz")),
        ("Mrs Ervin", ("Mrs", None, None, "Ervin")),
        ("Mrs Vanwhy-Barnett", ("Mrs", None, None, "Vanwhy-Barnett")),
        ("Dr. Ana Popa", ("Dr", "Ana", None, "Popa")),
        ("M. Asbury", (None, "M", None, "Asbury")),
        ("ESPINOZA Traci", (None, "Traci", None, "Espinoza")),
        ("MARTINEZ LOPEZ Jennifer", (None, "Jennifer", None, "Martinez Lopez")),
        ("Mrs Martinez Rodriguez", ("Mrs", None, None, "Martinez Rodriguez")),
        ("MARIA POPESCU", (None, "Maria", None, "Popescu")),
        ("🌸 Adaline", (None, "Adaline", None, None)),
        ("Emily H.", (None, "Emily", None, "H")),
        ("Joey van der Berg", (None, "Joey", None, "van der Berg")),
        ("   ", (None, None, None, None)),
    ],
)
def test_full_name(text, expected):
    assert tuple(parse.split_full_name(text).values()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("JASON.GARRELL53@OUTLOOK.COM", "jason.garrell53@outlook.com"),
        (" a@company.example ", "a@company.example"),
        ("jörg@web.de", "jörg@web.de"),
        ("bad@@x.de", None),
        ("a@b", None),
        ("none", None),
    ],
)
def test_email(text, expected):
    assert parse.parse_email(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1 206 481 6607",
        "2064816607",
        "0012064816607",
        "(206) 481-6607",
        "206.481.6607",
        "+12064816607",
        "206-481-6607",
    ],
)
def test_phone(text):
    assert parse.parse_phone("US")(text) == "+12064816607"


@pytest.mark.parametrize("text", ["anonymous", "555", "", "+1"])
def test_no_phone(text):
    assert parse.parse_phone("US")(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O'NEIL", "O'Neil"),
        ("mary-ann", "Mary-Ann"),
        ("McAdam", "McAdam"),
        ("zoë", "Zoë"),
        ("  anna   maria ", "Anna Maria"),
    ],
)
def test_cased(text, expected):
    assert parse.case_name(text) == expected


def test_a_parser_runs_once_per_distinct_value():
    asked = []
    frame = pl.DataFrame({"text": ["a", None, "b", "a", "a"]})
    found = frame.select(
        parse.map_distinct(pl.col("text"), lambda text: asked.append(text) or text.upper(), pl.String())
    )
    assert found.to_series().to_list() == ["A", None, "B", "A", "A"]
    assert sorted(asked) == ["a", "b"]
