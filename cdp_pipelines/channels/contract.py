"""What a channel promises: the typed model behind `assets/defs/demonstration/channels/<channel>/defs.yaml`.

Here belongs everything that a company declares about one channel, and nothing that depends on a file's content.
Reading follows in `records`, checking in `rules`, mapping to the standard tables in `cdp_pipelines.standardise`.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import RAW_PROVENANCE, Column, Table, quarantine_table, raw_table

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

# A field that tells nothing of a person by itself.
OTHER = "other"
SUBJECT_KINDS = ("email", "phone", "device_id", "loyalty_card", "account_id")


# Names that a raw row or a row on its way there has of its own.
_TAKEN = {column.name for column in RAW_PROVENANCE} | {
    "is_duplicate",
    "channel",
    "event_at",
    "rule",
    "field",
    "reason",
    "fault",
    "recurs",
    "is_known",
    "is_clash",
}


@cache
def column_name(field: str) -> str:
    """Name of a source field as a column: `E-mail for receipt` is `e_mail_for_receipt`, `context.gpc` `context_gpc`.

    A name that raw rows have of their own gets an underscore behind it: the field `reason` is column `reason_`.
    """
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", field)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return name + "_" if name in _TAKEN else name


# Attributes of a mapping that name a source field as it is.
_BARE = ("birth_date", "amount", "quantity", "score", "duration", "recorded_at", "expires_at", "string")


class SourceField(PolicyModel):
    """One field as the channel delivers it, and what a record needs to be taken in."""

    description: str = Field(description="What it means")
    type: Literal["text", "integer", "number", "boolean", "date", "timestamp"] = Field(
        "text", description="How its text reads"
    )
    required: bool = Field(False, description="A record without it is refused")
    strict: bool = Field(False, description="A record in which it is there but cannot be read is refused")
    allowed: tuple[str, ...] | None = Field(None, description="Values it may have; a record with another is refused")
    pattern: str | None = Field(None, description="Regular expression that its text must match, else it is refused")
    minimum: float | None = Field(None, description="A record with less is refused")
    maximum: float | None = Field(None, description="A record with more is refused")
    formats: tuple[str, ...] = Field((), description="Date formats (strftime), tried in order; or epoch_s, epoch_ms")
    zone: str = Field("UTC", description="IANA time zone of a time stamp that carries none")
    thousands: str | None = Field(None, description="Separator of thousands in numbers")
    category: str = Field(
        OTHER,
        description="Data category, e.g. identity, contact, location, behaviour, purchase; a field without one has "
        "that of the record that it is part of, which is that of its key",
    )

    @model_validator(mode="after")
    def _has_formats(self) -> SourceField:
        if self.type in {"date", "timestamp"} and not self.formats:
            raise ValueError(f"type {self.type} needs formats")
        return self


class EventTime(PolicyModel):
    """When the thing that the record tells happened."""

    fields: Annotated[tuple[str, ...], Field(min_length=1)] = Field(description="Source fields, joined by a space")
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Date formats (strftime), tried in order; or epoch_s, epoch_ms"
    )
    zone: str = Field("UTC", description="IANA time zone of a time stamp that carries none")
    tolerance_h: float = Field(
        24, description="Hours by which it may lie after the end of its drop date; a later one is refused as future"
    )
    earliest: date = Field(date(1990, 1, 1), description="An earlier one is refused: a unit or a century went wrong")
    recorded: str | None = Field(
        None,
        description="Source field of its recording; a grant dated later, by more than the tolerance, is refused",
    )


class Value(PolicyModel):
    """How a standard field comes out of source fields. In YAML a bare string stands for `{from: that field}`."""

    from_: tuple[str, ...] = Field((), alias="from", description="Source fields; several are joined by `join`")
    join: str = Field(":", description="Between several source fields")
    match: str | None = Field(None, description="Regular expression: a value that does not match is left out")
    extract: str | None = Field(None, description="Regular expression whose first group is the value")
    map: dict[str, str] | None = Field(None, description="Source value to standard value; others are left out")
    constant: str | None = Field(None, description="The same value for every record")
    category: str | None = Field(
        None,
        description="Data category of what `extract` or `match` takes out of a field of another: an e-mail of a note",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        if isinstance(value, str):
            return {"from": (value,)}
        if isinstance(value, dict) and isinstance(value.get("from"), str):
            return {**value, "from": (value["from"],)}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors and `dg check yaml`: a bare string, or the mapping, in which `from` may be one field."""
        own = handler(core)
        fields = handler.resolve_ref_schema(own)["properties"]
        fields["from"] = {"anyOf": [{"type": "string"}, fields["from"]]}
        return {"anyOf": [{"type": "string"}, own]}

    @model_validator(mode="after")
    def _one_origin(self) -> Value:
        if bool(self.from_) == (self.constant is not None):
            raise ValueError("needs either from or constant")
        if self.category is not None and self.extract is None and self.match is None:
            raise ValueError("category needs extract or match: a whole field has the category of the field")
        return self

    def expression(self) -> pl.Expr:
        """The value as text, null where there is none, over a frame of raw columns."""
        if self.constant is not None:
            return pl.lit(self.constant, dtype=pl.String)
        columns = [pl.col(column_name(field)) for field in self.from_]
        value = columns[0] if len(columns) == 1 else pl.concat_str(columns, separator=self.join)
        if self.extract is not None:
            value = value.str.extract(self.extract, 1)
        if self.match is not None:
            value = pl.when(value.str.contains(self.match)).then(value)
        if self.map is not None:
            value = value.replace_strict(self.map, default=None, return_dtype=pl.String)
        return value


