"""Who is one person in a lake: what a night makes of it, and what is asked of it besides."""

from collections.abc import Iterator
from datetime import date, datetime

import dagster as dg
import polars as pl

from assets.runtime.lake import StagedWrite, check_and_write
from cdp_pipelines.identity import IdentityPolicy, IdentityState, Resolution, resolve
from cdp_pipelines.identity.customer_ids import keep_customer_ids
from cdp_pipelines.identity.groups import build_groups
from cdp_pipelines.identity.model import Model
from cdp_pipelines.identity.state import configuration_digest, merge_rows, select_links_of
from cdp_pipelines.identity.values import DistinctRecords, build_distinct_records
from cdp_pipelines.reports.identity import write_identity_page
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, RECORD_STATE, REVIEW, Table
from cdp_pipelines.services.declarations import identity_code_digest, linking_channels, non_linking_channels
from warehouse.delta.lake import Lake


def resolve_lake(store: Lake, policy: IdentityPolicy, *, anew: bool = False) -> Resolution:
    """The customers of what has changed since the last night, and of what that touches; `anew`: of all records."""
    before = _remembered(store)
    if before and anew:
        before = IdentityState(RECORD_STATE.empty(), before.model, before.frequency)
    return _resolved(store, policy, before)


def update_identity(
    store: Lake, policy: IdentityPolicy, night: date, as_of: datetime
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Resolve what a night changed, and write it where all of it passes its gates; what is told to Dagster.

    Only rows of the records resolved go through the gates: the others have.
    """
    memory = _remembered(store)
    found = _resolved(store, policy, memory)
    void, seen, model, frequency = found.touched, found.memory.seen, found.memory.model, found.memory.frequency
    before = {table: store.scan(table).collect() for table in (LINK, HISTORY, CLUSTER, GROUP)}
    if memory:
        before |= {RECORD_STATE: memory.seen, FREQUENCY: memory.frequency}
    old = select_links_of(before[CLUSTER], void)
    cluster, told = keep_customer_ids(found.cluster, old, before[HISTORY], found.link, as_of)
    history = pl.concat([before[HISTORY], told])
    group = build_groups(found.link, cluster, history, linking_channels())
    others = before[GROUP].join(pl.concat([old, cluster]), on="customer_id", how="anti")
    clusters = merge_rows(before[CLUSTER], cluster, void)
    sizes = clusters.group_by("customer_id").len("size")
    page = write_identity_page(store.path, found, sizes, policy, str(night))
    report = {"page": dg.MetadataValue.path(str(page))} | {
        f"identity {name}": dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
        for name, value in found.report.items()
    }

    def gated(table: Table, rows: pl.DataFrame, every: pl.DataFrame, facts: dict | None = None) -> StagedWrite:
        # What happened is added to what had; of the others, all is new where all records were resolved.
        is_addition = table is HISTORY or void is not None
        return StagedWrite(table, rows, lambda: store.replace(table, every, before.get(table)), facts, is_addition)

    yield from check_and_write(
        store,
        night,
        gated(LINK, found.link, merge_rows(before[LINK], found.link, void, "left_"), report),
        # Told before it is so: a run cut short in between tells it again, and only once.
        gated(HISTORY, told, history, dict(told["event"].value_counts().sort("event").iter_rows())),
        gated(CLUSTER, cluster, clusters, {"customers": sizes.height, "largest customer": sizes["size"].max() or 0}),
        gated(GROUP, group, group if void is None else pl.concat([others, group])),
        gated(RECORD_STATE, seen if void is None else seen.join(void.to_frame(), on="record", how="semi"), seen),
        gated(FREQUENCY, frequency if void is None else frequency.clear(), frequency),
        # Last, with the versions of the others: where these are not theirs, a run was cut short.
        StagedWrite(MODEL, model, lambda: store.replace(MODEL, model.with_columns(versions=pl.lit(_versions(store))))),
    )


def weigh_records(store: Lake, policy: IdentityPolicy, records: list[tuple[str, str]]) -> tuple[DistinctRecords, Model]:
    """What these records (channel, id) say, and the model that weighs it: the last night's, else one learned now."""
    named = [(pl.col("channel") == channel) & (pl.col("source_record_id") == record) for channel, record in records]
    party = store.scan(PARTY).filter(pl.any_horizontal(named)).collect()
    told = build_distinct_records(
        party, policy, PARTY.empty().select("channel", "source_record_id"), non_linking_channels()
    )
    model = store.read(MODEL)
    if model.is_empty() or model["made_by"][0] != configuration_digest(
        policy, identity_code_digest(), non_linking_channels()
    ):
        return told, resolve_lake(store, policy).model
    return told, Model.of(model, store.read(FREQUENCY), policy)


def _versions(store: Lake) -> str:
    """The versions of the tables that are made of one another from night to night."""
    return ", ".join(
        f"{table.name} {store.version(table.name)}" for table in (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)
    )


def _resolved(store: Lake, policy: IdentityPolicy, before: IdentityState | None) -> Resolution:
    return resolve(
        store.scan(PARTY).collect(), policy, store.read(REVIEW), non_linking_channels(), before, identity_code_digest()
    )


def _remembered(store: Lake) -> IdentityState | None:
    """What the last night left, unless one of the tables is of another: a run was cut short, or somebody wrote it."""
    model = store.read(MODEL)
    if model.is_empty() or model["versions"][0] != _versions(store):
        return None
    return IdentityState(store.scan(RECORD_STATE).collect(), model, store.read(FREQUENCY))
