"""The graph of columns: from any column back to the raw fields that it derives from, through every table between.

Here belong the graph and its paths; whether a path is permitted is `minimise`. A column derives from more than it
copies: hashes, scores, counts, joins and filters derive too. So `Column.sources` names all of these, and a path follows
each. A column that only chooses among values of one kind that one person has (the rank of survivorship) adds nothing to
the chosen value, so no path leads from the value to it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.errors import CdpError
from cdp_pipelines.lineage.raw import FED_BY, find_raw_origins, with_raw_sources
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.schema import INTERACTION, TABLES
from cdp_pipelines.schema.mart import MEASURES, TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.schema import Table


class LineageError(CdpError):
    """A column names a source that no table has."""


@dataclass(frozen=True, slots=True)
class LineagePath:
    """A shortest path from a column back to one of its origins.

    `columns` are full names, `layer/table.column`, the derived one first. The path ends in a raw field with its data
    category (None for time and manner of the delivery), or in a column of `stops`, at which the search was told to end.
    """

    columns: tuple[str, ...]
    category: str | None = None

    @property
    def end(self) -> str:
        """The column at which the path ends."""
        return self.columns[-1]

    def __str__(self) -> str:
        return " <- ".join(self.columns) + (f" [{self.category}]" if self.category else "")


@dataclass(frozen=True)
class ColumnGraph:
    """Columns by full name, each with those that it derives from, and the data category of every raw column.

    A source is a pair of a full name and a category: that of the part taken out of a raw field where the mapping
    declares one, else None.
    """

    sources: Mapping[str, tuple[tuple[str, str | None], ...]]
    raw: Mapping[str, str | None]

    def find_paths(self, column: str, stops: Collection[str] = ()) -> list[LineagePath]:
        """A shortest path to each raw field that a column derives from, and to each column of `stops`.

        A column without sources (a constant, a sequence number) has no path. A raw field from which several categories
        are taken has one path for each. `LineageError` where a column is in no table.
        """
        paths: list[LineagePath] = []
        seen = {column}
        ends: set[tuple[str, str | None]] = set()
        waiting: deque[tuple[str, ...]] = deque([(column,)])
        while waiting:
            path = waiting.popleft()
            for source, category in self._list_direct_sources(path):
                if source in self.raw:
                    end = (source, category or self.raw[source])
                    if end not in ends:
                        ends.add(end)
                        paths.append(LineagePath((*path, source), end[1]))
                elif source not in seen:
                    seen.add(source)
                    if source in stops:
                        paths.append(LineagePath((*path, source)))
                    else:
                        waiting.append((*path, source))
        return paths

    def list_sources(self, column: str, stops: Collection[str] = ()) -> set[str]:
        """Every column that a column derives from, no further back than `stops`."""
        sources: set[str] = set()
        waiting = [column]
        while waiting:
            name = waiting.pop()
            if name != column and (name in stops or name in self.raw):
                continue
            new = {source for source, _ in self._list_direct_sources((name,))} - sources
            sources |= new
            waiting.extend(new)
        return sources

    def _list_direct_sources(self, path: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
        try:
            return self.sources[path[-1]]
        except KeyError:
            raise LineageError(
                f"{' <- '.join(path)}: there is no such column; the sources of a column must be declared columns"
            ) from None

    def with_table(self, table: Table) -> ColumnGraph:
        """The graph with the columns of one more table, which replaces a table of the same name."""
        return ColumnGraph({**self.sources, **_derived(table)}, self.raw)


def build_column_graph(contracts: Mapping[str, ChannelContract], purposes: Iterable[Purpose] = ()) -> ColumnGraph:
    """The graph over all tables of the lake and the marts of `purposes`, with all channels as sources."""
    return ColumnGraph(
        {
            **{name: each for table in TABLES.values() for name, each in _columns(table, contracts.values()).items()},
            **{name: each for purpose in purposes for name, each in _derived(build_mart_table(purpose)).items()},
        },
        _raw_categories(contracts.values()),
    )


def build_purpose_graph(purpose: Purpose, contracts: Mapping[str, ChannelContract]) -> ColumnGraph:
    """The graph for one purpose: only the channels that its mart may take data from.

    Attributes come from channels that collect for the purpose or can carry a grant of it; interactions come from
    channels that collect for it, and a measure takes interactions of its own type
    (`standardised/interaction.<column>[type]`).
    """
    permitted = [
        each for key, each in contracts.items() if purpose.key in each.collected_for or each.can_grant(purpose.key)
    ]
    collecting = [each for each in permitted if purpose.key in each.collected_for]
    sources: dict[str, tuple[tuple[str, str | None], ...]] = {}
    for table in TABLES.values():
        sources |= _columns(table, collecting if table is INTERACTION else permitted)
    of_measure = {
        column.name: column.source.partition(".")[2]
        for column in purpose.columns
        if column.source.startswith("measure.")
    }
    typed = _typed({*of_measure.values()})
    for plain, names in typed.items():
        for name, type_ in names.items():
            able = [each for each in collecting if each.interaction and each.interaction.can_be(type_)]
            sources[name] = _raw(INTERACTION.name, plain.rpartition(".")[2], able)
    table = build_mart_table(purpose)
    is_plain = [column.name for column in table.columns] == [column.name for column in purpose.columns]
    for column in table.columns:
        # Columns that mart.sql computes may derive from every measure.
        own = TYPES.get(of_measure.get(column.name, "")) if is_plain else None
        source_names = [
            name
            for plain in column.sources
            for name, type_ in typed.get(plain, {plain: None}).items()
            if own is None or type_ in {own, None}
        ]
        sources[f"{table.name}.{column.name}"] = tuple((name, None) for name in source_names)
    return ColumnGraph(sources, _raw_categories(contracts.values()))


def _typed(measures: Collection[str]) -> dict[str, dict[str, str]]:
    """Columns of interactions that measures read, each with its names by type and the types: `…amount_minor[order]`."""
    typed: dict[str, dict[str, str]] = {}
    for column in MEASURES.columns:
        type_ = TYPES.get(column.name)
        if column.name in measures and type_:
            for source in column.sources:
                typed.setdefault(source, {})[f"{source}[{type_}]"] = type_
    return typed


def _raw_categories(contracts: Iterable[ChannelContract]) -> dict[str, str | None]:
    tables = [contract.raw for contract in contracts]
    return {f"{table.name}.{column.name}": column.category for table in tables for column in table.columns}


def _columns(table: Table, contracts: Iterable[ChannelContract]) -> dict[str, tuple[tuple[str, str | None], ...]]:
    if table.name not in FED_BY:
        return _derived(table)
    able = [each for each in contracts if getattr(each, FED_BY[table.name])]
    return {f"{table.name}.{each.name}": _raw(table.name, each.name, able) for each in table.columns}


def _raw(table: str, column: str, contracts: Iterable[ChannelContract]) -> tuple[tuple[str, str | None], ...]:
    return tuple(each for contract in contracts for each in find_raw_origins(table, column, contract).items())


def _derived(table: Table) -> dict[str, tuple[tuple[str, str | None], ...]]:
    return {f"{table.name}.{each.name}": tuple((source, None) for source in each.sources) for each in table.columns}


def list_tables(contracts: Mapping[str, ChannelContract], purposes: Iterable[Purpose]) -> dict[str, Table]:
    """Every table of the lake by name: raw and quarantine of each channel, the fixed tables, and the marts."""
    channels = list(contracts.values())
    standard = {
        name: with_raw_sources(table, [each for each in channels if getattr(each, FED_BY[name])])
        if name in FED_BY
        else table
        for name, table in TABLES.items()
    }
    marts = [build_mart_table(purpose) for purpose in purposes if purpose.columns]
    return {
        **{each.raw.name: each.raw for each in channels},
        **{each.quarantine.name: each.quarantine for each in channels},
        **standard,
        **{table.name: table for table in marts},
    }
