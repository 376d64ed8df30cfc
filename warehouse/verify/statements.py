"""What a record of a drop file states about consent, and whom it names, by the declarations (YAML) alone.

An independent checker: it shares no code with the mappings, words and decoders of the pipeline. TC and GPP strings are
decoded only as far as a grant needs its bits and an opt-out needs its own bit. Damage, and vendors of Canada, make the
pipeline stricter, and a stricter event is always right.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from warehouse.verify.decisions import PERMISSIVE
from warehouse.verify.drop_files import DropRecord
from warehouse.verify.tc_string import permits, to_bits

YES = set(
    """
    true t yes y 1 1.0 on checked selected enabled active x ✓ ✔ ☑ opt-in opt_in optin opted-in opted_in subscribed
    accepted accept agreed agree allowed allow granted given wahr ja j vrai oui verdadero sí si vero sim tak da да はい
    是 evet kyllä
    """.split()  # noqa: SIM905
)
NO = set(
    """
    false f no n 0 0.0 -0 off unchecked unselected disabled inactive ✗ ✘ ☐ opt-out opt_out optout opted-out opted_out
    unsubscribed declined decline rejected reject refused refuse denied deny disallowed withdrawn revoked falsch nein
    faux non falso não nie нет いいえ 否 hayır ei
    """.split()  # noqa: RUF001, SIM905  a word of Turkish
)
NO_ANSWER = {"", "null", "none", "nil", "n/a", "na", "nan", "-", "unknown", "undefined", "not asked"}
OPT_OUTS = ("sale", "sharing", "targeted_advertising")
# Section of GPP: first bit of its opt-outs, and their order. IAB, Global Privacy Platform, Sections.
US_SECTIONS = (
    {7: (18, OPT_OUTS), 8: (12, OPT_OUTS[:2])}
    | dict.fromkeys([9, 10, *range(12, 24)], (12, OPT_OUTS[::2]))
    | dict.fromkeys([11, 18], (14, OPT_OUTS[::2]))
    | dict.fromkeys(range(24, 28), (16, OPT_OUTS[::2]))
)
# First bit of the consents by section of GPP, and the bits that a string has at least: IAB TCF v2, TCF Canada.
TCF_EU, TCF_CANADA, US_PRIVACY = 2, 5, 6
TCF_SECTIONS, TCF_BITS = {TCF_EU: 152, TCF_CANADA: 151}, 201
# Type and version of a GPP header.
GPP_HEADER = (3, 1)
# Digits by which two phones are compared: without country, area and extension.
PHONE_DIGITS = 7


class Statement(NamedTuple):
    """One thing that a record states: a status about a purpose (`*`: about the subject itself), or a request.

    `subject_kind` and `subject_value` are as written; None where the record has none. `string`: the source field of a
    TC or GPP string that states it, else empty; a status stricter than that of its consent bits may be right as well.
    """

    purpose: str
    status: str
    subject_kind: str | None
    subject_value: str | None
    string: str = ""

    @property
    def has_subject(self) -> bool:
        """Whether the record names somebody, readable or not."""
        return self.subject_kind is not None and self.subject_value is not None


def read_statements(record: DropRecord, channel: dict) -> list[Statement]:
    """What a record states in every mapping of its channel, each statement once."""
    found = []
    for mapping in channel.get("consents", ()):
        subject = [read_value(mapping[name], record.values) for name in ("subject_kind", "subject_value")]
        string = (mapping.get("tcf") or mapping.get("gpp") or {}).get("from", "")
        for purpose, status in read_choices(mapping, record, channel):
            found.append(Statement(purpose, status, *subject, string))
    if request := channel.get("privacy_request"):
        kind, *subject = [
            read_value(request[name], record.values) for name in ("kind", "subject_kind", "subject_value")
        ]
        if kind is not None:
            kind = spell_as_declared(kind, request["kind"], channel)
            found.append(Statement("request", kind, *subject))
    # A record may find its subject in one mapping, and nobody in another.
    named = {(each.purpose, each.status) for each in found if each.has_subject}
    return list(dict.fromkeys(each for each in found if each.has_subject or (each.purpose, each.status) not in named))


def read_choices(mapping: dict, record: DropRecord, channel: dict) -> Iterator[tuple[str, str]]:
    """Purpose and status of each choice of one mapping."""
    if tcf := mapping.get("tcf"):
        yield from read_tcf(tcf, record.values.get(tcf["from"], ""))
        return
    if gpp := mapping.get("gpp"):
        opt_outs = find_opt_outs(record.values.get(gpp["from"], ""))
        # Where Global Privacy Control counts in some places alone, the string may be from another.
        if not mapping.get("gpc_honoured_in"):
            names = {name for opt_out in opt_outs for name in gpp.get(opt_out, ())}
            yield from ((name, "objected") for name in sorted(names))
        return
    status = read_status(mapping["status"], record.values)
    if status is None or mapping.get("gpc_honoured_in"):
        return
    status = spell_as_declared(status, mapping["status"], channel)
    purposes = mapping.get("purposes") or [read_value(mapping["purpose"], record.values)]
    for purpose in purposes:
        if purpose is not None:
            spelt = spell_as_declared(purpose, mapping["purpose"], channel) if "purpose" in mapping else purpose
            yield spelt, status


def read_value(mapping: str | dict, values: dict[str, str], *, is_raw: bool = False) -> str | None:
    """A standard value by its mapping; `is_raw`: before its words are translated."""
    if isinstance(mapping, str):
        return values.get(mapping)
    if "constant" in mapping:
        return mapping["constant"]
    fields = [mapping["from"]] if isinstance(mapping["from"], str) else mapping["from"]
    parts = [values.get(field) for field in fields]
    if None in parts:
        return None
    text = mapping.get("join", ":").join(parts)
    if "extract" in mapping:
        found = re.search(mapping["extract"], text)
        if found is None or found[1] is None:
            return None
        text = found[1]
    if "match" in mapping and not re.search(mapping["match"], text):
        return None
    if "map" in mapping and not is_raw:
        return {spell(word): meaning for word, meaning in mapping["map"].items()}.get(spell(text))
    return text


def read_status(mapping: str | dict, values: dict[str, str]) -> str | None:
    """The status; of a yes or no that cannot be read, a denial counts and a grant does not."""
    words = mapping.get("map") if isinstance(mapping, dict) else None
    if not words or set(words) - {"true", "false"}:
        return read_value(mapping, values)
    text = read_value(mapping, values, is_raw=True)
    if text is None or spell(text) in NO_ANSWER:
        return None
    if spell(text) in YES:
        return words.get("true")
    if spell(text) in NO:
        return words.get("false")
    return next((meaning for meaning in words.values() if meaning not in PERMISSIVE), None)


def spell(word: str) -> str:
    """A word without case, invisible signs and extra blanks."""
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", word) if unicodedata.category(sign) != "Cf")
    return " ".join(visible.split()).lower()


def spell_as_declared(word: str, mapping: str | dict, channel: dict) -> str:
    """The declared spelling of a word of a field with allowed values; any other word as it is."""
    field = mapping if isinstance(mapping, str) else mapping.get("from")
    allowed = channel["fields"][field].get("allowed") or () if isinstance(field, str) else ()
    return next((each for each in allowed if spell(each) == spell(word)), word)


def read_tcf(mapping: dict, text: str) -> Iterator[tuple[str, str]]:
    """The choices of a TC string, alone or in a GPP string: a grant needs the bits of all that is mapped."""
    sections = find_sections(text)
    strings = sections or {TCF_EU: text}
    cores = []
    for number, start in TCF_SECTIONS.items():
        bits = to_bits(strings.get(number, "").split(".")[0])
        if len(bits) >= TCF_BITS and (number == TCF_CANADA or bits[:6] == "000010"):
            cores.append((bits, start))
    if not cores:
        return
    for (key, *more), statuses, skipped in (
        (("purposes", "publisher_purposes", "publisher_custom_purposes"), ("denied", "granted"), 0),
        (("legitimate_interests", "publisher_legitimate_interests"), ("objected",), 24),
    ):
        allowed = {name: True for each in (key, *more) for names in mapping.get(each, {}).values() for name in names}
        for number, names in mapping.get(key, {}).items():
            # A string whose country does not ask for purpose 1 says so in the bit behind both fields.
            is_set = all(
                bits[start + skipped + int(number) - 1] == "1"
                or (number == "1" and start == TCF_SECTIONS[TCF_EU] and bits[start + 48] == "1")
                for bits, start in cores
            )
            for name in names:
                allowed[name] &= is_set
        for name, is_allowed in allowed.items():
            if TCF_EU in strings and cores[0][1] == TCF_SECTIONS[TCF_EU]:
                is_allowed &= permits(strings[TCF_EU], mapping, name, is_interest=skipped > 0)  # noqa: PLW2901
            if is_allowed < len(statuses):
                yield name, statuses[is_allowed]


def find_sections(text: str) -> dict[int, str]:
    """The sections of a GPP string by their ids; none where it is not a GPP string."""
    header, *sections = text.strip().split("~")
    # A header of GPP is padded to whole sextets, not to whole bytes.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if not sections or not header or set(header) - set(alphabet):
        return {}
    bits = iter("".join(f"{alphabet.index(sign):06b}" for sign in header))

    def take(count: int) -> int:
        return int("".join(next(bits) for _ in range(count)), 2)

    def take_fibonacci() -> int:
        number, weights, before = 0, (1, 2), "0"
        while (bit := next(bits)) + before != "11":
            number += weights[0] * int(bit)
            weights, before = (weights[1], sum(weights)), bit
        return number

    ids: list[int] = []
    try:
        if (take(6), take(6)) != GPP_HEADER:
            return {}
        for _ in range(take(12)):
            is_range = take(1)
            first = (ids[-1] if ids else 0) + take_fibonacci()
            ids += range(first, first + 1 + (take_fibonacci() if is_range else 0))
    except (RuntimeError, StopIteration):
        return {}
    return dict(zip(ids, sections, strict=True)) if len(ids) == len(sections) else {}


def find_opt_outs(text: str) -> set[str]:
    """The opt-outs that a GPP string states in any section; Global Privacy Control is all of them."""
    found: set[str] = set()
    for number, section in find_sections(text).items():
        if number == US_PRIVACY:
            found |= {"sale"} if re.match(r"1[YN-]Y[YN-]", section.upper()) else set()
        elif number in US_SECTIONS:
            core, *others = [to_bits(part) for part in section.split(".")]
            start, names = US_SECTIONS[number]
            found |= {name for at, name in enumerate(names) if core[start + 2 * at : start + 2 * at + 2] == "01"}
            found |= set(OPT_OUTS) if any(bits[:3] == "011" for bits in others) else set()
    return found


def fold_subject(text: str) -> str:
    """A contact point in lower case, decoded, and without signs that nobody sees."""
    plain = unicodedata.normalize("NFKC", unescape(unquote(text)))
    return "".join(sign for sign in plain if unicodedata.category(sign) not in {"Cf", "Cc", "Cn", "Co"}).lower().strip()


def is_named(text: str, kind: str, value: str) -> bool:
    """Whether a text names the identifier: the local part of an e-mail, the last digits of a phone, all of another."""
    folded, digits = fold_subject(text), find_digits(value)[-PHONE_DIGITS:]
    if fold_subject(value) == folded:
        return True
    if kind == "email":
        local = re.escape(value.lower().partition("@")[0])
        return re.search(rf"(?<![^\W_]){local}@", re.sub(r"\s*@\s*", "@", folded)) is not None
    if kind == "phone":
        return len(digits) == PHONE_DIGITS and digits in find_digits(folded)
    plain = [re.sub(r"[\s'\"`]|\.0+$", "", each) for each in (folded, fold_subject(value))]
    return plain[0] == plain[1]


def find_digits(text: str) -> str:
    """The digits of a text, those of other scripts as ASCII."""
    return "".join(str(unicodedata.digit(sign)) for sign in text if unicodedata.digit(sign, None) is not None)


def find_addresses(text: str) -> set[str]:
    """The local parts of the addresses in a text, without quotes and marks around them.

    Where addresses stand in angle brackets, the rest is names.
    """
    folded = re.sub(r"\s*@\s*", "@", fold_subject(text))
    folded = " ".join(re.findall(r"<([^<>]*@[^<>]*)>", folded)) or folded
    return {local.strip("'*_`") for local in re.findall(r"([^\s<>()\[\]{},;:|\"@=?&/]+)@[^\s@]+\.\w", folded)}
