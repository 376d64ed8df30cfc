"""Contact points as people, mail programs and spreadsheets write them: e-mails and phones out of one text.

A form is read only where it can mean nothing else; a text that stays ambiguous names nobody. Which column of which
table holds the result is decided in the modules of the tables.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import phonenumbers
from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The same contact point comes in many channels; so many texts are remembered between them.
_REMEMBERED = 1 << 20
# What mail programs, spreadsheets and people put around an address.
_WRAPPING = " \t\r\n<>[](){}\"'`´‘’‚“”„«»‹›,;:|*_"  # noqa: RUF001  quotes of other languages are meant
_TRAILING = ".!?…"
_PREFIX = re.compile(
    r"^(mailto|e-?mail|smtp|sip|tel|phone|mobile|cell|fax|sms|whatsapp|callto)\s*[:=]\s*/{0,2}", re.IGNORECASE
)
_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:|\"“”„«»]+@[^\s<>()\[\]{},;:|\"“”„«»@]+")
_COMMENT = re.compile(r"\([^()]*\)")
_BLANKS_AROUND_AT = re.compile(r"\s*@\s*")
_FLOAT = re.compile(r"^\+?\d+(?:[.,]\d+)?[eE]\+?\d{1,2}$|^\+?\d+[.,]0+$")
_THOUSANDS = re.compile(r"^\+?\d{1,3}(?:[,'\u2019]\d{3}){2,}$")
_FORMULA = re.compile(r'^=\s*"([^"]*)"$')
_ZEROS = re.compile(r"[0\W_]+")
# What systems write where nobody has an account, card or device; it would join everybody who has none.
_PLACEHOLDERS = frozenset({
    "null", "none", "nil", "nan", "n/a", "na", "unknown", "undefined", "anonymous", "anon", "guest", "test", "dummy",
    "default", "missing", "empty", "no", "yes",
})  # fmt: skip
# Between two phones of one cell; a lone blank, dot or hyphen stands within a phone.
_BETWEEN_PHONES = re.compile(r"\s*(?:[;/|\n\r&]|,\s|\bor\b|\band\b|\bund\b|\bou\b|\by\b)\s*", re.IGNORECASE)
# Mexico took the 1 out of its mobile numbers in 2019; lists still have it (ITU-T notice 1137).
_OLD_MEXICAN_MOBILE = re.compile(r"^(\+|00)\s*52[\s.()-]*1[\s.()-]*((?:\d[\s.()-]*){10})$")


def clean_text(text: str) -> str:
    """The text without characters that nobody sees, in compatibility form (NFKC), with plain blanks and none around."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text.strip()
    text = unicodedata.normalize("NFKC", unescape(text))
    seen = (" " if unicodedata.category(sign) == "Zs" else sign for sign in text if not _is_invisible(sign))
    return "".join(seen).strip()


def _is_invisible(sign: str) -> bool:
    """Format and control characters, line breaks and tabs apart, and the fillers of Hangul and Braille."""
    return (
        unicodedata.category(sign) in {"Cf", "Cc", "Cn", "Co"} and sign not in "\t\r\n"
    ) or sign in "\u115f\u1160\u2800\u3164\u034f"


@lru_cache(_REMEMBERED)
def read_emails(text: str) -> tuple[str, ...]:
    """Every e-mail that a text names, each once, in lower case and in order; none where no form is right.

    Understood: display names, `mailto:` with its query, angle, square and round brackets, quotes, comments, invisible
    and full-width characters, trailing dots and other punctuation, several addresses in one text. The form is that of
    RFC 5321 and RFC 6531, by email-validator without DNS. The local part is lower-cased too: no mail provider of note
    tells cases apart, and sources do not keep them.
    """
    plain = _valid_email(text) if text.isascii() else None
    if plain is not None:
        return (plain,)
    text = _BLANKS_AROUND_AT.sub("@", clean_text(text))
    if "%" in text:
        text = unquote(text)
    whole = _valid_email(_bare(text))
    if whole is not None:
        return (whole,)
    # `Ann Bell <ann@post.example>`: what stands in angle brackets is the address, and the rest a name.
    inside = re.findall(r"<([^<>]*@[^<>]*)>", text) or [
        _COMMENT.sub(" ", text) if _ADDRESS.search(_COMMENT.sub(" ", text)) else text
    ]
    found = (
        _valid_email(_bare(candidate))
        for part in inside
        for candidate in _ADDRESS.findall(part.replace("mailto:", " "))
    )
    return tuple(dict.fromkeys(email for email in found if email is not None))


