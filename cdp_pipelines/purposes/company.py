"""The company: what its declarations share, and what the product must not assume.

Owners, time zone, phone region and the roles of its purposes and channels belong here; who is legally responsible is
`controller`, and how long ended values are kept is the retention policy.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from cdp_pipelines.policy import PolicyModel

if TYPE_CHECKING:
    from collections.abc import Iterable

Owner = Annotated[str, Field(pattern=r"^(team:\S+|\S+@\S+)$")]
Key = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class PlausibleNights(PolicyModel):
    """Which nights a lake takes in without confirmation.

    A lake decides as of its newest night: one mistyped year would end every retention and every consent.
    """

    oldest: date = Field(default=date(1990, 1, 1), description="The oldest night, as YYYY-MM-DD")
    days_ahead: int = Field(default=1, ge=0, description="Days by which a night may be later than today")
    longest_gap_days: int = Field(
        default=100, ge=1, description="Days by which a night may be later than the one before"
    )

    def find_implausible(self, nights: Iterable[date], newest: date | None, today: date) -> dict[date, str]:
        """Each night that needs confirmation, with the reason. `newest`: the lake's newest night, if it has one."""
        reasons = {}
        for night in sorted(nights):
            if night < self.oldest:
                reasons[night] = f"is before {self.oldest}, the oldest night that is plausible"
            elif night > today + timedelta(days=self.days_ahead):
                reasons[night] = f"is later than {today + timedelta(days=self.days_ahead)}; today is {today}"
            elif newest and night > newest + timedelta(days=self.longest_gap_days):
                reasons[night] = f"is more than {self.longest_gap_days} days later than {newest}, the night before it"
            else:
                newest = max(newest or night, night)
        return reasons


class Intraday(PolicyModel):
    """What arrives in the folder of the day takes effect on that day, before its night."""

    settled_seconds: int = Field(
        default=10, ge=0, description="Seconds for which a drop folder must not have changed before it is read"
    )


class Company(PolicyModel):
    """What a company declares once for all of its channels and purposes."""

    owner: Owner = Field(description="Who answers for a table unless `owners` says otherwise: an e-mail, or team:name")
    owners: dict[str, Owner] = Field(
        default_factory=dict, description="Owner of a table (layer/name), or of all tables of a layer"
    )
    time_zone: str = Field(description="IANA name of the time zone in which the nightly schedule runs")
    phone_region: str = Field(
        pattern="^[A-Z]{2}$",
        description="ISO 3166-1 alpha-2 code of the country of phone numbers without a country code",
    )
    identity_channels: tuple[Key, ...] = Field(
        description="Channels whose records name a person; the evaluation of the crosswalk measures these on their own"
    )
    evidence_purpose: Key = Field(description="Purpose under which consent events are kept as evidence (Art. 7(1))")
    request_purpose: Key = Field(
        description="Purpose under which privacy requests are answered (Art. 12 to 22); answers are recorded under it"
    )

    plausible_nights: PlausibleNights = Field(
        default=PlausibleNights(), description="Nights that a lake takes in without confirmation"
    )

    intraday: Intraday | None = Field(
        default=None, description="How the sensor takes in the folder of the day; by default as a night, to its end"
    )

    reader_group: str | None = Field(
        default=None, description="Group of the operating system whose members may read the served DuckDB file"
    )

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, time_zone: str) -> str:
        if time_zone not in available_timezones():
            raise ValueError(f"found {time_zone!r}; allowed: a name of the IANA time zone database")
        return time_zone

    def find_owner(self, table: str) -> str:
        """The owner of a table, by its full name."""
        layer = table.partition("/")[0]
        return self.owners.get(table) or self.owners.get(layer) or self.owner
