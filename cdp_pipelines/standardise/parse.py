"""Parsers of single values: e-mails, phones, people's names. Each runs once per distinct value, not once per row.

Here belongs what a text means on its own. Which field it comes from is declared in the contract, and consent strings
are decoded in `privacy_string`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from cdp_pipelines.standardise.contacts import read_emails, read_phones

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_PARTS = ("honorific", "first_name", "middle_name", "last_name")
NAME = pl.Struct(dict.fromkeys(NAME_PARTS, pl.String))

# Titles as they are stored, by how people write them (without dots). After those of `_FAMILY_NAME_TITLES` a lone word
# is a family name; after a doctor's title it may be either.
_TITLES = {
    "mr": "Mr", "mister": "Mr", "mrs": "Mrs", "ms": "Ms", "miss": "Miss", "mx": "Mx", "dr": "Dr", "doctor": "Dr",
    "prof": "Prof", "professor": "Prof", "rev": "Rev", "herr": "Herr", "frau": "Frau", "mme": "Mme", "mlle": "Mlle",
    "monsieur": "Monsieur", "madame": "Madame", "sr": "Sr", "sra": "Sra", "srta": "Srta", "señor": "Señor",
    "señora": "Señora", "sig": "Sig", "signor": "Signor", "signora": "Signora", "dott": "Dott", "dipl-ing": "Dipl-Ing",
    "dr-ing": "Dr-Ing", "ing": "Ing", "domnul": "Domnul", "doamna": "Doamna",
}  # fmt: skip
_FAMILY_NAME_TITLES = {*_TITLES.values()} - {"Dr", "Prof", "Rev", "Dott", "Dipl-Ing", "Dr-Ing", "Ing"}
# What stands behind a name and is not part of it: generations and degrees, without dots.
_SUFFIXES = {
    "jr", "sr", "jnr", "snr", "ii", "iii", "iv", "2nd", "3rd", "4th", "esq", "md", "phd", "dds", "dvm", "mba", "cpa",
    "jd", "rn", "msc", "bsc", "llm", "llb", "obe", "mbe",
}  # fmt: skip
# Family names of two letters: other words of two capitals before a name are initials.
_SHORT_FAMILY_NAMES = {
    "an", "au", "bo", "bu", "do", "du", "fu", "go", "gu", "ha", "he", "ho", "hu", "im", "in", "ko", "ku", "la", "le",
    "li", "lo", "lu", "ly", "ma", "na", "ng", "oh", "ok", "ou", "oz", "po", "qi", "qu", "ru", "ro", "so", "su", "sy",
    "to",
    "tu", "ty", "uy", "vo", "vu", "wu", "xi", "xu", "ye", "yi", "yo", "yu", "zu",
}  # fmt: skip
# What belongs to a letter: marks and joiners, which Python does not count as letters.
_MARKS = "\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_JOINERS = "\u200c\u200d"
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}])*(['\u2019][^\W\d_]{{1,2}}(?![^\W\d_]))?")
_NICKNAME = re.compile('\\([^()]*\\)|\\[[^\\[\\]]*\\]|"[^"]*"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb')
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?\.?")
_PLAIN = re.compile(r"[A-Za-z '.,-]*")
_HYPHENS = re.compile("[\u2010-\u2013\u2212\uff0d]")


def map_distinct(expression: pl.Expr, parser: Callable[[str], object], dtype: pl.DataType) -> pl.Expr:
    """Apply a Python parser to each distinct value of a text column; null stays null."""

    def apply(series: pl.Series) -> pl.Series:
        texts = series.unique().drop_nulls()
        parsed = pl.DataFrame({"text": texts, "parsed": _build_series([parser(text) for text in texts], dtype)})
        frame = pl.DataFrame({"text": series.alias("text")})
        return frame.join(parsed, on="text", how="left", maintain_order="left")["parsed"].alias(series.name)

    return expression.map_batches(apply, return_dtype=dtype)


def _build_series(values: list[object], dtype: pl.DataType) -> pl.Series:
    """Values of Python as a series; lists and structs by Arrow, because Polars makes a series of each list."""
    if not dtype.is_nested():
        return pl.Series(values, dtype=dtype)
    return pl.Series(pa.array(values, pl.Series(dtype=dtype).to_arrow().type), dtype=dtype)


def parse_email(text: str) -> str | None:
    """The e-mail that a text names, in any form of `contacts.read_emails`; None where it names none or several."""
    emails = read_emails(text)
    return emails[0] if len(emails) == 1 else None


@cache
def parse_phone(region: str | None) -> Callable[[str], str | None]:
    """A parser of the phone that a text names, as written in `region` (ISO 3166-1 alpha-2), to E.164.

    None where the text names none or several; the forms are those of `contacts.read_phones`.
    """
    read = read_phones(region)

    def parse(text: str) -> str | None:
        phones = read(text)
        return phones[0] if len(phones) == 1 else None

    return parse


def case_name(text: str) -> str | None:
    """A name in composed form (NFC), each word with a capital first letter; a name in mixed case keeps its case."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if text != text.upper() and text != text.lower():
        return text
    return _WORD.sub(lambda word: word[0].capitalize(), text) or None