class Party(PolicyModel):
    """Which fields say something about a person. `full_name` is split into honorific, first, middle and last."""

    phone_region: str = Field("US", pattern="^[A-Z]{2}$", description="Where numbers without country code are read")
    full_name: Value | None = None
    honorific: Value | None = None
    first_name: Value | None = None
    middle_name: Value | None = None
    last_name: Value | None = None
    birth_date: str | None = Field(None, description="Source field of type date")
    email: Value | None = None
    phone: Value | None = None
    street: Value | None = None
    city: Value | None = None
    region_code: Value | None = None
    postal_code: Value | None = None
    country_code: Value | None = None
    loyalty_card: Value | None = None
    device_id: Value | None = None
    advertising_id: Value | None = None
    serial: Value | None = None
    handle: Value | None = None
    account_id: Value | None = None


class Interaction(PolicyModel):
    """What happened. Amounts are read in the currency's major unit and kept in minor units."""

    type: Value = Field(description="order, refund, receipt, event, call, post, survey, reading or visit")
    name: tuple[Value, ...] = Field((), description="What it was within its type: the first that is there")
    amount: str | None = Field(None, description="Source field of type number")
    currency_code: Value | None = None
    refund_when_negative: bool = Field(False, description="A negative amount makes the record a refund")
    negative_types: tuple[str, ...] = Field((), description="Types whose amounts come without sign and went back")
    quantity: str | None = Field(None, description="Source field of type integer")
    score: str | None = Field(None, description="Source field of type number")
    duration: str | None = Field(None, description="Source field of type number")
    duration_unit: Literal["s", "min"] = "s"
    location_code: Value | None = None
    detail: Value | None = None

    def may_be(self, type_: str) -> bool:
        """Whether a record of the channel can be an interaction of this type."""
        told = {self.type.constant} if self.type.constant is not None else {*(self.type.map or {type_: type_}).values()}
        return type_ in told or (type_ == "refund" and self.refund_when_negative)


TcfPurpose = Annotated[str, Field(pattern=r"^([1-9]|1\d|2[0-4])$")]
TcfPolicyVersion = Annotated[str, Field(pattern=r"^([0-9]|[1-5]\d|6[0-3])$")]


class Tcf(PolicyModel):
    """Wills in a TC string (IAB TCF v2): a purpose of ours is granted if all TCF purposes that name it are consented.

    Otherwise it is denied. A string that cannot be read tells no will.
    """

    string: str = Field(alias="from", description="Source field of the TC string, or of a GPP string that carries one")
    purposes: dict[TcfPurpose, tuple[str, ...]] = Field(
        min_length=1, description="TCF purpose, 1 to 24, to the purposes of ours that need its consent"
    )
    notices: dict[TcfPolicyVersion, str] = Field(
        {}, description="TcfPolicyVersion to the notice version that its grants were given on, where no other is told"
    )

    @property
    def needs(self) -> dict[str, list[int]]:
        """Each purpose of ours with the TCF purposes that it needs."""
        ours = {name: None for names in self.purposes.values() for name in names}
        return {name: [int(key) for key, names in self.purposes.items() if name in names] for name in ours}


