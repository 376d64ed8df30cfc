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
    """Content of a GPP string: those of `OPT_OUTS` that any of its sections claims, and its section tcfeuv2."""

    opt_outs: frozenset[str]
    tcf: TcfConsent | None


OPT_OUTS = ("sale", "sharing", "targeted_advertising")

# Strings in a decoder's cache: a day has about a hundred thousand visits, and two tables read its strings.
_CACHE_SIZE = 1 << 17
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_SEXTETS = {ord(sign): f"{value:06b}" for value, sign in enumerate(_ALPHABET)}
_BASE64_URL = re.compile(r"[A-Za-z0-9_-]+")
_US_PRIVACY = re.compile(r"1[YN-]([YN-])[YN-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _UsSection:
    """Layout of a US section: a Version of 6 bits, then notices, then opt-outs, each of 2 bits."""

    bits_by_version: dict[int, int]
    notices: int
    opt_outs: tuple[str, ...]


_TCF_EU_V2, _USP_V1 = 2, 6
_US_SECTIONS = {
    7: _UsSection({1: 60, 2: 70}, 6, OPT_OUTS),  # usnat
    8: _UsSection({1: 46}, 3, ("sale", "sharing")),  # usca
    9: _UsSection({1: 40}, 3, ("sale", "targeted_advertising")),  # usva
    10: _UsSection({1: 38}, 3, ("sale", "targeted_advertising")),  # usco
    11: _UsSection({1: 42}, 4, ("sale", "targeted_advertising")),  # usut
    12: _UsSection({1: 44}, 3, ("sale", "targeted_advertising")),  # usct
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
    """Content of a GPP string; None where its header or a section known here is malformed.

    Global Privacy Control, in a section's GPC sub-section, claims every opt-out (Cal. Code Regs. tit. 11 § 7025(c);
    Colorado 4 CCR 904-3, Rule 5.02). Sections other than 2 and 6 to 12 are ignored.
    """
    try:
        header, *sections = text.strip().split("~")
        section_of = dict(zip(_read_section_ids(header, len(sections)), sections, strict=True))
        claimed = {claim for key, section in section_of.items() for claim in _read_opt_outs(key, section)}
        return {
            "opt_outs": frozenset(claimed),
            "tcf": _decode_core(section_of[_TCF_EU_V2]) if _TCF_EU_V2 in section_of else None,
        }
    except _MalformedError:
        return None


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


def _read_opt_outs(section_id: int, text: str) -> tuple[str, ...]:
    if section_id == _USP_V1:
        match = _US_PRIVACY.fullmatch(text)
        if match is None:
            raise _MalformedError
        return ("sale",) if match[1] in "Yy" else ()
    if section_id not in _US_SECTIONS:
        return ()
    section = _US_SECTIONS[section_id]
    core, *others = (_Bits(segment) for segment in text.split("."))
    if len(core) < section.bits_by_version.get(core.integer(6), len(core) + 1):
        raise _MalformedError
    core.take(2 * section.notices)
    values = {name: core.integer(2) for name in section.opt_outs}
    if any(value > _DID_NOT_OPT_OUT for value in values.values()):
        raise _MalformedError
    # SubsectionType 2, then Gpc 1.
    if any(segment.integer(2) == _GPC and segment.integer(1) for segment in others):
        return OPT_OUTS
    return tuple(name for name, value in values.items() if value == _OPTED_OUT)


def is_readable(text: str) -> bool:
    """Whether it is a string of either kind."""
    return decode_gpp(text) is not None or decode_tcf(text) is not None
