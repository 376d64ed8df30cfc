"""What a night makes of identity: the customers, checked and written."""

from collections.abc import Iterator
from datetime import date, datetime

import dagster as dg
import polars as pl

from assets.runtime.lake import StagedWrite, check_and_write
from cdp_pipelines.identity import IdentityPolicy
from cdp_pipelines.identity.customer_ids import keep_customer_ids
from cdp_pipelines.identity.groups import build_groups
from cdp_pipelines.identity.state import merge_rows, select_links_of
from cdp_pipelines.reports.identity import write_identity_page
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, RECORD_STATE, Table
from cdp_pipelines.services.declarations import linking_channels
from cdp_pipelines.services.identity_resolution import describe_versions, read_identity_state, resolve_since
from warehouse.delta.lake import Lake


def update_identity(
    store: Lake, policy: IdentityPolicy, night: date, as_of: datetime
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Resolve what a night changed, and write it where all of it passes its gates; what is told to Dagster.

    Only rows of the records resolved go through the gates: the others have.
    """
    memory = read_identity_state(store)
    found = resolve_since(store, policy, memory)
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
        return StagedWrite(
            table, rows, lambda: store.replace(table, every, before.get(table)), facts or {}, is_addition
        )

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
        StagedWrite(
            MODEL, model, lambda: store.replace(MODEL, model.with_columns(versions=pl.lit(describe_versions(store))))
        ),
    )
