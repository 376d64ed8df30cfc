"""Who is one person in a lake: what a night makes of it, and what is asked of it besides."""

from collections.abc import Iterator
from datetime import date, datetime

import dagster as dg
import polars as pl

from assets.identity_report import draw
from assets.lake import Gated, publish
from assets.policies import bound_channels, comparing, linking_channels
from cdp_pipelines.identity import IdentityPolicy, Memory, Resolution, resolve
from cdp_pipelines.identity.groups import groups
from cdp_pipelines.identity.memory import about, renewed, salt
from cdp_pipelines.identity.model import Model
from cdp_pipelines.identity.stable import keep_ids
from cdp_pipelines.identity.values import Nodes, nodes
from cdp_pipelines.tables import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, REVIEW, SEEN, Table
from warehouse.lake import Lake


def resolved(store: Lake, policy: IdentityPolicy, *, anew: bool = False) -> Resolution:
    """The customers of what has changed since the last night, and of what that touches; `anew`: of all records."""
    before = _remembered(store)
    if before and anew:
        before = Memory(SEEN.empty(), before.model, before.frequency)
    return _resolved(store, policy, before)


def bring(
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
        before |= {SEEN: memory.seen, FREQUENCY: memory.frequency}
    old = about(before[CLUSTER], void)
    cluster, told = keep_ids(found.cluster, old, before[HISTORY], found.link, as_of)
    history = pl.concat([before[HISTORY], told])
    group = groups(found.link, cluster, history, linking_channels())
    others = before[GROUP].join(pl.concat([old, cluster]), on="customer_id", how="anti")
    clusters = renewed(before[CLUSTER], cluster, void)
    sizes = clusters.group_by("customer_id").len("size")
    page = draw(store.path, found, sizes, policy, str(night))
    report = {"page": dg.MetadataValue.path(str(page))} | {
        f"identity {name}": dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
        for name, value in found.report.items()
    }

    def gated(table: Table, rows: pl.DataFrame, every: pl.DataFrame, facts: dict | None = None) -> Gated:
        # What happened is added to what had; of the others, all is new where all records were resolved.
        is_addition = table is HISTORY or void is not None
        return Gated(table, rows, lambda: store.replace(table, every, before.get(table)), facts, is_addition)

    yield from publish(
        store,
        night,
        gated(LINK, found.link, renewed(before[LINK], found.link, void, "left_"), report),
        # Told before it is so: a run cut short in between tells it again, and only once.
        gated(HISTORY, told, history, dict(told["event"].value_counts().sort("event").iter_rows())),
        gated(CLUSTER, cluster, clusters, {"customers": sizes.height, "largest customer": sizes["size"].max() or 0}),
        gated(GROUP, group, group if void is None else pl.concat([others, group])),
        gated(SEEN, seen if void is None else seen.join(void.to_frame(), on="record", how="semi"), seen),
        gated(FREQUENCY, frequency if void is None else frequency.clear(), frequency),
        # Last, with the versions of the others: where these are not theirs, a run was cut short.
        Gated(MODEL, model, lambda: store.replace(MODEL, model.with_columns(versions=pl.lit(_versions(store))))),
    )


def weighed(store: Lake, policy: IdentityPolicy, records: list[tuple[str, str]]) -> tuple[Nodes, Model]:
    """What these records (channel, id) say, and the model that weighs it: the last night's, else one learned now."""
    named = [(pl.col("channel") == channel) & (pl.col("source_record_id") == record) for channel, record in records]
    party = store.scan(PARTY).filter(pl.any_horizontal(named)).collect()
    told = nodes(party, policy, PARTY.empty().select("channel", "source_record_id"), bound_channels())
    model = store.read(MODEL)
    if model.is_empty() or model["made_by"][0] != salt(policy, comparing(), bound_channels()):
        return told, resolved(store, policy).model
    return told, Model.of(model, store.read(FREQUENCY), policy)


def _versions(store: Lake) -> str:
    """The versions of the tables that are made of one another from night to night."""
    return ", ".join(f"{table.name} {store.version(table.name)}" for table in (LINK, CLUSTER, GROUP, SEEN, FREQUENCY))


def _resolved(store: Lake, policy: IdentityPolicy, before: Memory | None) -> Resolution:
    return resolve(store.scan(PARTY).collect(), policy, store.read(REVIEW), bound_channels(), before, comparing())


def _remembered(store: Lake) -> Memory | None:
    """What the last night left, unless one of the tables is of another: a run was cut short, or somebody wrote it."""
    model = store.read(MODEL)
    if model.is_empty() or model["versions"][0] != _versions(store):
        return None
    return Memory(store.scan(SEEN).collect(), model, store.read(FREQUENCY))