def _bare(text: str) -> str:
    """Without wrapping, prefix, query and trailing punctuation; as often as they stand around each other."""
    before = None
    while before != text:
        before = text
        text = _PREFIX.sub("", text.strip(_WRAPPING)).rstrip(_TRAILING)
        text = re.sub(r"\?(subject|body|cc|bcc|to)=.*$", "", text, flags=re.IGNORECASE)
        text = re.sub(r"\s*\([^()]*\)$", "", text)
    return text


def _valid_email(text: str) -> str | None:
    try:
        return validate_email(text.strip().lower(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


@lru_cache
def read_phones(region: str | None) -> Callable[[str], tuple[str, ...]]:
    """A reader of the phones that a text names, in E.164, each once and in order, as people of `region` write them.

    `region` is ISO 3166-1 alpha-2. Understood: `tel:` and the like, spreadsheet forms (`2.065550100E+09` with all its
    digits, `12065550100.0`, `="2065550100"`, a leading apostrophe, thousands), full-width and other digits, invisible
    characters, extensions, a leading 00, several numbers in one text. A number that lost digits names nobody.
    """

    @lru_cache(_REMEMBERED)
    def read(text: str) -> tuple[str, ...]:
        text = clean_text(text)
        # Where a part of several cannot be read, the others are still meant.
        parts = list(_parts(text, region))
        found = tuple(dict.fromkeys(filter(None, (_valid_phone(_spelt_out(part), region) for part in parts))))
        if len(found) > 1 or parts == [text]:
            return found
        # A slash or a comma may stand within one number, too.
        whole = _valid_phone(_spelt_out(text), region)
        return found if whole is None else (whole,)

    return read


def _parts(text: str, region: str | None) -> Iterator[str]:
    """What may be a number each; words apart by blanks only where every one of them is a number by itself."""
    for part in _BETWEEN_PHONES.split(text):
        words = part.split()
        yield from words if len(words) > 1 and all(_valid_phone(word, region) for word in words) else [part]


def _spelt_out(text: str) -> str:
    """The digits of a number as a spreadsheet shows them: without formula, apostrophe, exponent or fraction."""
    text = _FORMULA.sub(r"\1", text.strip())
    text = _PREFIX.sub("", text.strip("'\"`´‘’“”<>[] \t"))  # noqa: RUF001  quotes of other languages are meant
    text = re.sub(r"\s*\([^()\d]*\)$", "", text)
    if _THOUSANDS.match(text):
        text = re.sub(r"[,'\u2019]", "", text)
    if _FLOAT.match(text):
        sign = "+" if text.startswith("+") else ""
        try:
            number = Decimal(text.lstrip("+").replace(",", "."))
        except InvalidOperation:
            return ""
        # `2.06E+09` has lost its digits: those that are not written are zeros of the display, not of the number.
        mantissa, _, exponent = text.lower().partition("e")
        if number != number.to_integral_value() or (exponent and len(re.sub(r"\D", "", mantissa)) <= int(exponent)):
            return ""
        return f"{sign}{int(number)}"
    old = _OLD_MEXICAN_MOBILE.match(text)
    return f"+52{old[2]}" if old else text


def _valid_phone(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(re.sub(r"^\s*00", "+", text), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_identifier(text: str) -> str | None:
    """An account, card or device id without invisible characters, quotes and blanks around it; `12345.0` is 12345."""
    text = clean_text(text).strip("'\"` ")
    return re.sub(r"^(\d+)\.0+$", r"\1", text) or None


def read_party_identifier(text: str) -> str | None:
    """The identifier, or None where the text stands for no identifier: only zeros, `NULL`, `guest` and the like."""
    identifier = read_identifier(text)
    if identifier is None or _ZEROS.fullmatch(identifier) or identifier.lower() in _PLACEHOLDERS:
        return None
    return " ".join(identifier.split())


def read_subject(kind: str, text: str, region: str | None) -> str | None:
    """The one identifier of this kind that a text names, in standard form; None where it names none or several.

    `kind`: of `SUBJECT_KINDS`. `region`: ISO 3166-1 alpha-2, for phones.
    """
    if kind not in {"email", "phone"}:
        return read_party_identifier(text)
    found = read_emails(text) if kind == "email" else read_phones(region)(text)
    return found[0] if len(found) == 1 else None
