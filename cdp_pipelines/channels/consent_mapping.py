"""Mapping of source fields to consent events: by purpose and status, or out of an industry string (TCF, GPP).

The strings themselves are decoded in `cdp_pipelines.standardise.privacy_string`; other mappings are in `mapping`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cdp_pipelines.channels.mapping import ValueMapping
from cdp_pipelines.policy import PolicyModel

TcfPurpose = Annotated[str, Field(pattern=r"^([1-9]|1\d|2[0-4])$")]
TcfPolicyVersion = Annotated[str, Field(pattern=r"^([0-9]|[1-5]\d|6[0-3])$")]


class TcfMapping(PolicyModel):
    """Consent events out of a TC string (IAB TCF v2).

    A purpose of the company is granted if the string consents to all TCF purposes that are mapped to it, and denied
    otherwise. An unreadable string produces no consent event.
    """

    string: str = Field(alias="from", description="Source field with the TC string, or with a GPP string around it")
    purposes: dict[TcfPurpose, tuple[str, ...]] = Field(
        min_length=1, description="TCF purpose, 1 to 24, to the company's purposes that need its consent"
    )
    notices: dict[TcfPolicyVersion, str] = Field(
        {},
        description="TcfPolicyVersion to the notice version of the string's grants, where no other notice version is "
        "declared",
    )

    @property
    def needs(self) -> dict[str, list[int]]:
        """Purpose of the company to the TCF purposes that it needs."""
        purposes = {name: None for names in self.purposes.values() for name in names}
        return {purpose: [int(key) for key, names in self.purposes.items() if purpose in names] for purpose in purposes}


class GppMapping(PolicyModel):
    """Objections out of a GPP string (IAB): an opt-out in any section objects, and GPC in a section is every opt-out.

    A string without opt-outs produces no consent event; neither does an unreadable string.
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
    method: ValueMapping | None = None

    @model_validator(mode="after")
    def _require_one_form(self) -> ConsentMapping:
        if [bool(self.purposes), self.purpose is not None, self.tcf is not None, self.gpp is not None].count(True) != 1:
            raise ValueError("needs one of purposes, purpose, tcf and gpp")
        if (self.status is None) != (self.tcf is not None or self.gpp is not None):
            raise ValueError("needs status with purposes or purpose, and none with tcf or gpp")
        return self
