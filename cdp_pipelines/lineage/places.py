"""Where each category of data is stored: systems, regions, tables and recipients.

Here belongs the overview for people; the sources of single columns are `graph`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

from cdp_pipelines.channels.field import OTHER
from cdp_pipelines.lineage.graph import build_column_graph, build_purpose_graph
from cdp_pipelines.lineage.minimise import STOPS
from cdp_pipelines.schema import TABLES, WHOLE_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.lineage.graph import ColumnGraph
    from cdp_pipelines.purposes.purpose import Purpose

StorageKind = Literal["collected", "kept", "served", "received"]
# Category, kind, system, region, and the field, table or mart that holds it.
Holding = tuple[str | None, StorageKind, str, str | None, str]
LAKE, MARTS = "the lake", "published marts"


@dataclass(frozen=True, slots=True)
class StorageLocation:
    """One system in one region that stores data of a category, and which of its fields, tables or marts hold it.

    `region` is None where none is declared: a recipient without a transfer to a third country.
    """

    category: str
    kind: StorageKind
    system: str
    region: str | None
    holds: tuple[str, ...]


def list_locations(
    contracts: Mapping[str, ChannelContract], register: Mapping[str, Purpose], region: str | None
) -> list[StorageLocation]:
    """Every location of every category, by category, kind and system; `region`: that of the lake and its marts."""
    found: dict[tuple[str, StorageKind, str, str | None], dict[str, None]] = {}
    for category, kind, system, where, name in chain(
        _collected(contracts, region), _derived(contracts, region), _served(contracts, register, region)
    ):
        if category is not None and category not in {OTHER, WHOLE_RECORD}:
            found.setdefault((category, kind, system, where), {})[name] = None
    order = get_args(StorageKind)
    ordered = sorted(found, key=lambda each: (each[0], order.index(each[1]), each[2], each[3] or ""))
    return [StorageLocation(*place, tuple(sorted(found[place]))) for place in ordered]


def _collected(contracts: Mapping[str, ChannelContract], region: str | None) -> Iterator[Holding]:
    for contract in contracts.values():
        for field, column in contract.columns.items():
            category = contract.category(field)
            yield category, "collected", contract.system, contract.region, f"raw/{contract.name}.{column}"
            # Quarantine holds whole records.
            for layer in ("raw", "quarantine"):
                yield category, "kept", LAKE, region, f"{layer}/{contract.name}"


def _derived(contracts: Mapping[str, ChannelContract], region: str | None) -> Iterator[Holding]:
    graph = build_column_graph(contracts)
    for table in TABLES.values():
        for category in {each for name in table.schema for each in list_categories(graph, f"{table.name}.{name}")}:
            yield category, "kept", LAKE, region, table.name


def _served(
    contracts: Mapping[str, ChannelContract], register: Mapping[str, Purpose], region: str | None
) -> Iterator[Holding]:
    for key, purpose in register.items():
        if not purpose.columns:
            continue
        graph, mart = build_purpose_graph(purpose, contracts), f"mart/{key}"
        countries = {each.recipient: each.country for each in purpose.transfers}
        columns = [name for name in graph.sources if name.startswith(f"{mart}.")]
        for category in {each for name in columns for each in list_categories(graph, name)}:
            yield category, "served", MARTS, region, mart
            for recipient in purpose.recipients:
                yield category, "received", recipient, countries.get(recipient), mart


def list_categories(graph: ColumnGraph, column: str) -> set[str | None]:
    """Data categories that a column derives from, as far as the exemptions of `minimise`."""
    return {path.category for path in graph.find_paths(column, STOPS)}
