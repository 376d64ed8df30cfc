"""Names, e-mails and phones as people write them."""

import polars as pl
import pytest

from cdp_pipelines.standardise import parse
from cdp_pipelines.standardise.party import spell_value


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
        ("Mrs Ana Rodriguez", ("Mrs", "Ana", None, "Rodriguez")),
        ("MARIA POPESCU", (None, "Maria", None, "Popescu")),
        ("🌸 Adaline", (None, "Adaline", None, None)),
        ("Emily H.", (None, "Emily", None, "H")),
        ("Joey van der Berg", (None, "Joey", None, "van der Berg")),
        ("   ", (None, None, None, None)),
        # Generations, degrees and titles of several languages, in front, behind and after a comma.
        ("John Doe, Jr.", (None, "John", None, "Doe")),
        ("John Doe Jr", (None, "John", None, "Doe")),
        ("Doe, John, Jr.", (None, "John", None, "Doe")),
        ("Doe Jr., John", (None, "John", None, "Doe")),
        ("Doe, John Jr.", (None, "John", None, "Doe")),
        ("John Q. Doe III", (None, "John", "Q", "Doe")),
        ("JOHN DOE IV", (None, "John", None, "Doe")),
        ("John Doe, M.D., Ph.D.", (None, "John", None, "Doe")),
        ("Jane Doe PhD", (None, "Jane", None, "Doe")),
        ("John Doe Esq.", (None, "John", None, "Doe")),
        ("Doe, Dr. John", ("Dr", "John", None, "Doe")),
        ("Dr. Doe, John", ("Dr", "John", None, "Doe")),
        ("Dr Jane Doe, MD", ("Dr", "Jane", None, "Doe")),
        ("Prof. Dr. Hans Vogel", ("Prof Dr", "Hans", None, "Vogel")),
        ("Dr.-Ing. Hans Vogel", ("Dr-Ing", "Hans", None, "Vogel")),
        ("Herr Vogel", ("Herr", None, None, "Vogel")),
        ("Frau Anna Vogel", ("Frau", "Anna", None, "Vogel")),
        ("Mme. Curie", ("Mme", None, None, "Curie")),
        ("Sra. Ana Popa", ("Sra", "Ana", None, "Popa")),
        ("MR JOHN DOE", ("Mr", "John", None, "Doe")),
        ("Mr John Doe", ("Mr", "John", None, "Doe")),
        ("Mr. Van Nguyen", ("Mr", "Van", None, "Nguyen")),
        ("Mr van Horn", ("Mr", None, None, "van Horn")),
        ("Mrs. Anna Maria Lopez", ("Mrs", "Anna", None, "Maria Lopez")),
        ("Jr B Martinez Rodriguez", (None, "Jr", "B", "Martinez Rodriguez")),
        ("Ivana Sr", (None, "Ivana", None, None)),
        # Initials in capitals are not a family name; family names of two letters are.
        ("AJ Sorenson", (None, "AJ", None, "Sorenson")),
        ("TJ Miller", (None, "TJ", None, "Miller")),
        ("J.P. Morgan", (None, "J.P.", None, "Morgan")),
        ("J. P. Morgan", (None, "J", "P", "Morgan")),
        ("J.R.R. Tolkien", (None, "J.R.R.", None, "Tolkien")),
        ("Sorenson, AJ", (None, "AJ", None, "Sorenson")),
        ("WU Zachery", (None, "Zachery", None, "Wu")),
        ("KEPLIN ER Aaron", (None, "Aaron", None, "Keplin Er")),
        ("DE LA CASA Kenneth", (None, "Kenneth", None, "De La Casa")),
        ("NG Julie", (None, "Julie", None, "Ng")),
        # Nicknames.
        ('William "Bill" Gates', (None, "William", None, "Gates")),
        ("William (Bill) Gates", (None, "William", None, "Gates")),
        ("(Ann)", (None, "Ann", None, None)),
        # Letters with marks, in any script; composed.
        ("Ze\u0301lia Gattai", (None, "Zélia", None, "Gattai")),
        ("मोहन कुमार", (None, "मोहन", None, "कुमार")),
        ("தமிழ் செல்வன்", (None, "தமிழ்", None, "செல்வன்")),
        ("สมชาย ใจดี", (None, "สมชาย", None, "ใจดี")),
        ("Nguye\u0302\u0303n Thi\u0323", (None, "Nguyễn", None, "Thị")),
        ("مُحَمَّد علي", (None, "مُحَمَّد", None, "علي")),
        ("\u1112\u1161\u11ab \u1100\u1175\u11b7", (None, "한", None, "김")),
        ("ක්\u200dරිස් සිල්වා", (None, "ක්\u200dරිස්", None, "සිල්වා")),
        ("A\u030cX\u030c BO", (None, "Ǎx\u030c", None, "Bo")),
        ("Ivanov\u2010Petrov, Oleg", (None, "Oleg", None, "Ivanov-Petrov")),
        ("\u2764\ufe0f Adaline", (None, "Adaline", None, None)),
        ("\U0001f468\u200d\U0001f469 Ann", (None, "Ann", None, None)),
        ("SEAN O'NEIL", (None, "Sean", None, "O'Neil")),
    ],
)
def test_full_name(text, expected):
    assert tuple(parse.split_full_name(text).values()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mrs Martinez Rodriguez", ("Mrs", None, None, "Martinez Rodriguez")),
        ("Mrs Ervin", ("Mrs", None, None, "Ervin")),
        ("Dr. Ana Popa", ("Dr", "Ana", None, "Popa")),
        ("Ana Popa", (None, "Ana", None, "Popa")),
    ],
)
def test_full_name_of_a_source_that_writes_a_family_name_after_a_title(text, expected):
    assert tuple(parse.split_full_name(text, "family_name").values()) == expected


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Chirper:@ann", "Chirper:@ann"),
        (" Chirper : ann\nlee ", "Chirper : ann lee"),
        ("Chirper:a:b", "Chirper:a:b"),
        ("Chirper:", None),
        (":@ann", None),
        ("::", None),
        ("@ann", None),
        (" ", None),
    ],
)
def test_a_handle_has_a_network_and_an_account(text, expected):
    assert pl.DataFrame({"text": [text]}).select(spell_value("handle", pl.col("text"), None)).item() == expected
