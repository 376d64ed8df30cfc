"""What a record states about purposes: by declared words, in a TC string, or in a GPP string.

Here belongs the meaning of words and strings for the company's purposes. Who makes the statement belongs in
`consent_event`; the strings are decoded in `privacy_string` and `tc_string`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.words import is_one_of, read_boolean
from cdp_pipelines.schema import PERMISSIVE_STATUSES
from cdp_pipelines.standardise import gpc, parse, privacy_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from cdp_pipelines.channels.consent_mapping import ConsentMapping, GppMapping, TcfMapping, TcfNeeds
    from cdp_pipelines.channels.mapping import ValueMapping
    from cdp_pipelines.standardise.tc_string import TcfConsent

    Statement = dict[str, str | None]

# A yes or no that was left open: neither a grant nor a denial.
_NO_STATEMENT = ("", "null", "none", "nil", "n/a", "na", "nan", "-", "unknown", "undefined", "not asked")
# What one record states about one purpose. `notice_version` only where the string itself names one; `gpc` only for an
# objection by Global Privacy Control alone: whether the law of its place honours that.
_STATEMENT = pl.Struct(dict.fromkeys(("purpose", "status", "notice_version", "gpc"), pl.String))
# Types of publisher restrictions; a type that is not defined forbids, because its meaning is unknown.
_REQUIRE_CONSENT, _REQUIRE_LEGITIMATE_INTEREST = 1, 2
_RESTRICTION_TYPES = range(4)


def read_statements(consent: ConsentMapping) -> pl.Expr:
    """The statements of a record in one mapping: a list of structs with purpose, status, notice_version and gpc."""
    if consent.tcf is not None:
        return parse.map_distinct(pl.col(column_name(consent.tcf.string)), _read_tcf(consent.tcf), pl.List(_STATEMENT))
    if consent.gpp is not None:
        return parse.map_distinct(
            pl.col(column_name(consent.gpp.string)),
            _read_gpp(consent.gpp, consent.gpc_honoured_in),
            pl.List(_STATEMENT),
        )
    status = pl.lit(None, pl.String) if consent.status is None else _read_status(consent.status)
    purposes = [consent.purpose.expression()] if consent.purpose else [pl.lit(purpose) for purpose in consent.purposes]
    return pl.concat_list(
        pl.struct(
            purpose.alias("purpose"),
            status.alias("status"),
            pl.lit(None, pl.String).alias("notice_version"),
            pl.lit(gpc.UNKNOWN if consent.gpc_honoured_in else None, pl.String).alias("gpc"),
        )
        for purpose in purposes
    )


def is_in_force(consent: ConsentMapping) -> pl.Expr:
    """Whether a statement counts at its place, over columns gpc and jurisdiction: false where no law honours it.

    An objection by Global Privacy Control counts where the string or the record names a place that honours it, and
    where neither names a place. All other statements count everywhere.
    """
    if not consent.gpc_honoured_in:
        return pl.lit(value=True)
    of_string = pl.col("gpc")
    of_record = parse.map_distinct(
        pl.col("jurisdiction"), lambda text: gpc.judge_place(text, consent.gpc_honoured_in), pl.String()
    ).fill_null(gpc.UNKNOWN)
    return (
        of_string.is_null()
        | (of_string == gpc.HONOURED)
        | (of_record == gpc.HONOURED)
        | ((of_string == gpc.UNKNOWN) & (of_record == gpc.UNKNOWN))
    )


def _read_status(mapping: ValueMapping) -> pl.Expr:
    """The status by the declared words. Of a yes or no that is unreadable, a denial counts and a grant does not."""
    status = mapping.expression()
    words = mapping.map or {}
    if not words.keys() <= {"true", "false"}:
        return status
    denials = [meaning for meaning in words.values() if meaning not in PERMISSIVE_STATUSES]
    text = mapping.model_copy(update={"map": None}).expression()
    is_unreadable = text.is_not_null() & read_boolean(text).is_null() & ~is_one_of(text, _NO_STATEMENT)
    return pl.when(is_unreadable).then(pl.lit(denials[0])).otherwise(status) if denials else status


def _read_tcf(mapping: TcfMapping) -> Callable[[str], list[Statement]]:
    needs, interests = mapping.needs, mapping.interests

    def read(text: str) -> list[Statement]:
        strings, is_whole = _find_tc_strings(text)
        if not strings and is_whole:
            return []
        notices = {mapping.notices.get(str(tcf["policy_version"])) for tcf in strings}
        notice = notices.pop() if len(notices) == 1 else None
        statements: list[Statement] = []
        for purpose, needed in needs.items():
            is_granted = is_whole and all(grants(tcf, needed) for tcf in strings)
            status = "granted" if is_granted else "denied"
            statements.append({"purpose": purpose, "status": status, "notice_version": notice, "gpc": None})
        for purpose, needed in interests.items():
            if not (is_whole and all(permits_interest(tcf, needed) for tcf in strings)):
                statements.append(_object(purpose))
        return statements

    return read


def _object(purpose: str, verdict: str | None = None) -> Statement:
    return {"purpose": purpose, "status": "objected", "notice_version": None, "gpc": verdict}


def _states_nothing(text: str) -> bool:
    return text.strip().lower() in _NO_STATEMENT


def _find_tc_strings(text: str) -> tuple[list[TcfConsent], bool]:
    """The TC strings of a text, and whether nothing of them is unread: a text that is no string at all is unread."""
    gpp = privacy_string.decode_gpp(text)
    if gpp is None:
        tcf = privacy_string.decode_tcf(text)
        return ([tcf], not tcf["damaged_segments"]) if tcf else ([], _states_nothing(text))
    strings = [tcf for tcf in (gpp["tcf"], gpp["tcf_canada"]) if tcf is not None]
    return strings, {privacy_string.TCF_EU, privacy_string.TCF_CANADA}.isdisjoint(gpp["unread_sections"])


def grants(tcf: TcfConsent, needs: TcfNeeds) -> bool:
    """Whether a TC string consents to all that a purpose of the company needs, for each of its vendors.

    A vendor needs its own bit, a place among the disclosed vendors if they are listed, and no publisher restriction
    that forbids the purpose or requires a legitimate interest. A segment that is missing consents to nothing.
    """
    purposes, publisher_purposes = needs.purposes - tcf["unused_purposes"], needs.publisher_purposes
    publisher = tcf["publisher"]
    has_needs = bool(purposes or publisher_purposes or needs.publisher_custom_purposes)
    return (
        has_needs
        and tcf["consents"] >= purposes
        and _are_permitted(tcf, purposes, needs.vendors, tcf["vendor_consents"], _REQUIRE_CONSENT)
        and (publisher["consents"] if publisher else frozenset()) >= publisher_purposes
        and (publisher["custom_consents"] if publisher else frozenset()) >= needs.publisher_custom_purposes
    )


def permits_interest(tcf: TcfConsent, needs: TcfNeeds) -> bool:
    """Whether a TC string permits the legitimate interests of a purpose of the company, for each of its vendors.

    A bit that is not set means that the person was not informed, or objects.
    """
    publisher = tcf["publisher"]
    return (
        tcf["legitimate_interests"] >= needs.purposes
        and _are_permitted(
            tcf, needs.purposes, needs.vendors, tcf["vendor_legitimate_interests"], _REQUIRE_LEGITIMATE_INTEREST
        )
        and (publisher["legitimate_interests"] if publisher else frozenset()) >= needs.publisher_purposes
    )


def _are_permitted(
    tcf: TcfConsent, purposes: Iterable[int], vendors: Iterable[int], permitted: AbstractSet[int], harmless_type: int
) -> bool:
    """Whether all vendors are permitted and disclosed, and no restriction but the harmless type is on a purpose."""
    disclosed, restrictions = tcf["disclosed_vendors"], tcf["restrictions"]
    forbidding = [
        restrictions[purpose, restriction_type]
        for purpose in purposes
        for restriction_type in _RESTRICTION_TYPES
        if restriction_type != harmless_type and (purpose, restriction_type) in restrictions
    ]
    return all(
        vendor in permitted
        and (disclosed is None or vendor in disclosed)
        and not any(vendor in restricted for restricted in forbidding)
        for vendor in vendors
    )


def _read_gpp(mapping: GppMapping, honoured_in: tuple[str, ...]) -> Callable[[str], list[Statement]]:
    objections = mapping.objections

    def read(text: str) -> list[Statement]:
        gpp = privacy_string.decode_gpp(text)
        if gpp is None:
            # Without its header no part of a string is known, so it may claim any opt-out.
            return [] if _states_nothing(text) else [_object(purpose) for purpose in objections]
        places = [privacy_string.find_jurisdiction(section_id) for section_id in gpp["gpc_sections"]]
        return [
            _object(
                purpose,
                gpc.judge_places(places, honoured_in) if gpp["chosen_opt_outs"].isdisjoint(opt_outs) else None,
            )
            for purpose, opt_outs in objections.items()
            if not gpp["opt_outs"].isdisjoint(opt_outs)
        ]

    return read
