"""Parsers of single values: e-mails, phones, people's names. Each runs once per distinct value, not once per row.

Here belongs what a text means on its own. Which field it comes from is declared in the contract, and consent strings
are decoded in `privacy_string`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.standardise.contacts import read_emails, read_phones

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_PARTS = ("honorific", "first_name", "middle_name", "last_name")
NAME = pl.Struct(dict.fromkeys(NAME_PARTS, pl.String))

_HONORIFIC = re.compile(r"^(mr|mrs|ms|miss|mx|dr|prof)\.?\s+", re.IGNORECASE)
# After these titles comes the family name; after a doctor's title either name, or both.
_FAMILY_NAME_TITLES = {"Mr", "Mrs", "Ms", "Miss", "Mx"}
_NOT_A_NAME = re.compile(r"[^\w\s'\u2019.,-]|[\d_]")


def map_distinct(expression: pl.Expr, parser: Callable[[str], object], dtype: pl.DataType) -> pl.Expr:
    """Apply a Python parser to each distinct value of a text column; null stays null."""

    def apply(series: pl.Series) -> pl.Series:
        texts = series.unique().drop_nulls()
        parsed = pl.DataFrame({"text": texts, "parsed": pl.Series([parser(text) for text in texts], dtype=dtype)})
        frame = pl.DataFrame({"text": series.alias("text")})
        return frame.join(parsed, on="text", how="left", maintain_order="left")["parsed"].alias(series.name)

    return expression.map_batches(apply, return_dtype=dtype)


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
    """A name with a capital first letter in each word; a name in mixed case stays as it is."""
    text = " ".join(text.split())
    if text != text.upper() and text != text.lower():
        return text
    return re.sub(r"[^\W\d_]+(['\u2019][^\W\d_]{1,2}(?![^\W\d_]))?", lambda word: word[0].capitalize(), text) or None


def split_full_name(text: str) -> dict[str, str | None]:
    """Split a name as people write it into honorific, first, middle and last name.

    "Last, First M", "First M Last", "F. Last", "LAST First" (family name in capitals), "Mrs Last"; a single
    word is a first name, unless an honorific precedes it.
    """
    text = " ".join(_NOT_A_NAME.sub(" ", text).split())
    title = _HONORIFIC.match(text)
    honorific = title[1].capitalize() if title else None
    text = text[title.end() :] if title else text
    first, middle, last = _split(text, has_title=honorific in _FAMILY_NAME_TITLES)
    parts = (honorific, *(part and case_name(part.strip(" .,")) for part in (first, middle, last)))
    return {name: part or None for name, part in zip(NAME_PARTS, parts, strict=True)}


def _split(text: str, *, has_title: bool) -> tuple[str, str, str]:
    """(first, middle, last); any of them may be empty."""
    if "," in text:
        last, _, rest = text.partition(",")
        first, *middle = rest.split() or [""]
        return first, " ".join(middle), last
    words = text.split()
    if len(words) < 2:  # noqa: PLR2004  one word or none
        lone = words[0] if words else ""
        return ("", "", lone) if has_title else (lone, "", "")
    if has_title:
        return "", "", " ".join(words)
    capital_count = next((at for at, word in enumerate(words) if not _is_capitals(word)), 0)
    if capital_count:
        return words[capital_count], " ".join(words[capital_count + 1 :]), " ".join(words[:capital_count])
    # Initials after the first name are middle names; everything after them is the family name.
    at = 1
    while at < len(words) - 1 and len(words[at].strip(".")) == 1:
        at += 1
    return words[0], " ".join(words[1:at]), " ".join(words[at:])


def _is_capitals(word: str) -> bool:
    return len(word.strip(".")) > 1 and word.isupper()
