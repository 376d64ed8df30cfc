"""Identity resolution on a lake: the night's update, and what a person asks about links between two nights.

Reading a lake for `cdp_pipelines.identity`, and staging what becomes of it, belong here; how records are resolved does
not.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from cdp_pipelines.identity import IdentityPolicy, IdentityState, Resolution, ResolutionInput, resolve
from cdp_pipelines.identity.customer_ids import keep_customer_ids
from cdp_pipelines.identity.groups import build_groups
from cdp_pipelines.identity.model import Model, load_model
from cdp_pipelines.identity.state import compute_configuration_digest, merge_rows, select_rows_of
from cdp_pipelines.identity.values import DistinctRecords, build_distinct_records
from cdp_pipelines.schema import (
    CLUSTER,
    FREQUENCY,
    GROUP,
    HISTORY,
    LINK,
    MODEL,
    PARTY,
    RECORD_KEY,
    RECORD_STATE,
    REVIEW,
    Table,
)
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import identity_code_digest, linking_channels, non_linking_channels
from warehouse.delta.lake import Lake
from warehouse.delta.write_modes import WriteResult

# Writes a page about a resolution, the sizes of all customers, the policy and the night into the lake; its path.
WritePage = Callable[[Path, Resolution, pl.DataFrame, IdentityPolicy, str], Path]
# The tables that are built on their own rows of the night before.
_INCREMENTAL = (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)


def update_identity(
    store: Lake, policy: IdentityPolicy, night: date, as_of: datetime, write_page: WritePage
) -> WriteReport:
    """Resolve the records that a night's changes affect, and write the identity tables if all rows pass their gates.

    Only rows of resolved records go through the gates: the others passed before. Raises `CheckFailedError` before
    anything is written, and `TrainingError` if the declared classifier needs more reviews than there are.
    """
    previous = read_identity_state(store)
    resolution = _resolve_since(store, policy, previous)
    resolved, state = resolution.resolved, resolution.state
    former = {table: store.scan(table).collect() for table in (LINK, HISTORY, CLUSTER, GROUP)}
    if previous:
        former |= {RECORD_STATE: previous.records, FREQUENCY: previous.frequency}
    former_cluster = select_rows_of(former[CLUSTER], resolved)
    cluster, events = keep_customer_ids(resolution.cluster, former_cluster, former[HISTORY], resolution.link, as_of)
    history = pl.concat([former[HISTORY], events])
    group = build_groups(resolution.link, cluster, history, linking_channels())
    other_groups = former[GROUP].join(pl.concat([former_cluster, cluster]), on="customer_id", how="anti")
    clusters = merge_rows(former[CLUSTER], cluster, resolved)
    sizes = clusters.group_by("customer_id").len("size")
    page = write_page(store.path, resolution, sizes, policy, str(night))
    report = {"page": page, **{f"identity {name}": value for name, value in resolution.report.items()}}

    def stage(
        table: Table, new: pl.DataFrame, rows: pl.DataFrame, report: dict[str, object] | None = None
    ) -> StagedWrite:
        """`new` goes through the gate, `rows` is the whole table."""
        is_addition = table is HISTORY or resolved is not None
        return StagedWrite(table, new, lambda: store.replace(table, rows, former.get(table)), report or {}, is_addition)

    def write_model() -> WriteResult:
        versions = pl.lit(describe_versions(store))
        return store.replace(MODEL, state.model.with_columns(table_versions=versions))

    event_counts: dict[str, object] = dict(events["event"].value_counts().sort("event").iter_rows())
    size_report: dict[str, object] = {"customers": sizes.height, "largest customer": sizes["size"].max() or 0}
    new_records = state.records
    if resolved is not None:
        new_records = new_records.filter(pl.col("record_digest").is_in(resolved.implode()))
    return check_and_write(
        store,
        night,
        stage(LINK, resolution.link, merge_rows(former[LINK], resolution.link, resolved, "left_"), report),
        # Written before the clusters: a run that is cut short in between repeats the events, which are kept once.
        stage(HISTORY, events, history, event_counts),
        stage(CLUSTER, cluster, clusters, size_report),
        stage(GROUP, group, group if resolved is None else pl.concat([other_groups, group])),
        stage(RECORD_STATE, new_records, state.records),
        stage(FREQUENCY, state.frequency if resolved is None else FREQUENCY.empty(), state.frequency),
        # Written last, with the versions of the others: if they differ, a run was cut short.
        StagedWrite(MODEL, state.model, write_model),
    )


def resolve_lake(store: Lake, policy: IdentityPolicy, *, all_records: bool = False) -> Resolution:
    """Resolve without writing: the records that changes affect, or all by the last night's model."""
    state = read_identity_state(store)
    if state and all_records:
        state = replace(state, records=RECORD_STATE.empty())
    return _resolve_since(store, policy, state)


def weigh_records(store: Lake, policy: IdentityPolicy, records: list[tuple[str, str]]) -> tuple[DistinctRecords, Model]:
    """The distinct records of these records (channel, id), and the model: the last night's, or one trained now."""
    is_wanted = [(pl.col("channel") == channel) & (pl.col("source_record_id") == record) for channel, record in records]
    party = store.scan(PARTY).filter(pl.any_horizontal(is_wanted)).collect()
    non_linking = non_linking_channels()
    distinct = build_distinct_records(party, policy, PARTY.empty().select(RECORD_KEY), non_linking)
    model = store.read(MODEL)
    configuration = compute_configuration_digest(policy, identity_code_digest(), non_linking)
    if model.is_empty() or model["configuration_digest"][0] != configuration:
        return distinct, resolve_lake(store, policy).model
    return distinct, load_model(model, store.read(FREQUENCY), policy)


def _resolve_since(store: Lake, policy: IdentityPolicy, state: IdentityState | None) -> Resolution:
    return resolve(
        ResolutionInput(
            party=store.scan(PARTY).collect(),
            policy=policy,
            review=store.read(REVIEW),
            non_linking=tuple(non_linking_channels()),
            previous=state,
            code_digest=identity_code_digest(),
        )
    )


def read_identity_state(store: Lake) -> IdentityState | None:
    """The state of the last night; None if a table is of another night: a run was cut short, or somebody wrote it."""
    model = store.read(MODEL)
    if model.is_empty() or model["table_versions"][0] != describe_versions(store):
        return None
    return IdentityState(store.scan(RECORD_STATE).collect(), model, store.read(FREQUENCY))


def describe_versions(store: Lake) -> str:
    """The versions of the tables that are built on their own rows of the night before, as text."""
    return ", ".join(f"{table.name} {store.version(table.name)}" for table in _INCREMENTAL)
