"""The facts of the catalogue: declarations, lineage and counts of the lake; never a value of a row.

Here belongs collecting them. The page is `cdp_pipelines.reports.catalogue`, the document is `catalogue_listing`.
"""

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
    """One column: its declaration, the data categories behind it, and the purposes whose marts derive from it."""

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
    """The whole catalogue; `night` is the last night of the lake, None where there was none."""

    controller: str
    night: date | None
    tables: tuple[TableFacts, ...]
    places: tuple[StorageLocation, ...]
    titles: Mapping[str, str]


def collect_facts(lake: Lake, owners: Mapping[str, str]) -> Facts:
    """All facts about a lake; `owners` by full name of the table."""
    channels, purposes = load_all_contracts(), load_company_register()
    results, tables = latest_results(lake), list_tables(channels, purposes.values())
    graph = build_column_graph(channels)
    marts = {f"mart/{key}": build_purpose_graph(each, channels) for key, each in purposes.items() if each.columns}
    uses = _list_uses(marts)
    facts = []
    for name, table in tables.items():
        own = marts.get(name, graph)
        paths = {
            each.name: ()
            if name.startswith(("raw/", "quarantine/"))
            else tuple(own.find_paths(f"{name}.{each.name}", STOPS))
            for each in table.columns
        }
        state, (quality, night) = lake.describe(table), results.get(name, (None, None))
        purposes_of_table = _list_purposes(name, uses)
        facts.append(
            TableFacts(
                table,
                owners.get(name, ""),
                _describe_retention(table),
                purposes_of_table,
                state.row_count if state else None,
                night,
                quality,
                tuple(
                    ColumnFacts(
                        each,
                        _list_categories(name, each.name, paths[each.name], graph.raw),
                        _explain_exemption(f"{name}.{each.name}", paths[each.name]),
                        purposes_of_table if name in marts else tuple(sorted(uses.get(f"{name}.{each.name}", ()))),
                    )
                    for each in table.columns
                ),
                paths,
            )
        )
    return Facts(
        load_company_controller().name,
        lake.scan(RUN).select(pl.col("night").max()).collect().item(),
        tuple(facts),
        tuple(list_locations(channels, purposes, load_company_controller().region)),
        {key: each.title for key, each in purposes.items()},
    )


def _list_uses(marts: Mapping[str, ColumnGraph]) -> dict[str, set[str]]:
    """Column to the purposes whose marts derive from it."""
    uses: dict[str, set[str]] = {}
    for mart, graph in marts.items():
        names = [name for name in graph.sources if name.startswith(f"{mart}.")]
        for behind in {each.partition("[")[0] for name in names for each in graph.list_sources(name, STOPS)}:
            uses.setdefault(behind, set()).add(mart.partition("/")[2])
    return uses


def _list_categories(
    table: str, column: str, paths: tuple[LineagePath, ...], raw: Mapping[str, str | None]
) -> tuple[str, ...]:
    layer, _, channel = table.partition("/")
    if layer in {"raw", "quarantine"}:
        own = raw.get(f"raw/{channel}.{column}")
        if own != WHOLE_RECORD:
            return (own,) if own else ()
        prefix = f"raw/{channel}."
        return tuple(sorted({each for name, each in raw.items() if each and name.startswith(prefix)} - {WHOLE_RECORD}))
    return tuple(sorted({path.category for path in paths if path.category}))


def _explain_exemption(name: str, paths: tuple[LineagePath, ...]) -> str | None:
    """Why the check of data categories ends at a column, or at a column that it derives from."""
    stop = STOPS.get(name) or next((STOPS[path.end] for path in paths if path.end in STOPS), None)
    return stop.reason if stop else None


def _list_purposes(name: str, uses: Mapping[str, set[str]]) -> tuple[str, ...]:
    layer, _, key = name.partition("/")
    if layer == "mart":
        return (key,)
    if layer in {"raw", "quarantine"}:
        return load_all_contracts()[key].collected_for
    served = {purpose for column, each in uses.items() if column.startswith(f"{name}.") for purpose in each}
    return tuple(sorted(served | (_own_purposes(layer) & {*load_company_register()})))


def _own_purposes(layer: str) -> set[str]:
    """Purposes that a layer serves besides the marts derived from it."""
    company = load_company()
    purposes = {"identity": {UNIFICATION}, "consent": {company.evidence_purpose, company.request_purpose}}
    return purposes.get(layer, set())


def _describe_retention(table: Table) -> str:
    key = table.name.removeprefix(f"{table.layer}/")
    if table.lifecycle.retention == "channel":
        return _describe_channel_retention(load_all_contracts()[key], is_refused=table.layer == "quarantine")
    if table.lifecycle.retention == "purpose":
        purpose = load_company_register()[key]
        return f"{describe_duration(purpose.retention)} from {purpose.retention_from}"
    return RETENTIONS[table.lifecycle.retention]


def _describe_channel_retention(contract: ChannelContract, *, is_refused: bool) -> str:
    policy = load_retention()
    hold = f"and a hold of {describe_duration(policy.hold)}"
    if is_refused:
        refused = compute_quarantine_rule(contract, policy)
        return f"{describe_duration(refused.retention)} from the night that refused it, {hold}"
    rules = compute_retention_rules(contract, load_company_register())
    row = f"rows {describe_duration(rules.row.retention)} from the event ({rules.row.rule})"
    values = [f"{', '.join(each.columns)} {describe_duration(each.retention)} ({each.rule})" for each in rules.values]
    return "; ".join([row, *values]) + f", {hold}"
