"""Mapping of source fields to consent events: by purpose and status, or out of an industry string (TCF, GPP).

The strings themselves are decoded in `privacy_string` and `tc_string` of `cdp_pipelines.standardise`; other mappings
are in `mapping`.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from cdp_pipelines.channels.mapping import ValueMapping
from cdp_pipelines.policy import PolicyModel

TcfPurpose = Annotated[str, Field(pattern=r"^([1-9]|1\d|2[0-4])$")]
CustomPurpose = Annotated[str, Field(pattern=r"^([1-9]|[1-5]\d|6[0-3])$")]
VendorId = Annotated[str, Field(pattern=r"^[1-9]\d{0,4}$")]
TcfPolicyVersion = Annotated[str, Field(pattern=r"^([0-9]|[1-5]\d|6[0-3])$")]
Jurisdiction = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
CompanyPurposes = tuple[str, ...]


class TcfNeeds(NamedTuple):
    """What a purpose of the company needs of a TC string: numbers of TCF purposes, custom purposes and vendors."""

    purposes: frozenset[int]
    publisher_purposes: frozenset[int]
    publisher_custom_purposes: frozenset[int]
    vendors: frozenset[int]


class TcfMapping(PolicyModel):
    """Consent events out of a TC string (IAB TCF v2, or TCF Canada within a GPP string).

    A purpose of the company is granted if the string consents to all that is mapped to it, and denied otherwise. One
    that rests on legitimate interests is objected to unless the string permits all of that. A purpose with a vendor
    needs the vendor's own bit, no publisher restriction against it, and the vendor among those that were disclosed, if
    the string lists them. A string with a damaged segment grants nothing; an unreadable one denies all.
    """

    string: str = Field(alias="from", description="Source field with the TC string, or with a GPP string around it")
    purposes: dict[TcfPurpose, CompanyPurposes] = Field(
        {}, description="TCF purpose, 1 to 24, to the company's purposes that need its consent"
    )
    legitimate_interests: dict[TcfPurpose, CompanyPurposes] = Field(
        {}, description="TCF purpose to the company's purposes that rest on legitimate interests in it"
    )
    vendors: dict[VendorId, CompanyPurposes] = Field(
        {}, description="Id of a vendor in IAB's Global Vendor List to the company's purposes that it works for"
    )
    publisher_purposes: dict[TcfPurpose, CompanyPurposes] = Field(
        {}, description="TCF purpose to the company's purposes that need its consent in the publisher's segment"
    )
    publisher_legitimate_interests: dict[TcfPurpose, CompanyPurposes] = Field(
        {},
        description="TCF purpose to the company's purposes that rest on them in the publisher's segment",
    )
    publisher_custom_purposes: dict[CustomPurpose, CompanyPurposes] = Field(
        {}, description="Custom purpose of the publisher, 1 to 63, to the company's purposes that need its consent"
    )
    notices: dict[TcfPolicyVersion, str] = Field(
        {},
        description="TcfPolicyVersion to the notice version of the string's grants, where no other notice version is "
        "declared",
    )

    @property
    def needs(self) -> dict[str, TcfNeeds]:
        """What each purpose of the company that rests on consent needs."""
        return self._list_needs(self.purposes, self.publisher_purposes, self.publisher_custom_purposes)

    @property
    def interests(self) -> dict[str, TcfNeeds]:
        """What each purpose of the company that rests on legitimate interests needs."""
        return self._list_needs(self.legitimate_interests, self.publisher_legitimate_interests, {})

    def _list_needs(self, *mappings: dict[str, CompanyPurposes]) -> dict[str, TcfNeeds]:
        names = dict.fromkeys(name for mapping in mappings for mapped in mapping.values() for name in mapped)
        return {name: TcfNeeds(*(_keys_of(name, mapping) for mapping in (*mappings, self.vendors))) for name in names}

    @model_validator(mode="after")
    def _check_purposes(self) -> TcfMapping:
        if not self.needs and not self.interests:
            raise ValueError("needs a purpose under purposes, legitimate_interests, or one of the keys publisher_*")
        if both := sorted(self.needs.keys() & self.interests):
            raise ValueError(f"{', '.join(both)}: a purpose needs consent or rests on legitimate interests, not both")
        of_vendors = {
            name for names in (*self.purposes.values(), *self.legitimate_interests.values()) for name in names
        }
        if unknown := sorted({name for names in self.vendors.values() for name in names} - of_vendors):
            raise ValueError(f"vendors names {', '.join(unknown)}; allowed: those of purposes and legitimate_interests")
        return self


def _keys_of(name: str, mapping: dict[str, CompanyPurposes]) -> frozenset[int]:
    return frozenset(int(key) for key, names in mapping.items() if name in names)


class GppMapping(PolicyModel):
    """Objections out of a GPP string (IAB): an opt-out in any section objects, and GPC in a section is every opt-out.

    A string without opt-outs produces no consent event. An unreadable one objects to all purposes.
    """

    string: str = Field(alias="from", description="Source field of the GPP string")
    sale: tuple[str, ...] = Field((), description="The company's purposes that an opt-out of sale objects to")
    sharing: tuple[str, ...] = Field((), description="The company's purposes that an opt-out of sharing objects to")
    targeted_advertising: tuple[str, ...] = Field(
        (), description="The company's purposes that an opt-out of targeted advertising objects to"
    )

    @property
    def objections(self) -> dict[str, list[str]]:
        """Purpose of the company to the opt-outs of which any objects to it."""
        by_opt_out = {"sale": self.sale, "sharing": self.sharing, "targeted_advertising": self.targeted_advertising}
        purposes = {name: None for names in by_opt_out.values() for name in names}
        return {purpose: [key for key, names in by_opt_out.items() if purpose in names] for purpose in purposes}

    @model_validator(mode="after")
    def _require_purpose(self) -> GppMapping:
        if not self.objections:
            raise ValueError("needs a purpose under sale, sharing or targeted_advertising")
        return self


class ConsentMapping(PolicyModel):
    """One way in which the channel carries consent events: by purpose and status, or in a string `tcf` or `gpp`.

    A record without a subject, purpose or status produces no consent event.
    """

    subject_kind: ValueMapping = Field(description="email, phone, device_id, loyalty_card or account_id")
    subject_value: ValueMapping
    purposes: tuple[str, ...] = Field((), description="Purposes concerned; * for the person or contact point itself")
    purpose: ValueMapping | None = Field(None, description="Or the field that names the purpose")
    status: ValueMapping | None = None
    tcf: TcfMapping | None = None
    gpp: GppMapping | None = None
    recorded_at: str | None = Field(None, description="Source field of type timestamp; the event time where absent")
    expires_at: str | None = Field(None, description="Source field of type timestamp")
    notice_version: ValueMapping | None = None
    jurisdiction: ValueMapping | None = None
    gpc_honoured_in: tuple[Jurisdiction, ...] = Field(
        (),
        description="Jurisdictions whose law honours Global Privacy Control, as the code of a country or of its part "
        "(US-CA); in others it is not an objection. It counts where the jurisdiction is unknown. Default: everywhere",
    )
    method: ValueMapping | None = None

    @model_validator(mode="after")
    def _require_one_form(self) -> ConsentMapping:
        if [bool(self.purposes), self.purpose is not None, self.tcf is not None, self.gpp is not None].count(True) != 1:
            raise ValueError("needs one of purposes, purpose, tcf and gpp")
        if (self.status is None) != (self.tcf is not None or self.gpp is not None):
            raise ValueError("needs status with purposes or purpose, and none with tcf or gpp")
        return self

    @model_validator(mode="after")
    def _check_gpc(self) -> ConsentMapping:
        if not self.gpc_honoured_in or self.gpp is not None:
            return self
        statuses = {self.status.constant, *(self.status.map or {}).values()} - {None} if self.status else set()
        if statuses != {"objected"}:
            raise ValueError("gpc_honoured_in needs gpp, or a status that can only be objected")
        return self