def split_full_name(text: str, title_before: str = "full_name") -> dict[str, str | None]:
    """Split a name as people write it into honorific, first, middle and last name.

    "Last, First M", "First M Last", "F. Last", "LAST First" (family name in capitals), "Mrs Last", "Last, Dr. First",
    "First Last, Jr."; a single word is a first name, unless an honorific precedes it. Generations, degrees and
    nicknames in brackets or double quotes are left out. `title_before`: what follows Mr, Mrs and the like,
    `full_name` ("Mrs Ana Popa") or `family_name` ("Mrs Lopez Garcia").
    """
    text = _keep_letters(text)
    titles: list[str] = []
    segments: list[list[str]] = []
    for at, segment in enumerate(text.split(",")):
        words, least = segment.split(), 0 if at else 1
        while len(words) > least and (title := _TITLES.get(_without_dots(words[0]))):
            titles.append(title)
            del words[0]
        is_blank = not words
        while len(words) > least and _without_dots(words[-1]) in _SUFFIXES:
            del words[-1]
        # Behind `First Last, ` a suffix alone is not a first name; a blank after the comma means that there is none.
        if at == 0 or words or is_blank:
            segments.append(words)
    if len(segments) > 1:
        given = [word for words in segments[1:] for word in words]
        first, middle, last = " ".join(given[:1]), " ".join(given[1:]), " ".join(segments[0])
    else:
        has_title = bool(_FAMILY_NAME_TITLES.intersection(titles))
        first, middle, last = _split(segments[0], has_title=has_title, is_family_name=title_before == "family_name")
    honorific = " ".join(dict.fromkeys(titles)) or None
    is_mixed = text != text.upper()
    values = (_finish(first, is_mixed), _finish(middle, is_mixed), _finish(last, is_mixed=False))
    return dict(zip(NAME_PARTS, (honorific, *values), strict=True))


def _keep_letters(text: str) -> str:
    """The name without all else: letters with their marks and joiners, blanks, and ' . , - alone; no nickname."""
    text = _HYPHENS.sub("-", text)
    if not text.isascii() or not _PLAIN.fullmatch(text):
        without = _NICKNAME.sub(" ", text)
        text = without if without.strip() else text
        kept = ""
        for sign in text:
            kind = unicodedata.category(sign)[0]
            belongs = kind == "L" or (sign.isascii() and sign in "'.,-") or sign == "\u2019"
            # A mark or joiner without its letter belongs to an emoji.
            belongs |= (kind == "M" or sign in _JOINERS) and kept[-1:] not in {"", " "}
            kept += sign if belongs else " "
        text = kept
    return " ".join(word.strip(_JOINERS) for word in text.split())


def _without_dots(word: str) -> str:
    return word.lower().replace(".", "")


def _finish(part: str, is_mixed: bool) -> str | None:  # noqa: FBT001  a flag of this module alone
    """A part without dots around it; initials stay as they are: `J.P.`, and `AJ` beside a name in mixed case."""
    if len(re.sub(r"\W", "", part)) > 1 and _INITIALS.fullmatch(part):
        return part
    part = part.strip(" .,")
    return part if is_mixed and _is_two_capitals(part) else case_name(part)


def _split(words: list[str], *, has_title: bool, is_family_name: bool) -> tuple[str, str, str]:
    """(first, middle, last) of words without comma, title and suffix; any of them may be empty."""
    if len(words) < 2:  # noqa: PLR2004  one word or none
        lone = words[0] if words else ""
        return ("", "", lone) if has_title else (lone, "", "")
    # `Mr van Horn`: no first name is written in small letters beside a title.
    if has_title and (is_family_name or words[0].islower()):
        return "", "", " ".join(words)
    capital_count = next((at for at, word in enumerate(words) if not _is_capitals(word)), 0)
    if capital_count > 1 or (capital_count and not _is_initials(words[0])):
        return words[capital_count], " ".join(words[capital_count + 1 :]), " ".join(words[:capital_count])
    # Initials after the first name are middle names; everything after them is the family name.
    at = 1
    while at < len(words) - 1 and len(words[at].strip(".")) == 1:
        at += 1
    return words[0], " ".join(words[1:at]), " ".join(words[at:])


def _is_capitals(word: str) -> bool:
    return len(word.strip(".")) > 1 and word.isupper()


def _is_initials(word: str) -> bool:
    """Whether a word in capitals before a name is initials (`AJ`, `J.P.`) and not a short family name."""
    return bool(_INITIALS.fullmatch(word)) or (_is_two_capitals(word) and word.lower() not in _SHORT_FAMILY_NAMES)


def _is_two_capitals(word: str) -> bool:
    return len(word) == 2 and word.isupper() and word.isalpha()  # noqa: PLR2004  the two letters of initials
