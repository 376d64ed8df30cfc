"""Source fields of a channel as its contract declares them: types, checks, categories and column names.

Field values are read in `field_value`; the mapping of fields to standard columns is in `mapping`.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Annotated, Literal

from anyascii import anyascii
from pydantic import Field, model_validator

from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import RAW_PROVENANCE

# Category of a field that describes no person by itself.
OTHER = "other"

# Columns that raw rows have of their own, or get while they are admitted.
_RESERVED_COLUMNS = {column.name for column in RAW_PROVENANCE} | {
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

    Letters of other scripts are spelt in ASCII. A reserved name gets a trailing underscore: the field `reason` is
    column `reason_`.
    """
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", field if field.isascii() else anyascii(field))
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return name + "_" if name in _RESERVED_COLUMNS else name


def list_paths(path: str) -> list[str]:
    """A list and the lists around it, from the outermost: `services[]`, `services[].purposes[]`."""
    names = path.split("[]")[:-1]
    return ["[]".join(names[: number + 1]) + "[]" for number in range(len(names))]


def path_of_list(field: str) -> str:
    """The innermost list that a field is in: `services[].purposes[]` of `services[].purposes[].name`; else empty."""
    return field[: field.rfind("[]") + 2] if "[]" in field else ""


class SourceField(PolicyModel):
    """One field as the channel delivers it, and the checks that refuse a record because of it."""

    description: str = Field(description="Meaning of the field")
    type: Literal["text", "integer", "number", "boolean", "date", "timestamp"] = Field(
        "text", description="Type in which its text is read"
    )
    required: bool = Field(False, description="A record without the field is refused")
    strict: bool = Field(False, description="A record whose field has an unreadable text is refused")
    allowed: tuple[str, ...] | None = Field(None, description="Allowed values; a record with another value is refused")
    pattern: str | None = Field(
        None, description="Regular expression for the text; a record that does not match is refused"
    )
    minimum: float | None = Field(None, description="Smallest allowed number; a record with less is refused")
    maximum: float | None = Field(None, description="Greatest allowed number; a record with more is refused")
    formats: tuple[str, ...] = Field((), description="Date formats (strftime), tried in order; or epoch_s, epoch_ms")
    zone: str = Field("UTC", description="IANA time zone of a time stamp without a zone or an offset")
    thousands: str | None = Field(None, description="Separator of thousands in numbers")
    decimal: Literal[".", ","] = Field(".", description="Sign before the decimals of numbers")
    category: str = Field(
        OTHER,
        description="Data category, e.g. identity, contact, location, behaviour, purchase; a field without a category "
        "has the category of the channel's key field",
    )

    @property
    def has_canonical_text(self) -> bool:
        """Whether several texts mean the same: of a boolean, an integer, or a field with allowed values."""
        return self.type in {"boolean", "integer"} or self.allowed is not None

    @model_validator(mode="after")
    def _require_what_belongs_together(self) -> SourceField:
        if self.type in {"date", "timestamp"} and not self.formats:
            raise ValueError(f"type {self.type} needs formats")
        if self.type not in {"integer", "number"} and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"minimum and maximum need type integer or number; found {self.type}")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}")
        return self


class EventTime(PolicyModel):
    """The time at which the recorded event happened."""

    fields: Annotated[tuple[str, ...], Field(min_length=1)] = Field(description="Source fields, joined by a space")
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Date formats (strftime), tried in order; or epoch_s, epoch_ms"
    )
    zone: str = Field("UTC", description="IANA time zone of a time stamp without a zone or an offset")
    tolerance_h: float = Field(
        24, description="Hours that it may lie after the end of its drop date; a later one is refused as future"
    )
    earliest: date = Field(
        date(1990, 1, 1), description="Earliest allowed date; an earlier one comes from a wrong unit or century"
    )
    recorded: str | None = Field(
        None,
        description="Source field with the time of recording; a grant dated later than that plus the tolerance is "
        "refused",
    )
