"""Decoders of the advertising industry's consent strings: TC strings of TCF v2, and GPP strings. None where malformed.

Written from the published specifications of IAB Tech Lab:
- TCF: GDPR-Transparency-and-Consent-Framework, TCFv2, "Consent string and vendor list formats v2";
- GPP: Global-Privacy-Platform, Core, "Consent String Specification", and Sections, one document for each section;
- US Privacy: USPrivacy, CCPA, "US Privacy String".

A channel's contract declares what a string means for the company's purposes; `consent_event` applies it.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypedDict


class TcfConsent(TypedDict):
    """Content of the core segment of a TC string; numbers as in the specification."""

    created: datetime
    last_updated: datetime
    policy_version: int
    special_features: frozenset[int]
    consents: frozenset[int]
    legitimate_interests: frozenset[int]


class GppConsent(TypedDict):
    """Content of a GPP string: those of `OPT_OUTS` that any section claims, its tcfeuv2, and its unread sections."""

    opt_outs: frozenset[str]
    tcf: TcfConsent | None
    unread_sections: tuple[int, ...]


OPT_OUTS = ("sale", "sharing", "targeted_advertising")

# Strings in a decoder's cache: a day has about a hundred thousand visits, and two tables read its strings.
_CACHE_SIZE = 1 << 17
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_SEXTETS = {ord(sign): f"{value:06b}" for value, sign in enumerate(_ALPHABET)}
_BASE64_URL = re.compile(r"[A-Za-z0-9_-]+")
_US_PRIVACY = re.compile(r"1[YN-]([YN-])[YN-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _UsSection:
    """Layout of a US section: a version of 6 bits, then `skipped` fields, then opt-outs, each of 2 bits."""

    skipped: int
    opt_outs: tuple[str, ...]


_TCF_EU_V2, _USP_V1 = 2, 6
_OF_STATE = ("sale", "targeted_advertising")
# Three notices stand before the opt-outs of most states; the newest sections begin with two fields of the MSPA.
_US_SECTIONS = {
    7: _UsSection(6, OPT_OUTS),  # usnat
    8: _UsSection(3, ("sale", "sharing")),  # usca
    11: _UsSection(4, _OF_STATE),  # usut
    18: _UsSection(4, _OF_STATE),  # usia
    # usva, usco, usct, usfl, usmt, usor, ustx, usde, usne, usnh, usnj, ustn, usmn
    **{key: _UsSection(3, _OF_STATE) for key in (9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23)},
    # usmd, usin, usky, usri
    **{key: _UsSection(5, _OF_STATE) for key in (24, 25, 26, 27)},
}
_OPTED_OUT, _DID_NOT_OPT_OUT = 1, 2
_GPC = 1


class _MalformedError(ValueError):
    """The text is not a string of this kind; never leaves this module."""


class _Bits:
    """Reads web-safe base64 without padding bit by bit, most significant first."""

    def __init__(self, text: str) -> None:
        if not _BASE64_URL.fullmatch(text):
            raise _MalformedError
        self._bits = text.translate(_SEXTETS)
        self._at = 0

    def __len__(self) -> int:
        return len(self._bits)

    def take(self, n: int) -> str:
        start, self._at = self._at, self._at + n
        if self._at > len(self._bits):
            raise _MalformedError
        return self._bits[start : self._at]

    def integer(self, n: int) -> int:
        return int(self.take(n), 2)

    def instant(self) -> datetime:
        """Tenths of a second since 1970 in 36 bits."""
        return datetime.fromtimestamp(self.integer(36) / 10, UTC)

    def ids(self, n: int) -> frozenset[int]:
        """A bit field: the positions, from 1, of the bits that are set."""
        return frozenset(position for position, bit in enumerate(self.take(n), 1) if bit == "1")

    def fibonacci(self) -> int:
        """A number from 1 in Fibonacci coding: its code word ends with the first two ones in a row."""
        number, (weight, following) = 0, (1, 2)
        is_set = False
        while True:
            bit = self.take(1) == "1"
            if bit and is_set:
                return number
            number += weight * bit
            weight, following, is_set = following, weight + following, bit


@lru_cache(_CACHE_SIZE)
def decode_tcf(text: str) -> TcfConsent | None:
    """The core segment of a TC string of TCF v2; None where it is malformed or cut short.

    Order of fields: Version 6 (always 2), Created 36, LastUpdated 36, CmpId 12, CmpVersion 12, ConsentScreen 6,
    ConsentLanguage 12, VendorListVersion 12, TcfPolicyVersion 6, IsServiceSpecific 1, UseNonStandardTexts 1,
    SpecialFeatureOptIns 12, PurposesConsent 24, PurposesLITransparency 24, PurposeOneTreatment 1, PublisherCC 12, then
    vendors' consents, vendors' legitimate interests and publisher restrictions, which are read only to check that
    nothing is missing. Later segments (disclosed vendors, publisher) are ignored.
    """
    try:
        return _decode_core(text.strip())
    except _MalformedError:
        return None


@lru_cache(_CACHE_SIZE)
def decode_gpp(text: str) -> GppConsent | None:
    """Content of a GPP string; None where its header is malformed.

    An unreadable or unknown section is listed in `unread_sections` and hides no other section. Global Privacy Control,
    in a section's GPC sub-section, claims every opt-out (Cal. Code Regs. tit. 11 § 7025(c); Colorado 4 CCR 904-3, Rule
    5.02). An opt-out is read in any version of a section whose fields reach so far: versions add fields at the end.
    """
    try:
        header, *sections = text.strip().split("~")
        ids = _read_section_ids(header, len(sections))
    except _MalformedError:
        return None
    claimed: set[str] = set()
    unread: list[int] = []
    tcf = None
    for section_id, section in zip(ids, sections, strict=True):
        try:
            if section_id == _TCF_EU_V2:
                tcf = _decode_core(section)
                continue
            opt_outs, is_whole = _read_opt_outs(section_id, section)
        except _MalformedError:
            opt_outs, is_whole = (), False
        claimed.update(opt_outs)
        if not is_whole:
            unread.append(section_id)
    return {"opt_outs": frozenset(claimed), "tcf": tcf, "unread_sections": tuple(unread)}


def _decode_core(text: str) -> TcfConsent:
    bits = _Bits(text.partition(".")[0])
    if bits.integer(6) != 2:  # noqa: PLR2004  the version
        raise _MalformedError
    created, last_updated = bits.instant(), bits.instant()
    bits.take(12 + 12 + 6 + 12 + 12)
    policy_version = bits.integer(6)
    bits.take(1 + 1)
    consent: TcfConsent = {
        "created": created,
        "last_updated": last_updated,
        "policy_version": policy_version,
        "special_features": bits.ids(12),
        "consents": bits.ids(24),
        "legitimate_interests": bits.ids(24),
    }
    bits.take(1 + 12)
    for _ in ("consents", "legitimate interests"):
        last, is_range = bits.integer(16), bits.integer(1)
        if is_range:
            _skip_ranges(bits)
        else:
            bits.take(last)
    for _ in range(bits.integer(12)):
        bits.take(6 + 2)
        _skip_ranges(bits)
    return consent


def _skip_ranges(bits: _Bits) -> None:
    """NumEntries 12; each: IsARange 1, the vendor or the first of the range 16, the last of the range 16."""
    for _ in range(bits.integer(12)):
        is_range = bits.integer(1)
        first = bits.integer(16)
        if is_range and bits.integer(16) < first:
            raise _MalformedError


def _read_section_ids(header: str, section_count: int) -> list[int]:
    """The ids that a header of GPP announces, in the order of their sections.

    Type 6 (always 3), Version 6 (1), then Range(Fibonacci): number of items 12; each: whether it is a group 1, the
    distance from the id before, and for a group the distance from its first to its last id.
    """
    bits = _Bits(header)
    if (bits.integer(6), bits.integer(6)) != (3, 1):
        raise _MalformedError
    ids: list[int] = []
    last = 0
    for _ in range(bits.integer(12)):
        is_group = bits.integer(1)
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if is_group else first
        # Checked before the range is expanded: a few bits can announce billions of ids.
        if len(ids) + last - first + 1 > section_count:
            raise _MalformedError
        ids.extend(range(first, last + 1))
    if len(ids) != section_count:
        raise _MalformedError
    return ids


def _read_opt_outs(section_id: int, text: str) -> tuple[tuple[str, ...], bool]:
    """The opt-outs of a section, and whether all of it could be read: what follows an opt-out does not undo it."""
    if section_id == _USP_V1:
        match = _US_PRIVACY.fullmatch(text)
        if match is None:
            raise _MalformedError
        return (("sale",) if match[1] in "Yy" else ()), True
    if section_id not in _US_SECTIONS:
        raise _MalformedError
    section = _US_SECTIONS[section_id]
    core, *others = text.split(".")
    bits = _Bits(core)
    bits.take(6 + 2 * section.skipped)
    values = {name: bits.integer(2) for name in section.opt_outs}
    opt_outs = tuple(name for name, value in values.items() if value == _OPTED_OUT)
    is_whole = max(values.values()) <= _DID_NOT_OPT_OUT
    try:
        # SubsectionType 2, then Gpc 1.
        has_gpc = any(segment.integer(2) == _GPC and segment.integer(1) for segment in map(_Bits, others))
    except _MalformedError:
        return opt_outs, False
    return (OPT_OUTS if has_gpc else opt_outs), is_whole


def list_defects(text: str) -> list[str]:
    """Unreadable parts of a string: `unreadable` for all of it, else `section_<id>` for each such section of GPP."""
    gpp = decode_gpp(text)
    if gpp is not None:
        return [f"section_{section_id}" for section_id in gpp["unread_sections"]]
    return [] if decode_tcf(text) is not None else ["unreadable"]
