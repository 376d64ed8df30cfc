"""Where each category of data lives: which systems, in which regions, which tables, and who receives it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from cdp_pipelines.channels.field import OTHER
from cdp_pipelines.lineage.graph import column_graph, purpose_graph
from cdp_pipelines.lineage.minimise import STOPS
from cdp_pipelines.schema import TABLES, WHOLE_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.lineage.graph import ColumnGraph
    from cdp_pipelines.purposes.purpose import Purpose

# Category, kind, system, region, and the field, table or mart that holds it.
Holding = tuple[str | None, str, str, str | None, str]
LAKE, MARTS = "the lake", "published marts"


@dataclass(frozen=True, slots=True)
class StorageLocation:
    """One system, in one region, that holds data of a category: which of its fields, tables or marts do.

    `region` is None where it is not declared: a recipient without a transfer to a third country.
    """

    category: str
    kind: Literal["collected", "kept", "served", "received"]
    system: str
    region: str | None
    holds: tuple[str, ...]


def list_locations(
    contracts: Mapping[str, ChannelContract], register: Mapping[str, Purpose], region: str | None
) -> list[StorageLocation]:
    """Every place of every category, by category, kind and system; `region`: where the lake and its marts lie."""
    found: dict[tuple[str, str, str, str | None], dict[str, None]] = {}
    for category, kind, system, where, name in chain(
        _collected(contracts, region), _derived(contracts, region), _served(contracts, register, region)
    ):
        if category not in {None, OTHER, WHOLE_RECORD}:
            found.setdefault((category, kind, system, where), {})[name] = None
    order = ("collected", "kept", "served", "received")
    ordered = sorted(found, key=lambda each: (each[0], order.index(each[1]), each[2], each[3] or ""))
    return [StorageLocation(*place, tuple(sorted(found[place]))) for place in ordered]


def _collected(contracts: Mapping[str, ChannelContract], region: str | None) -> Iterator[Holding]:
    for contract in contracts.values():
        for field, column in contract.columns.items():
            category = contract.category(field)
            yield category, "collected", contract.system, contract.region, f"raw/{contract.name}.{column}"
            # A record that was refused lies there in the whole.
            for layer in ("raw", "quarantine"):
                yield category, "kept", LAKE, region, f"{layer}/{contract.name}"


def _derived(contracts: Mapping[str, ChannelContract], region: str | None) -> Iterator[Holding]:
    graph = column_graph(contracts)
    for table in TABLES.values():
        for category in {each for name in table.schema for each in list_categories(graph, f"{table.name}.{name}")}:
            yield category, "kept", LAKE, region, table.name


def _served(
    contracts: Mapping[str, ChannelContract], register: Mapping[str, Purpose], region: str | None
) -> Iterator[Holding]:
    for key, purpose in register.items():
        if not purpose.columns:
            continue
        graph, mart = purpose_graph(purpose, contracts), f"mart/{key}"
        countries = {each.recipient: each.country for each in purpose.transfers}
        columns = [name for name in graph.sources if name.startswith(f"{mart}.")]
        for category in {each for name in columns for each in list_categories(graph, name)}:
            yield category, "served", MARTS, region, mart
            for recipient in purpose.recipients:
                yield category, "received", recipient, countries.get(recipient), mart


def list_categories(graph: ColumnGraph, column: str) -> set[str | None]:
    """Data categories that a column derives from; of whose a row is and whether it may be there, see `minimise`."""
    return {path.category for path in graph.back(column, STOPS)}
