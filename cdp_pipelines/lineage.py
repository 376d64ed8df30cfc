"""Column lineage from raw fields: which raw columns, in which channels, a standard column comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cdp_pipelines.channel.contract import Gpp, Tcf, Value, column_name
from cdp_pipelines.standardise.parse import NAME_PARTS
from cdp_pipelines.tables import CONSENT_EVENT, INTERACTION, PARTY, PREFERENCE, PRIVACY_REQUEST, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdp_pipelines.channel.contract import ChannelContract

# Where a standard column is mapped under another name than its own.
_MAPPED_AS = {
    INTERACTION.name: {"interaction_type": ("type",), "amount_minor": ("amount",), "duration_s": ("duration",)},
    PARTY.name: {name: (name, "full_name") for name in NAME_PARTS},
    CONSENT_EVENT.name: {
        "purpose": ("purpose", "tcf", "gpp"),
        "status": ("status", "tcf", "gpp"),
        "notice_version": ("notice_version", "tcf"),
    },
    PREFERENCE.name: {"quiet_from": ("quiet_hours",), "quiet_until": ("quiet_hours",)},
}
_BLOCK = {
    PARTY.name: "party",
    INTERACTION.name: "interaction",
    PREFERENCE.name: "preference",
    PRIVACY_REQUEST.name: "privacy_request",
    CONSENT_EVENT.name: "consents",
}
_OF_EVENT_TIME = {"observed_at", "occurred_at", "event_at", "updated_at", "received_at"}
_OF_RAW = {"drop_date", "ingested_at"}


def with_raw_sources(table: Table, contracts: Iterable[ChannelContract]) -> Table:
    """A standard table whose columns name the raw columns they come from, as `raw/<channel>.<column>`."""
    contracts = list(contracts)
    columns = []
    for column in table.columns:
        sources = {
            f"{contract.raw.name}.{name}": None
            for contract in contracts
            for name in _raw_columns(table.name, column.name, contract)
        }
        columns.append(replace(column, sources=tuple(sources)))
    return replace(table, columns=tuple(columns))


def _raw_columns(table: str, column: str, contract: ChannelContract) -> list[str]:
    if column in _OF_RAW:
        return [column]
    if column in {"source_record_id", "event_id"}:
        return [column_name(contract.key)]
    if column in _OF_EVENT_TIME:
        return [column_name(field) for field in contract.event_time.fields]
    if column == "defects":
        parts = [name for part in ("birth_date", "email", "phone") for name in _raw_columns(table, part, contract)]
        return [*parts, *contract.privacy_strings]
    blocks = getattr(contract, _BLOCK[table])
    names = _MAPPED_AS.get(table, {}).get(column, (column,))
    return [
        column_name(field)
        for block in (blocks if isinstance(blocks, tuple) else (blocks,))
        if block is not None
        for name in names
        for field in _fields(getattr(block, name, None))
    ]


def _fields(mapped: object) -> tuple[str, ...]:
    if isinstance(mapped, Value):
        return mapped.from_
    if isinstance(mapped, (Tcf, Gpp)):
        return (mapped.string,)
    if isinstance(mapped, str):
        return (mapped,)
    if isinstance(mapped, tuple):
        return tuple(field for item in mapped if isinstance(item, Value) for field in item.from_)
    return ()