class Gpp(PolicyModel):
    """Objections in a GPP string (IAB): what a section opts out of, in any of them; its GPC opts out of all of it.

    Not to have opted out tells nothing. A string that cannot be read tells no will.
    """

    string: str = Field(alias="from", description="Source field of the GPP string")
    sale: tuple[str, ...] = Field((), description="Purposes of ours that an opt-out of sale objects to")
    sharing: tuple[str, ...] = Field((), description="Purposes of ours that an opt-out of sharing objects to")
    targeted_advertising: tuple[str, ...] = Field(
        (), description="Purposes of ours that an opt-out of targeted advertising objects to"
    )

    @property
    def objections(self) -> dict[str, list[str]]:
        """Each purpose of ours with the opt-outs of which any objects to it."""
        by_opt_out = {"sale": self.sale, "sharing": self.sharing, "targeted_advertising": self.targeted_advertising}
        ours = {name: None for names in by_opt_out.values() for name in names}
        return {name: [key for key, names in by_opt_out.items() if name in names] for name in ours}

    @model_validator(mode="after")
    def _names_a_purpose(self) -> Gpp:
        if not self.objections:
            raise ValueError("needs a purpose under sale, sharing or targeted_advertising")
        return self


class Consent(PolicyModel):
    """One way in which the channel carries a will: by purpose and status, or in an industry string `tcf` or `gpp`.

    A record without subject, purpose or status carries none.
    """

    subject_kind: Value = Field(description="email, phone, device_id, loyalty_card or account_id")
    subject_value: Value
    purposes: tuple[str, ...] = Field((), description="Purposes concerned; * for the person or contact point itself")
    purpose: Value | None = Field(None, description="Or the field that names the purpose")
    status: Value | None = None
    tcf: Tcf | None = None
    gpp: Gpp | None = None
    recorded_at: str | None = Field(None, description="Source field of type timestamp; the event time where absent")
    expires_at: str | None = Field(None, description="Source field of type timestamp")
    notice_version: Value | None = None
    jurisdiction: Value | None = None
    method: Value | None = None

    @model_validator(mode="after")
    def _one_purpose(self) -> Consent:
        if [bool(self.purposes), self.purpose is not None, self.tcf is not None, self.gpp is not None].count(True) != 1:
            raise ValueError("needs one of purposes, purpose, tcf and gpp")
        if (self.status is None) != (self.tcf is not None or self.gpp is not None):
            raise ValueError("needs status with purposes or purpose, and none with tcf or gpp")
        return self


class Preference(PolicyModel):
    """How a person wants to be reached."""

    email: Value
    preferred_channel: Value
    language_code: Value
    quiet_hours: Value = Field(description="As hour-hour, e.g. 22-07")
    max_per_week: Value


class PrivacyRequest(PolicyModel):
    """A request of a data subject."""

    kind: Value
    subject_kind: Value
    subject_value: Value
    detail: Value | None = None


