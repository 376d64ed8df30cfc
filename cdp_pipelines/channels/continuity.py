"""How a channel shows that none of its files is missing: a heartbeat, or numbers in the names of its files.

Here belongs finding the gaps in what was delivered. What a gap means for consent is `cdp_pipelines.consent.silence`.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, field_validator, model_validator

from cdp_pipelines.policy import PolicyModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# A file of these outcomes was read; what was refused as a whole may have held anything.
READ_OUTCOMES = ("loaded", "loaded_with_warnings", "empty", "repeated")


class Delivery(NamedTuple):
    """A file that was read: its night and its name."""

    night: date
    file: str


class Gap(NamedTuple):
    """Files that are missing. `since`: the first night after which what they hold may contradict what was delivered."""

    since: date
    reason: str


class Continuity(PolicyModel):
    """What the deliveries of a channel show without a break."""

    heartbeat_days: int | None = Field(
        None, ge=1, description="Days from one night with a file to the next, at most; an empty file is one"
    )
    sequence: str | None = Field(
        None,
        description=r"Regular expression of the file names, with the number in a group: 'consents_(\d+)\.csv'. Numbers "
        "go up by one",
    )

    @field_validator("sequence")
    @classmethod
    def _has_one_group(cls, sequence: str | None) -> str | None:
        if sequence is not None:
            try:
                group_count = re.compile(sequence).groups
            except re.error as error:
                raise ValueError(f"found {sequence!r}, which is no regular expression: {error}") from None
            if group_count != 1:
                raise ValueError(f"found {sequence!r} with {group_count} groups; allowed: one, which holds the number")
        return sequence

    @model_validator(mode="after")
    def _states_something(self) -> Continuity:
        if self.heartbeat_days is None and self.sequence is None:
            raise ValueError("declare heartbeat_days, sequence, or both")
        return self

    def find_gaps(self, deliveries: Iterable[Delivery], night: date) -> list[Gap]:
        """Gaps that are open on `night`, the earliest first; none before the first delivery.

        A file in the folder of a missing night closes the gap of a heartbeat; the missing number, whenever it comes,
        closes that of a sequence.
        """
        known = sorted(each for each in deliveries if each.night <= night)
        gaps = [*self._find_missing_nights(known, night), *self._find_missing_numbers(known)]
        return sorted(gaps)

    def _find_missing_nights(self, known: Sequence[Delivery], night: date) -> Iterator[Gap]:
        if self.heartbeat_days is None or not known:
            return
        nights = sorted({each.night for each in known})
        for last, following in zip(nights, [*nights[1:], None], strict=True):
            if ((following or night) - last).days > self.heartbeat_days:
                until = f" until {following}" if following else ""
                due = "night" if self.heartbeat_days == 1 else f"{self.heartbeat_days} nights"
                yield Gap(last + timedelta(days=1), f"no file after {last}{until}; one is due every {due}")

    def _find_missing_numbers(self, known: Sequence[Delivery]) -> Iterator[Gap]:
        if self.sequence is None:
            return
        nights: dict[int, date] = {}
        for each in known:
            if (match := re.fullmatch(self.sequence, each.file)) and match[1].isdecimal():
                nights[int(match[1])] = min(each.night, nights.get(int(match[1]), each.night))
        for last, following in pairwise(sorted(nights)):
            if following > last + 1:
                missing = f"file {last + 1} is" if following == last + 2 else f"files {last + 1} to {following - 1} are"
                since = min(night for number, night in nights.items() if number >= following)
                yield Gap(since, f"{missing} missing")
