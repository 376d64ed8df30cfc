"""Whether the law of a place honours Global Privacy Control, by a declared list of jurisdictions.

Here belongs the comparison of places. Which jurisdictions honour the signal is declared in a channel's contract; where
a record or a string carries the signal belongs in `consent_statement`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import phonenumbers

from cdp_pipelines.schema import EEA_COUNTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable

HONOURED, ELSEWHERE, UNKNOWN = "honoured", "elsewhere", "unknown"
# ISO 3166-2:US: states, the district and the territories.
_US_STATES = frozenset(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "  # noqa: SIM905
    "RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR UM VI".split()
)
_UNION = "EU"
_SEPARATORS = re.compile(r"[\s_./:-]+")


def judge_place(text: str, honoured_in: Iterable[str]) -> str:
    """`HONOURED`, `ELSEWHERE`, or `UNKNOWN`, of a place as a source writes it.

    `honoured_in`: codes of countries, or of their parts as US-CA; EU stands for the European Economic Area. A place
    counts as honoured if it may be one of them: the country without its part, or the part without its country. A text
    that names no known place is unknown.
    """
    place, honoured = _normalise(text), [_normalise(each) for each in honoured_in]
    country, _, part = place.partition("-")
    countries = {each.partition("-")[0] for each in honoured}
    may_be_in_union = (_UNION in countries and country in EEA_COUNTRIES) or (
        country == _UNION and not countries.isdisjoint(EEA_COUNTRIES)
    )
    if may_be_in_union or any(_may_be(place, each) for each in honoured):
        return HONOURED
    if country == "US" and part:
        return ELSEWHERE if part in _US_STATES else UNKNOWN
    is_known = country in {_UNION, *phonenumbers.SUPPORTED_REGIONS} or place in _US_STATES
    return ELSEWHERE if is_known else UNKNOWN


def judge_places(places: Iterable[str | None], honoured_in: Iterable[str]) -> str:
    """The same of several places of one person, None where one is unknown: honoured before unknown before elsewhere."""
    verdicts = {judge_place(place, honoured_in) if place else UNKNOWN for place in places}
    return next(verdict for verdict in (HONOURED, UNKNOWN, ELSEWHERE) if verdict in verdicts)


def _normalise(text: str) -> str:
    code = _SEPARATORS.sub("-", text.strip().upper())
    return re.sub("^UK(?=-|$)", "GB", code)


def _may_be(place: str, honoured: str) -> bool:
    return (
        place == honoured
        or honoured.startswith(f"{place}-")
        or place.startswith(f"{honoured}-")
        or honoured.partition("-")[2] == place
    )
