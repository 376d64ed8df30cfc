"""Decoders of the advertising industry's consent strings: TC strings of TCF v2, and GPP strings. None where malformed.

Here belong the header and the sections of GPP; TC strings are read in `tc_string`. Written from the published
specifications of IAB Tech Lab:
- GPP: Global-Privacy-Platform, Core, "Consent String Specification", and Sections, one document for each section;
- US Privacy: USPrivacy, CCPA, "US Privacy String".

A channel's contract declares what a string means for the company's purposes; `consent_statement` applies it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from cdp_pipelines.standardise.privacy_bits import Bits, MalformedError
from cdp_pipelines.standardise.tc_string import TcfConsent, read_canadian_string, read_eu_string

OPT_OUTS = ("sale", "sharing", "targeted_advertising")


class GppConsent(TypedDict):
    """Content of a GPP string.

    `opt_outs`: those of `OPT_OUTS` that any section claims, with those that Global Privacy Control claims;
    `chosen_opt_outs`: without the latter. `gpc_sections`: ids of the sections that carry Global Privacy Control. `tcf`
    and `tcf_canada`: the TC strings of sections 2 and 5. `unread_sections`: ids of the sections not read whole.
    """

    opt_outs: frozenset[str]
    chosen_opt_outs: frozenset[str]
    gpc_sections: tuple[int, ...]
    tcf: TcfConsent | None
    tcf_canada: TcfConsent | None
    unread_sections: tuple[int, ...]


# Strings in a decoder's cache: a day has about a hundred thousand visits, and two tables read its strings.
_CACHE_SIZE = 1 << 17
_US_PRIVACY = re.compile(r"1[YN-]([YN-])[YN-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _UsSection:
    """Layout of a US section: a version of 6 bits, then `skipped` fields, then opt-outs, each of 2 bits.

    `jurisdiction`: whose law the section is about; None for the whole country. `has_sensitive_data`: whether a later
    sub-section contains choices about sensitive data, without a type before them.
    """

    jurisdiction: str | None
    skipped: int
    opt_outs: tuple[str, ...]
    has_sensitive_data: bool = False


TCF_EU, TCF_CANADA, _USP_V1 = 2, 5, 6
_TC_READERS = {TCF_EU: read_eu_string, TCF_CANADA: read_canadian_string}
_OF_STATE = ("sale", "targeted_advertising")
# Three notices stand before the opt-outs of most states; the newest sections begin with two fields of the MSPA.
_US_SECTIONS = {
    7: _UsSection(None, 6, OPT_OUTS),
    8: _UsSection("US-CA", 3, ("sale", "sharing")),
    9: _UsSection("US-VA", 3, _OF_STATE),
    10: _UsSection("US-CO", 3, _OF_STATE),
    11: _UsSection("US-UT", 4, _OF_STATE),
    12: _UsSection("US-CT", 3, _OF_STATE),
    13: _UsSection("US-FL", 3, _OF_STATE),
    14: _UsSection("US-MT", 3, _OF_STATE),
    15: _UsSection("US-OR", 3, _OF_STATE),
    16: _UsSection("US-TX", 3, _OF_STATE),
    17: _UsSection("US-DE", 3, _OF_STATE),
    18: _UsSection("US-IA", 4, _OF_STATE),
    19: _UsSection("US-NE", 3, _OF_STATE),
    20: _UsSection("US-NH", 3, _OF_STATE),
    21: _UsSection("US-NJ", 3, _OF_STATE),
    22: _UsSection("US-TN", 3, _OF_STATE),
    23: _UsSection("US-MN", 3, _OF_STATE),
    24: _UsSection("US-MD", 5, _OF_STATE),
    25: _UsSection("US-IN", 5, _OF_STATE, has_sensitive_data=True),
    26: _UsSection("US-KY", 5, _OF_STATE, has_sensitive_data=True),
    27: _UsSection("US-RI", 5, _OF_STATE, has_sensitive_data=True),
}
_SENSITIVE_DATA_BITS = 16
_OPTED_OUT, _DID_NOT_OPT_OUT, _UNDEFINED = 1, 2, 3
_GPC = 1


class _UsChoices(TypedDict):
    """What a US section states, and whether all of it could be read: what follows an opt-out does not undo it."""

    opt_outs: tuple[str, ...]
    has_gpc: bool
    is_whole: bool


@lru_cache(_CACHE_SIZE)
def decode_tcf(text: str) -> TcfConsent | None:
    """The content of a TC string of TCF v2; None where its core segment is malformed or cut short."""
    try:
        return read_eu_string(text.strip())
    except MalformedError:
        return None


@lru_cache(_CACHE_SIZE)
def decode_gpp(text: str) -> GppConsent | None:
    """Content of a GPP string; None where its header is malformed.

    An unreadable or unknown section is listed in `unread_sections` and hides no other section; an unreadable one of the
    United States counts as all opt-outs that it can hold. Global Privacy Control,
    in a section's GPC sub-section, claims every opt-out (Cal. Code Regs. tit. 11 § 7025(c); Colorado 4 CCR 904-3, Rule
    5.02). A sub-section that is unreadable may be that one, and counts as it. An opt-out is read in any version of a
    section whose fields reach so far: versions add fields at the end.
    """
    try:
        header, *sections = text.strip().split("~")
        ids = _read_section_ids(header, len(sections))
    except MalformedError:
        return None
    chosen: set[str] = set()
    gpc_sections: list[int] = []
    unread: list[int] = []
    tc_strings: dict[int, TcfConsent] = {}
    for section_id, section in zip(ids, sections, strict=True):
        try:
            if section_id in _TC_READERS:
                tcf = tc_strings[section_id] = _TC_READERS[section_id](section)
                is_whole = not tcf["damaged_segments"]
            else:
                choices = _read_us_section(section_id, section)
                chosen.update(choices["opt_outs"])
                gpc_sections += [section_id] * choices["has_gpc"]
                is_whole = choices["is_whole"]
        except MalformedError:
            is_whole = False
            chosen.update(_list_possible_opt_outs(section_id))
        unread += [section_id] * (not is_whole)
    return {
        "opt_outs": frozenset(OPT_OUTS if gpc_sections else chosen),
        "chosen_opt_outs": frozenset(chosen),
        "gpc_sections": tuple(gpc_sections),
        "tcf": tc_strings.get(TCF_EU),
        "tcf_canada": tc_strings.get(TCF_CANADA),
        "unread_sections": tuple(unread),
    }


def find_jurisdiction(section_id: int) -> str | None:
    """Whose law a section of GPP is about, as US-<state>; None for the whole country, and for other sections."""
    section = _US_SECTIONS.get(section_id)
    return section.jurisdiction if section else None


def _read_section_ids(header: str, section_count: int) -> list[int]:
    """The ids that a header of GPP announces, in the order of their sections.

    Type 6 (always 3), Version 6 (1), then Range(Fibonacci): number of items 12; each: whether it is a group 1, the
    distance from the id before, and for a group the distance from its first to its last id.
    """
    bits = Bits(header)
    if (bits.integer(6), bits.integer(6)) != (3, 1):
        raise MalformedError
    ids: list[int] = []
    last = 0
    for _ in range(bits.integer(12)):
        is_group = bits.integer(1)
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if is_group else first
        # Checked before the range is expanded: a few bits can announce billions of ids.
        if len(ids) + last - first + 1 > section_count:
            raise MalformedError
        ids.extend(range(first, last + 1))
    if len(ids) != section_count:
        raise MalformedError
    return ids


def _list_possible_opt_outs(section_id: int) -> tuple[str, ...]:
    """What a section can opt out of."""
    if section_id == _USP_V1:
        return ("sale",)
    return _US_SECTIONS[section_id].opt_outs if section_id in _US_SECTIONS else ()


def _read_us_section(section_id: int, text: str) -> _UsChoices:
    if section_id == _USP_V1:
        match = _US_PRIVACY.fullmatch(text)
        if match is None:
            raise MalformedError
        return {"opt_outs": ("sale",) if match[1] in "Yy" else (), "has_gpc": False, "is_whole": True}
    if section_id not in _US_SECTIONS:
        raise MalformedError
    section = _US_SECTIONS[section_id]
    core, *others = text.split(".")
    bits = Bits(core)
    bits.take(6 + 2 * section.skipped)
    values = {name: bits.integer(2) for name in section.opt_outs}
    is_whole = max(values.values()) <= _DID_NOT_OPT_OUT
    has_gpc = False
    for other in others:
        try:
            is_gpc, is_known = _read_subsection(Bits(other), section)
        except MalformedError:
            is_gpc, is_known = True, False
        has_gpc, is_whole = has_gpc or is_gpc, is_whole and is_known
    # A value that the specification does not define may be an opt-out.
    opt_outs = tuple(name for name, value in values.items() if value in {_OPTED_OUT, _UNDEFINED})
    return {"opt_outs": opt_outs, "has_gpc": has_gpc, "is_whole": is_whole}


def _read_subsection(bits: Bits, section: _UsSection) -> tuple[bool, bool]:
    """Whether a later sub-section claims Global Privacy Control, and whether its type is known.

    SubsectionType 2, then Gpc 1; choices about sensitive data have no type.
    """
    if section.has_sensitive_data and len(bits) >= _SENSITIVE_DATA_BITS:
        return False, True
    if bits.integer(2) != _GPC:
        return False, False
    return bits.integer(1) == 1, True


def list_defects(text: str) -> list[str]:
    """Unreadable parts of a string.

    `unreadable` for all of it, `section_<id>` for a section of GPP, `segment_<position>` for a later segment of a TC
    string.
    """
    gpp = decode_gpp(text)
    if gpp is not None:
        return [f"section_{section_id}" for section_id in gpp["unread_sections"]]
    tcf = decode_tcf(text)
    return ["unreadable"] if tcf is None else [f"segment_{position}" for position in tcf["damaged_segments"]]
