"""From raw fields to standard columns: the raw columns of each channel that a standard column comes from.

Here belongs the reading of contracts for lineage; the graph over all tables is `graph`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cdp_pipelines.channels.consent_mapping import GppMapping, TcfMapping
from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.mapping import ValueMapping
from cdp_pipelines.schema import (
    CONSENT_EVENT,
    INTERACTION,
    PARTY,
    PREFERENCE,
    PRIVACY_REQUEST,
    UNNAMED_STATEMENT,
    Table,
)
from cdp_pipelines.standardise.parse import NAME_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdp_pipelines.channels.contract import ChannelContract

_OF_STATEMENT: dict[str, tuple[str, ...]] = {
    "purpose": ("purpose", "tcf", "gpp"),
    "status": ("status", "tcf", "gpp"),
    "notice_version": ("notice_version", "tcf"),
}
# Names in the contract of standard columns that are mapped under other names than their own.
_MAPPED_AS: dict[str, dict[str, tuple[str, ...]]] = {
    INTERACTION.name: {"interaction_type": ("type",), "amount_minor": ("amount",), "duration_s": ("duration",)},
    PARTY.name: {name: (name, "full_name") for name in NAME_PARTS},
    CONSENT_EVENT.name: _OF_STATEMENT,
    UNNAMED_STATEMENT.name: _OF_STATEMENT,
    PREFERENCE.name: {"quiet_from": ("quiet_hours",), "quiet_until": ("quiet_hours",)},
}
# The block of a contract that feeds each standard table.
FED_BY = {
    PARTY.name: "party",
    INTERACTION.name: "interaction",
    PREFERENCE.name: "preference",
    PRIVACY_REQUEST.name: "privacy_request",
    CONSENT_EVENT.name: "consents",
    UNNAMED_STATEMENT.name: "consents",
}
_OF_EVENT_TIME = {"observed_at", "occurred_at", "event_at", "updated_at", "received_at"}
_OF_RAW = {"drop_date", "ingested_at"}


def with_raw_sources(table: Table, contracts: Iterable[ChannelContract]) -> Table:
    """A standard table with the raw columns of these channels as sources, as `raw/<channel>.<column>`."""
    contracts = list(contracts)
    columns = []
    for column in table.columns:
        sources = {name: None for each in contracts for name in find_raw_origins(table.name, column.name, each)}
        columns.append(replace(column, sources=tuple(sources)))
    return replace(table, columns=tuple(columns))


def find_raw_origins(table: str, column: str, contract: ChannelContract) -> dict[str, str | None]:
    """Raw columns of a channel that a column of a standard table comes from, each with its data category.

    None for time and manner of the delivery.
    """
    if column in _OF_RAW:
        return {f"raw/{contract.name}.{column}": None}
    return {
        f"raw/{contract.name}.{column_name(field)}": category or contract.category(field)
        for field, category in _origins(table, column, contract)
    }


def _origins(table: str, column: str, contract: ChannelContract) -> list[tuple[str, str | None]]:
    """Source fields, each with the category that the mapping declares for the part that it takes."""
    if column in {"source_record_id", "event_id"}:
        return [(contract.key, None)]
    if column in _OF_EVENT_TIME:
        return [(field, None) for field in contract.event_time.fields]
    if column == "defects":
        parts = [each for part in ("birth_date", "email", "phone") for each in _origins(table, part, contract)]
        field_of = {name: field for field, name in contract.columns.items()}
        return [*parts, *((field_of[name], None) for name in contract.privacy_strings)]
    blocks = getattr(contract, FED_BY[table])
    names = _MAPPED_AS.get(table, {}).get(column, (column,))
    return [
        origin
        for block in (blocks if isinstance(blocks, tuple) else (blocks,))
        if block is not None
        for name in names
        for origin in _fields(getattr(block, name, None))
    ]


def _fields(mapped: object) -> list[tuple[str, str | None]]:
    if isinstance(mapped, ValueMapping):
        return [(field, mapped.category) for field in mapped.from_]
    if isinstance(mapped, (TcfMapping, GppMapping)):
        return [(mapped.string, None)]
    if isinstance(mapped, str):
        return [(mapped, None)]
    if isinstance(mapped, tuple):
        return [origin for item in mapped if isinstance(item, ValueMapping) for origin in _fields(item)]
    return []