class ChannelContract(PolicyModel):
    """Everything a company declares about one channel."""

    key_: str = Field("", exclude=True, description="The channel's name: that of its folder")
    title: str = Field(description="What it is, for people")
    description: str = Field("", description="Where it comes from and what is odd about it")
    owner: str = Field(description="Who answers for it: an e-mail, or team:name")
    system: str = Field(min_length=1, description="The system that holds what it delivers")
    region: str = Field(
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
        description="Where that system keeps it: ISO 3166 code of the country, or of a part of it",
    )
    files: str = Field(description="File name in a drop folder, with * and ? as in a shell")
    format: Literal["csv", "ndjson", "json_array", "parquet"]
    compression: Literal["none", "gzip"] = "none"
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    delimiter: str = Field(",", min_length=1, max_length=1, description="Of CSV")
    records: Literal["event", "state"] = Field(
        "event",
        description="event: an id is told once, another content under it is refused; "
        "state: a later record of the same id is its newer state",
    )
    key: str = Field(description="Source field that identifies a record within the channel")
    event_time: EventTime
    fields: dict[str, SourceField] = Field(description="Every field of the source, by its name there; a.b where nested")
    notice: Value | None = Field(None, description="Version of the privacy notice under which it was collected")
    collected_for: tuple[str, ...] = Field(description="Purposes for which the channel collects")
    retention: str = Field(pattern=r"^P(\d+Y)?(\d+M)?(\d+D)?$", description="ISO 8601 duration from the event time")
    party: Party | None = None
    interaction: Interaction | None = None
    consents: tuple[Consent, ...] = ()
    preference: Preference | None = None
    privacy_request: PrivacyRequest | None = None

    @field_validator("fields")
    @classmethod
    def _distinct_columns(cls, fields: dict[str, SourceField]) -> dict[str, SourceField]:
        seen: dict[str, str] = {}
        for name in fields:
            if (other := seen.setdefault(column_name(name), name)) != name:
                raise ValueError(f"{other!r} and {name!r} would both be column {column_name(name)!r}")
        return fields

    @model_validator(mode="after")
    def _names_declared_fields(self) -> ChannelContract:
        declared = ", ".join(self.fields)
        for used, where in self._used():
            if used not in self.fields:
                raise ValueError(f"{where} names field {used!r}, which is not declared; there are: {declared}")
        return self

    def _used(self) -> list[tuple[str, str]]:
        used = [(self.key, "key"), *((name, "event_time") for name in self.event_time.fields)]
        if self.event_time.recorded is not None:
            used.append((self.event_time.recorded, "event_time.recorded"))

        def walk(value: object, where: str) -> None:
            if isinstance(value, Value):
                used.extend((name, where) for name in value.from_)
            elif isinstance(value, PolicyModel):
                for name in type(value).model_fields:
                    walk(getattr(value, name), f"{where}.{name}")
                used.extend(
                    (field, f"{where}.{name}") for name in _BARE if isinstance(field := getattr(value, name, None), str)
                )
            elif isinstance(value, tuple):
                for index, item in enumerate(value):
                    walk(item, f"{where}[{index}]")

        for name in ("party", "interaction", "consents", "preference", "privacy_request", "notice"):
            walk(getattr(self, name), name)
        return used

    @property
    def columns(self) -> dict[str, str]:
        """Source field to raw column, in declared order."""
        return {field: column_name(field) for field in self.fields}

    @property
    def privacy_strings(self) -> list[str]:
        """Raw columns that hold TC or GPP strings."""
        strings = (way.string for will in self.consents for way in (will.tcf, will.gpp) if way is not None)
        return [column_name(field) for field in dict.fromkeys(strings)]

    def category(self, field: str) -> str:
        """Data category of a field; of one that has none, that of its record: an order's time is of the order."""
        own = self.fields[field].category
        return own if own != OTHER else self.fields[self.key].category

    def may_grant(self, purpose: str) -> bool:
        """Whether a record of the channel can carry a grant of the purpose that counts: one that names its notice."""
        proven = [will for will in self.consents if will.notice_version is not None or (will.tcf and will.tcf.notices)]
        return any(names is None or purpose in names for names in map(self._granted, proven))

    def _granted(self, consent: Consent) -> tuple[str, ...] | None:
        """Purposes that a will may be about; None where the field that names them may hold any."""
        if consent.purpose is None:
            return (*consent.purposes, *(consent.tcf.needs if consent.tcf else ()))
        if consent.purpose.map is not None:
            return tuple(consent.purpose.map.values())
        return self.fields[consent.purpose.from_[0]].allowed if len(consent.purpose.from_) == 1 else None

    @property
    def raw(self) -> Table:
        """The table `raw/<channel>`."""
        return raw_table(
            self.key_,
            self.title,
            [
                Column(
                    column_name(name),
                    pl.String(),
                    f"{field.description} (field {name!r}, category {field.category})",
                    is_personal=field.category != OTHER,
                )
                for name, field in self.fields.items()
            ],
        )

    @property
    def quarantine(self) -> Table:
        """The table `quarantine/<channel>`."""
        return quarantine_table(self.key_, self.title)


def load_contract(key: str, attributes: object, file: str) -> ChannelContract:
    """A contract from the `attributes` of a `defs.yaml`; `PolicyError` names file, field, what is wrong and allowed."""
    try:
        return ChannelContract.model_validate(attributes).model_copy(update={"key_": key})
    except ValidationError as error:
        raise PolicyError.from_validation(file, error) from None


def load_contracts(folder: Path) -> dict[str, ChannelContract]:
    """All channels of a `channels/` folder by name, in order of their names."""
    return {
        path.parent.name: load_contract(
            path.parent.name, (yaml.safe_load(path.read_text()) or {}).get("attributes"), str(path)
        )
        for path in sorted(folder.glob("*/defs.yaml"))
    }
