"""Decoders of TC strings: TCF v2 of the EU, and TCF v1 of Canada, which has the same fields in another coding.

Here belongs the content of such a string; what it means for the company's purposes belongs in `consent_statement`.
Written from the published specifications of IAB Tech Lab:
- EU: GDPR-Transparency-and-Consent-Framework, TCFv2, "Consent string and vendor list formats v2";
- Canada: Global-Privacy-Platform, Sections, Canada, "GPPExtension: IAB Canada TCF".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from cdp_pipelines.standardise.privacy_bits import Bits, MalformedError, VendorSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class PublisherConsent(TypedDict):
    """Content of the publisher's segment: what the publisher itself may do; numbers as in the specification."""

    consents: frozenset[int]
    legitimate_interests: frozenset[int]
    custom_consents: frozenset[int]
    custom_legitimate_interests: frozenset[int]


class TcfConsent(TypedDict):
    """Content of a TC string; numbers as in the specification.

    `restrictions`: the vendors by (TCF purpose, restriction type). `disclosed_vendors` and `publisher`: None where the
    string has no such segment. `damaged_segments`: positions of later segments that are unreadable; the core is 1.
    `unused_purposes`: TCF purposes that the framework never asks for. In Canada, express consent is `consents`, and
    implied consent, unless express consent includes it, is `legitimate_interests`.
    """

    created: datetime
    last_updated: datetime
    policy_version: int
    special_features: frozenset[int]
    consents: frozenset[int]
    legitimate_interests: frozenset[int]
    vendor_consents: VendorSet
    vendor_legitimate_interests: VendorSet
    restrictions: Mapping[tuple[int, int], VendorSet]
    disclosed_vendors: VendorSet | None
    publisher: PublisherConsent | None
    damaged_segments: tuple[int, ...]
    unused_purposes: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Framework:
    """In which bits two frameworks differ: flags before the purposes, and bits about the publisher behind them."""

    version: int
    flag_bits: int
    publisher_bits: int
    unused_purposes: frozenset[int]


# EU: IsServiceSpecific 1, UseNonStandardTexts 1; PurposeOneTreatment 1, PublisherCC 12.
_EU = _Framework(2, 2, 13, frozenset())
# Canada: UseNonStandardStacks 1. Purpose 1, storage on the device, is not used there.
_CANADA = _Framework(1, 1, 0, frozenset({1}))
_DISCLOSED_VENDORS, _ALLOWED_VENDORS, _PUBLISHER = 1, 2, 3


def read_eu_string(text: str) -> TcfConsent:
    """The content of a TC string of TCF v2; `MalformedError` where its core segment is unreadable.

    Order of fields: Version 6 (always 2), Created 36, LastUpdated 36, CmpId 12, CmpVersion 12, ConsentScreen 6,
    ConsentLanguage 12, VendorListVersion 12, TcfPolicyVersion 6, IsServiceSpecific 1, UseNonStandardTexts 1,
    SpecialFeatureOptIns 12, PurposesConsent 24, PurposesLITransparency 24, PurposeOneTreatment 1, PublisherCC 12, then
    vendors' consents, vendors' legitimate interests and publisher restrictions.
    """
    core, *segments = text.split(".")
    return _read_string(core, segments, _EU, is_fibonacci=False)


def read_canadian_string(text: str) -> TcfConsent:
    """The content of a TC string of TCF Canada v1; `MalformedError` where its core segment is unreadable.

    The specification codes ranges of vendors in Fibonacci numbers. Older encoders wrote them as in the EU.
    """
    core, *segments = text.split(".")
    try:
        tcf = _read_string(core, segments, _CANADA, is_fibonacci=True)
    except MalformedError:
        tcf = _read_string(core, segments, _CANADA, is_fibonacci=False)
    # Express consent includes what implied consent permits, unless the publisher asks for implied consent alone.
    tcf["legitimate_interests"] |= tcf["consents"]
    tcf["vendor_legitimate_interests"] = tcf["vendor_legitimate_interests"].union(tcf["vendor_consents"])
    if (publisher := tcf["publisher"]) is not None:
        publisher["legitimate_interests"] |= publisher["consents"]
        publisher["custom_legitimate_interests"] |= publisher["custom_consents"]
    return tcf


