"""The contract of a channel: the typed model behind `channels/<channel>/defs.yaml` of a company.

Here belongs the contract as a whole, with its tables and its checks across fields and mappings. Its parts are in
`field`, `mapping` and `consent_mapping`; nothing here depends on a file's content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field, ValidationError, field_validator, model_validator

from cdp_pipelines.channels.completeness import Completeness
from cdp_pipelines.channels.consent_mapping import ConsentMapping
from cdp_pipelines.channels.continuity import Continuity
from cdp_pipelines.channels.field import OTHER, EventTime, SourceField, column_name, list_paths, path_of_list
from cdp_pipelines.channels.formats.encoding import is_text_encoding
from cdp_pipelines.channels.mapping import (
    InteractionMapping,
    PartyMapping,
    PreferenceMapping,
    PrivacyRequestMapping,
    ValueMapping,
)
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.policy import PolicyModel, read_yaml
from cdp_pipelines.schema import Column, Table, quarantine_table, raw_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Keys of a mapping whose value is the name of a source field.
_FIELD_NAME_KEYS = ("birth_date", "amount", "quantity", "score", "duration", "recorded_at", "expires_at", "string")


class ChannelContract(PolicyModel):
    """Everything that a company declares about one channel."""

    name: str = Field("", exclude=True, description="Name of the channel: the name of its folder")
    title: str = Field(description="Title for readers")
    description: str = Field("", description="Origin of the data, and its peculiarities")
    owner: str = Field(description="Who answers for the channel: an e-mail, or team:name")
    phone_region: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="ISO 3166-1 alpha-2 country of phone numbers without a country code. Default: the company's",
    )
    system: str = Field(min_length=1, description="Source system that stores the delivered data")
    region: str = Field(
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
        description="Place of the source system: ISO 3166 code of the country, or of a part of it",
    )
    files: str = Field(description="File name in a drop folder, with * and ? as in a shell")
    format: Literal["csv", "ndjson", "json_array", "parquet"]
    compression: Literal["none", "gzip"] = "none"
    encoding: str = Field(
        "utf-8", description="Encoding of the text, by its name in Python, such as cp1252, or auto: found in each file"
    )
    largest_file: int = Field(
        1 << 32, ge=1, description="Bytes of a file after decompression, at most; a file that has more is refused"
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="Separator of fields in CSV")
    quote: str | None = Field('"', min_length=1, max_length=1, description="Quote of CSV; null where there is none")
    escape: str | None = Field(
        None, min_length=1, max_length=1, description="Character of CSV that takes the next one literally"
    )
    skip_initial_space: bool = Field(False, description="Blanks behind a delimiter of CSV do not belong to the value")
    null_tokens: tuple[str, ...] = Field((), description="Values of CSV that stand for no value, such as NULL")
    longest_field: int = Field(
        1 << 24, ge=1, description="Characters of a field in CSV, at most; a record with a longer one is refused"
    )
    records: Literal["event", "state"] = Field(
        "event",
        description="event: an id is delivered once, other content under a known id is refused; "
        "state: a later record of the same id is its newer state",
    )
    key: str = Field(description="Source field that identifies a record within the channel")
    one_row_per: str | None = Field(
        None,
        pattern=r"^[^\[\]]+\[\](\.[^\[\]]+\[\])*$",
        description="List of which each element is a row of its own, e.g. purposes[], or services[].purposes[] for a "
        "list within a list; its fields are declared as purposes[].name, or purposes[] for the element itself",
    )
    event_time: EventTime
    fields: dict[str, SourceField] = Field(
        description="Every field of the source, by its name there; a nested field as parent.child"
    )
    continuity: Continuity | None = Field(
        None,
        description="How a missing file is noticed; grants after a gap do not count until it is closed",
    )
    complete_when: Completeness | None = Field(
        None, description="How a half-written file is noticed; it waits for the next run that finds it whole"
    )
    notice: ValueMapping | None = Field(
        None, description="Version of the privacy notice under which the data was collected"
    )
    collected_for: tuple[str, ...] = Field(description="Purposes for which the channel collects")
    retention: str = Field(pattern=r"^P(\d+Y)?(\d+M)?(\d+D)?$", description="ISO 8601 duration from the event time")
    party: PartyMapping | None = None
    interaction: InteractionMapping | None = None
    consents: tuple[ConsentMapping, ...] = ()
    preference: PreferenceMapping | None = None
    privacy_request: PrivacyRequestMapping | None = None

    @field_validator("encoding")
    @classmethod
    def _is_known_encoding(cls, encoding: str) -> str:
        if not is_text_encoding(encoding):
            raise ValueError(f"found {encoding!r}; allowed: auto, or a text encoding of Python, such as cp1252")
        return encoding

    @model_validator(mode="after")
    def _require_distinct_signs(self) -> ChannelContract:
        signs = [sign for sign in (self.delimiter, self.quote, self.escape) if sign is not None]
        if len(set(signs)) < len(signs) or not {"\n", "\r"}.isdisjoint(signs):
            raise ValueError(f"delimiter, quote and escape must be three different signs; found {signs}")
        return self

    @field_validator("fields")
    @classmethod
    def _require_distinct_columns(cls, fields: dict[str, SourceField]) -> dict[str, SourceField]:
        field_of: dict[str, str] = {}
        for name in fields:
            if (other := field_of.setdefault(column_name(name), name)) != name:
                raise ValueError(f"{other!r} and {name!r} would both be column {column_name(name)!r}")
        return fields

    @model_validator(mode="after")
    def _require_declared_fields(self) -> ChannelContract:
        for field, key in self._list_used_fields():
            if field not in self.fields:
                raise ValueError(
                    f"{key} names field {field!r}, which is not declared; there are: {', '.join(self.fields)}"
                )
        return self

    @model_validator(mode="after")
    def _require_one_list(self) -> ChannelContract:
        lists = list_paths(self.one_row_per) if self.one_row_per else []
        for field in self.fields:
            if "[]" in field and path_of_list(field) not in lists:
                allowed = ", ".join(lists) or "none"
                raise ValueError(f"field {field!r} is in list {path_of_list(field)}; one_row_per allows: {allowed}")
        if self.one_row_per is None:
            return self
        if self.format == "csv":
            raise ValueError("one_row_per needs format ndjson, json_array or parquet: a cell of CSV has no elements")
        if self.one_row_per not in map(path_of_list, self.fields):
            raise ValueError(f"one_row_per names list {self.one_row_per}, but no field in it is declared")
        head = lists[0].removesuffix("[]")
        if column_name(head) in {column_name(field) for field in self.fields if "[]" not in field}:
            raise ValueError(f"{head!r} is the list of one_row_per and cannot be a field or the column of one")
        return self

    def _list_used_fields(self) -> list[tuple[str, str]]:
        """(source field, key of the contract that names it)."""
        used = [(self.key, "key"), *((name, "event_time") for name in self.event_time.fields)]
        if self.event_time.recorded is not None:
            used.append((self.event_time.recorded, "event_time.recorded"))
        for key in ("party", "interaction", "consents", "preference", "privacy_request", "notice"):
            used.extend(_walk_fields(getattr(self, key), key))
        return used

    @property
    def columns(self) -> dict[str, str]:
        """Source field to raw column, in declared order."""
        return {field: column_name(field) for field in self.fields}

    @property
    def with_whole_list(self) -> ChannelContract:
        """The contract of the records before they are split by `one_row_per`: the list is one field."""
        if self.one_row_per is None:
            return self
        head = list_paths(self.one_row_per)[0].removesuffix("[]")
        outside = {name: field for name, field in self.fields.items() if "[]" not in name}
        inside = [field for name, field in self.fields.items() if "[]" in name]
        needed = any(field.required for field in inside) or "[]" in "".join((self.key, *self.event_time.fields))
        whole = SourceField.model_validate({"description": "List of one_row_per", "required": needed})
        return self.model_copy(update={"one_row_per": None, "fields": {**outside, head: whole}})

    @property
    def has_numbered_rows(self) -> bool:
        """Whether the rows of one record share its key and differ by a number: `r1#1`, `r1#2`."""
        return self.one_row_per is not None and "[]" not in self.key

    @property
    def consent_fields(self) -> set[str]:
        """Source fields that consent events are read from."""
        return {field for field, _ in _walk_fields(self.consents, "consents")}

    @property
    def privacy_strings(self) -> list[str]:
        """Raw columns that hold TC or GPP strings."""
        strings = (form.string for consent in self.consents for form in (consent.tcf, consent.gpp) if form is not None)
        return [column_name(field) for field in dict.fromkeys(strings)]

    def category(self, field: str) -> str:
        """Data category of a field; a field without one has the category of the key field."""
        own = self.fields[field].category
        return own if own != OTHER else self.fields[self.key].category

    def can_grant(self, purpose: str) -> bool:
        """Whether a record of the channel can carry an effective grant of the purpose: one that names its notice."""
        proven = [
            consent
            for consent in self.consents
            if consent.notice_version is not None or (consent.tcf and consent.tcf.notices)
        ]
        return any(names is None or purpose in names for names in map(self._list_purposes, proven))

    def _list_purposes(self, consent: ConsentMapping) -> tuple[str, ...] | None:
        """Purposes that a consent event may be about; None where the field that names them may hold any."""
        if consent.purpose is None:
            return (*consent.purposes, *(consent.tcf.needs if consent.tcf else ()))
        if consent.purpose.map is not None:
            return tuple(consent.purpose.map.values())
        return self.fields[consent.purpose.from_[0]].allowed if len(consent.purpose.from_) == 1 else None

    @property
    def raw(self) -> Table:
        """The table `raw/<channel>`."""
        return raw_table(
            self.name,
            self.title,
            [
                Column(
                    column_name(name),
                    pl.String(),
                    f"{field.description} (field {name!r}, category {field.category})",
                    is_personal=field.category != OTHER,
                    category=self.category(name),
                )
                for name, field in self.fields.items()
            ],
            self.category(self.key),
        )

    @property
    def quarantine(self) -> Table:
        """The table `quarantine/<channel>`."""
        return quarantine_table(self.name, self.title)


def _walk_fields(value: object, key: str) -> Iterator[tuple[str, str]]:
    """(source field, key that names it) of a mapping and everything in it."""
    if isinstance(value, ValueMapping):
        yield from ((name, key) for name in value.from_)
    elif isinstance(value, PolicyModel):
        for name in type(value).model_fields:
            yield from _walk_fields(getattr(value, name), f"{key}.{name}")
        for name in _FIELD_NAME_KEYS:
            if isinstance(field := getattr(value, name, None), str):
                yield field, f"{key}.{name}"
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk_fields(item, f"{key}[{index}]")


def load_contract(name: str, attributes: object, file: str) -> ChannelContract:
    """The contract of the channel `name` from the `attributes` of its `defs.yaml`.

    `PolicyError` names the file, the field, what was found and what is allowed.
    """
    try:
        return ChannelContract.model_validate(attributes).model_copy(update={"name": name})
    except ValidationError as error:
        raise PolicyError.from_validation(file, error) from None


def load_contracts(folder: Path, phone_region: str) -> dict[str, ChannelContract]:
    """All channels of a `channels/` folder by name, in order of their names.

    `phone_region`: of the company, for channels that do not declare their own.
    """
    contracts = {}
    for path in sorted(folder.glob("*/defs.yaml")):
        attributes = (read_yaml(path) or {}).get("attributes")
        contract = load_contract(path.parent.name, attributes, str(path))
        region = contract.phone_region or phone_region
        contracts[path.parent.name] = contract.model_copy(update={"phone_region": region})
    return contracts
