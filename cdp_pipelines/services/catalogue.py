"""What the catalogue tells: declarations, lineage and counts of the lake; never a value of a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from cdp_pipelines.channels.contract import ChannelContract
from cdp_pipelines.lineage import (
    STOPS,
    ColumnGraph,
    LineagePath,
    StorageLocation,
    build_column_graph,
    build_purpose_graph,
    list_locations,
    list_tables,
)
from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.retention import compute_quarantine_rule, compute_retention_rules
from cdp_pipelines.schema import RUN, WHOLE_RECORD, Column, Table
from cdp_pipelines.schema.duration import describe_duration
from cdp_pipelines.services.check_results import latest_results
from cdp_pipelines.services.declarations import (
    load_all_contracts,
    load_company,
    load_company_controller,
    load_company_register,
    load_retention,
)
from expectations.result import GateResult
from warehouse.delta.lake import Lake

# Retention of tables for which neither a channel nor a purpose declares one.
RETENTIONS = {
    "sources": "as long as the rows it is computed from",
    "record": "as long as the record that it is about",
    "evidence": "as evidence (Art. 5(2)); no end is declared",
}


@dataclass(frozen=True)
class ColumnFacts:
    """One column: what it is, the data categories behind it, and the purposes whose marts derive from it."""

    column: Column
    categories: tuple[str, ...]
    exempt: str | None
    used_for: tuple[str, ...]


@dataclass(frozen=True)
class TableFacts:
    """One table; `rows` is None where it was never written, `night` and `quality` where it was never checked."""

    table: Table
    owner: str
    retention: str
    purposes: tuple[str, ...]
    rows: int | None
    night: date | None
    quality: GateResult | None
    columns: tuple[ColumnFacts, ...]
    paths: Mapping[str, tuple[LineagePath, ...]]


@dataclass(frozen=True)
class Facts:
    """The whole catalogue; `night`: to which the lake was brought."""

    controller: str
    night: date | None
    tables: tuple[TableFacts, ...]
    places: tuple[StorageLocation, ...]
    titles: Mapping[str, str]


def collect_facts(lake: Lake, owners: Mapping[str, str]) -> Facts:
    """Everything that the catalogue tells of a lake; `owners` by full name of the table."""
    channels, purposes = load_all_contracts(), load_company_register()
    results, tables = latest_results(lake), list_tables(channels, purposes.values())
    graph = build_column_graph(channels)
    marts = {f"mart/{key}": build_purpose_graph(each, channels) for key, each in purposes.items() if each.columns}
    used = _used(marts)
    found = []
    for name, table in tables.items():
        own = marts.get(name, graph)
        paths = {
            each.name: ()
            if name.startswith(("raw/", "quarantine/"))
            else tuple(own.find_paths(f"{name}.{each.name}", STOPS))
            for each in table.columns
        }
        state, (quality, night) = lake.describe(table), results.get(name, (None, None))
        purposes_of = _purposes(name, used)
        found.append(
            TableFacts(
                table,
                owners.get(name, ""),
                _retention(table),
                purposes_of,
                state.row_count if state else None,
                night,
                quality,
                tuple(
                    ColumnFacts(
                        each,
                        _categories(name, each.name, paths[each.name], graph.raw),
                        _exempt(f"{name}.{each.name}", paths[each.name]),
                        purposes_of if name in marts else tuple(sorted(used.get(f"{name}.{each.name}", ()))),
                    )
                    for each in table.columns
                ),
                paths,
            )
        )
    return Facts(
        load_company_controller().name,
        lake.scan(RUN).select(pl.col("night").max()).collect().item(),
        tuple(found),
        tuple(list_locations(channels, purposes, load_company_controller().region)),
        {key: each.title for key, each in purposes.items()},
    )


def _used(marts: Mapping[str, ColumnGraph]) -> dict[str, set[str]]:
    """Column to the purposes whose marts derive from it."""
    used: dict[str, set[str]] = {}
    for mart, graph in marts.items():
        names = [name for name in graph.sources if name.startswith(f"{mart}.")]
        for behind in {each.partition("[")[0] for name in names for each in graph.list_sources(name, STOPS)}:
            used.setdefault(behind, set()).add(mart.partition("/")[2])
    return used


def _categories(
    table: str, column: str, paths: tuple[LineagePath, ...], raw: Mapping[str, str | None]
) -> tuple[str, ...]:
    layer, _, channel = table.partition("/")
    if layer in {"raw", "quarantine"}:
        own = raw.get(f"raw/{channel}.{column}")
        if own != WHOLE_RECORD:
            return (own,) if own else ()
        prefix = f"raw/{channel}."
        return tuple(sorted({each for name, each in raw.items() if name.startswith(prefix)} - {None, WHOLE_RECORD}))
    return tuple(sorted({path.category for path in paths} - {None}))


def _exempt(name: str, paths: tuple[LineagePath, ...]) -> str | None:
    """Why what is behind a column, or the column itself, is not judged by the mart's categories."""
    stop = STOPS.get(name) or next((STOPS[path.end] for path in paths if path.end in STOPS), None)
    return stop.reason if stop else None


def _purposes(name: str, used: Mapping[str, set[str]]) -> tuple[str, ...]:
    layer, _, key = name.partition("/")
    if layer == "mart":
        return (key,)
    if layer in {"raw", "quarantine"}:
        return load_all_contracts()[key].collected_for
    served = {purpose for column, each in used.items() if column.startswith(f"{name}.") for purpose in each}
    return tuple(sorted(served | (_own_purposes(layer) & {*load_company_register()})))


def _own_purposes(layer: str) -> set[str]:
    """Purposes that a layer serves besides the marts derived from it."""
    company = load_company()
    purposes = {"identity": {UNIFICATION}, "consent": {company.evidence_purpose, company.request_purpose}}
    return purposes.get(layer, set())


def _retention(table: Table) -> str:
    key = table.name.removeprefix(f"{table.layer}/")
    if table.lifecycle.retention == "channel":
        return _of_channel(load_all_contracts()[key], is_refused=table.layer == "quarantine")
    if table.lifecycle.retention == "purpose":
        purpose = load_company_register()[key]
        return f"{describe_duration(purpose.retention)} from {purpose.retention_from}"
    return RETENTIONS[table.lifecycle.retention]


def _of_channel(contract: ChannelContract, *, is_refused: bool) -> str:
    policy = load_retention()
    held = f"and a hold of {describe_duration(policy.hold)}"
    if is_refused:
        refused = compute_quarantine_rule(contract, policy)
        return f"{describe_duration(refused.retention)} from the night that refused it, {held}"
    found = compute_retention_rules(contract, load_company_register())
    row = f"rows {describe_duration(found.row.retention)} from the event ({found.row.rule})"
    values = [f"{', '.join(each.columns)} {describe_duration(each.retention)} ({each.rule})" for each in found.values]
    return "; ".join([row, *values]) + f", {held}"