def _read_string(core: str, segments: list[str], framework: _Framework, *, is_fibonacci: bool) -> TcfConsent:
    bits = Bits(core)
    if bits.integer(6) != framework.version:
        raise MalformedError
    created, last_updated = bits.instant(), bits.instant()
    bits.take(12 + 12 + 6 + 12 + 12)
    policy_version = bits.integer(6)
    bits.take(framework.flag_bits)
    special_features, consents, legitimate_interests = bits.ids(12), bits.ids(24), bits.ids(24)
    bits.take(framework.publisher_bits)
    tcf: TcfConsent = {
        "created": created,
        "last_updated": last_updated,
        "policy_version": policy_version,
        "special_features": special_features,
        "consents": consents,
        "legitimate_interests": legitimate_interests,
        "vendor_consents": bits.vendors(is_fibonacci=is_fibonacci),
        "vendor_legitimate_interests": bits.vendors(is_fibonacci=is_fibonacci),
        "restrictions": _read_restrictions(bits, is_fibonacci=is_fibonacci),
        "disclosed_vendors": None,
        "publisher": None,
        "damaged_segments": (),
        "unused_purposes": framework.unused_purposes,
    }
    if framework is _CANADA:
        bits.check_padding()
    _add_segments(tcf, segments, framework)
    return tcf


def _read_restrictions(bits: Bits, *, is_fibonacci: bool) -> dict[tuple[int, int], VendorSet]:
    """NumPubRestrictions 12; each: the purpose 6, the type 2, and its vendors."""
    restrictions: dict[tuple[int, int], VendorSet] = {}
    for _ in range(bits.integer(12)):
        key = bits.integer(6), bits.integer(2)
        vendors = bits.vendors(is_fibonacci=True) if is_fibonacci else bits.ranges()
        restrictions[key] = restrictions.get(key, VendorSet()).union(vendors)
    return restrictions


def _add_segments(tcf: TcfConsent, segments: list[str], framework: _Framework) -> None:
    """Read the later segments. A type that occurs twice is damage: it is not certain which of them counts."""
    types: set[int] = set()
    damaged = []
    for position, text in enumerate(segments, 2):
        try:
            segment_type = _add_segment(tcf, text, framework)
        except MalformedError:
            damaged.append(position)
            continue
        if segment_type in types:
            damaged.append(position)
        types.add(segment_type)
    tcf["damaged_segments"] = tuple(damaged)


def _add_segment(tcf: TcfConsent, text: str, framework: _Framework) -> int:
    """Read one later segment and return its type; `MalformedError` where the type is unknown."""
    bits = Bits(text)
    segment_type = bits.integer(3)
    if segment_type == _DISCLOSED_VENDORS:
        tcf["disclosed_vendors"] = _read_disclosed_vendors(text, framework)
    elif segment_type == _PUBLISHER:
        tcf["publisher"] = _read_publisher(bits)
    elif segment_type == _ALLOWED_VENDORS:
        # Vendors whose legal basis the string does not contain; read only to check that nothing is missing.
        bits.vendors()
    else:
        raise MalformedError
    return segment_type


def _read_disclosed_vendors(text: str, framework: _Framework) -> VendorSet:
    for is_fibonacci in (True, False) if framework is _CANADA else (False,):
        bits = Bits(text)
        bits.take(3)
        try:
            vendors = bits.vendors(is_fibonacci=is_fibonacci)
            if framework is _CANADA:
                bits.check_padding()
        except MalformedError:
            continue
        return vendors
    raise MalformedError


def _read_publisher(bits: Bits) -> PublisherConsent:
    """PubPurposesConsent 24, PubPurposesLITransparency 24, NumCustomPurposes 6, and two bit fields of that length."""
    consents, legitimate_interests = bits.ids(24), bits.ids(24)
    custom = bits.integer(6)
    return {
        "consents": consents,
        "legitimate_interests": legitimate_interests,
        "custom_consents": bits.ids(custom),
        "custom_legitimate_interests": bits.ids(custom),
    }
