"""Mapping of source fields to standard columns: single values, party, interaction, preference and privacy request.

Consent events have a mapping of their own (`consent_mapping`); the source fields themselves are declared in `field`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field, model_validator

from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.words import translate_words
from cdp_pipelines.policy import PolicyModel

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class ValueMapping(PolicyModel):
    """How a standard value comes out of source fields. In YAML a bare string stands for `{from: that field}`."""

    from_: tuple[str, ...] = Field((), alias="from", description="Source fields; several are joined by `join`")
    join: str = Field(":", description="Separator between several source fields")
    match: str | None = Field(None, description="Regular expression; a value that does not match becomes null")
    extract: str | None = Field(None, description="Regular expression whose first group is the value")
    map: dict[str, str] | None = Field(None, description="Source value to standard value; other values become null")
    constant: str | None = Field(None, description="The same value for every record")
    category: str | None = Field(
        None,
        description="Data category of the part that `extract` or `match` selects from a field of another category, "
        "e.g. an e-mail in a note",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_bare_field(cls, value: object) -> object:
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
    def _require_one_origin(self) -> ValueMapping:
        if bool(self.from_) == (self.constant is not None):
            raise ValueError("needs either from or constant")
        if self.category is not None and self.extract is None and self.match is None:
            raise ValueError("category needs extract or match: a whole field has the category of the field")
        return self

    def expression(self) -> pl.Expr:
        """The value as text over a frame of raw columns; null where the record has none."""
        if self.constant is not None:
            return pl.lit(self.constant, dtype=pl.String)
        columns = [_without_blank(pl.col(column_name(field))) for field in self.from_]
        value = columns[0] if len(columns) == 1 else pl.concat_str(columns, separator=self.join)
        if self.extract is not None:
            value = value.str.extract(self.extract, 1)
        if self.match is not None:
            value = pl.when(value.str.contains(self.match)).then(value)
        if self.map is not None:
            value = translate_words(value, self.map)
        return value


def _without_blank(text: pl.Expr) -> pl.Expr:
    """The text, null where it has nothing but blanks."""
    return pl.when(text.str.strip_chars() != "").then(text)


class FullNameMapping(ValueMapping):
    """How a full name comes out of source fields, and how its source writes titles."""

    title_before: Literal["full_name", "family_name"] = Field(
        "full_name",
        description="What follows Mr, Mrs and the like: a full name (Mrs Ana Popa), or a family name (Mrs Lopez "
        "Garcia). One word alone is a family name",
    )


class PartyMapping(PolicyModel):
    """Fields that describe a person. `full_name` is split into honorific, first, middle and last name."""

    full_name: FullNameMapping | None = None
    honorific: ValueMapping | None = None
    first_name: ValueMapping | None = None
    middle_name: ValueMapping | None = None
    last_name: ValueMapping | None = None
    birth_date: str | None = Field(None, description="Source field of type date")
    email: ValueMapping | None = None
    phone: ValueMapping | None = None
    street: ValueMapping | None = None
    city: ValueMapping | None = None
    region_code: ValueMapping | None = None
    postal_code: ValueMapping | None = None
    country_code: ValueMapping | None = None
    loyalty_card: ValueMapping | None = None
    device_id: ValueMapping | None = None
    advertising_id: ValueMapping | None = None
    serial: ValueMapping | None = None
    handle: ValueMapping | None = None
    account_id: ValueMapping | None = None


class InteractionMapping(PolicyModel):
    """Fields that describe an interaction. Amounts are read in the currency's major unit and stored in minor units."""

    type: ValueMapping = Field(description="order, refund, receipt, event, call, post, survey, reading or visit")
    name: tuple[ValueMapping, ...] = Field((), description="Name within the type: the first value that is not null")
    amount: str | None = Field(None, description="Source field of type number")
    currency_code: ValueMapping | None = None
    refund_when_negative: bool = Field(False, description="A negative amount makes the record a refund")
    negative_types: tuple[str, ...] = Field(
        (), description="Types whose unsigned amounts were paid back, and are stored as negative amounts"
    )
    quantity: str | None = Field(None, description="Source field of type integer")
    score: str | None = Field(None, description="Source field of type number")
    duration: str | None = Field(None, description="Source field of type number")
    duration_unit: Literal["s", "min"] = "s"
    location_code: ValueMapping | None = None
    detail: ValueMapping | None = None

    def can_be(self, interaction_type: str) -> bool:
        """Whether a record of the channel can be an interaction of this type."""
        if self.type.constant is not None:
            types = {self.type.constant}
        else:
            types = {*(self.type.map or {interaction_type: interaction_type}).values()}
        return interaction_type in types or (interaction_type == "refund" and self.refund_when_negative)


class PreferenceMapping(PolicyModel):
    """Fields with the way in which a person wants to be contacted."""

    email: ValueMapping
    preferred_channel: ValueMapping
    language_code: ValueMapping
    quiet_hours: ValueMapping = Field(description="As hour-hour, e.g. 22-07")
    max_per_week: ValueMapping


class PrivacyRequestMapping(PolicyModel):
    """Fields of a data subject's request."""

    kind: ValueMapping
    subject_kind: ValueMapping
    subject_value: ValueMapping
    detail: ValueMapping | None = None
