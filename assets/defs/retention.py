"""`audit/retention`: what may be used no more leaves raw and quarantine, counted before it goes.

What was put right of a record that leaves goes with it. What is derived follows, for it is computed anew from what is
left; old versions of tables go last (`audit/run`).
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts, register, retention
from cdp_pipelines.retention import (
    extend,
    hanging_on_gone,
    held,
    leaving,
    leaving_quarantine,
    leaving_rectified,
    of_quarantine,
    refused_and_held,
    spans,
)
from cdp_pipelines.tables import BATCH, LEDGER, RECTIFICATION, RETENTION
from warehouse.lake import Lake


@lake_assets(
    specs=[
        spec(
            RETENTION,
            # A will is in the ledger before the record that told it leaves.
            deps=[
                LEDGER.name,
                BATCH.name,
                RECTIFICATION.name,
                *(table.name for each in contracts().values() for table in (each.raw, each.quarantine)),
            ],
            owner="team:privacy",
        )
    ]
)
def apply_retention(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Count what has to leave, then take it out; a run that is cut short in between is made good by the next."""
    store, as_of = lake.open, lake.as_of(context)
    hold, purposes = retention().hold, register().at(as_of)
    due, gone, kept, rectified = [], [], {}, store.scan(RECTIFICATION)
    for contract in contracts().values():
        of_row, of_refused = spans(contract, purposes), of_quarantine(contract, retention())
        raw, refused = store.scan(contract.raw), store.scan(contract.quarantine)
        kept[contract.raw] = held(raw, contract, of_row, hold, as_of)
        kept[contract.quarantine] = refused_and_held(refused, of_refused, hold, as_of)
        due += [
            leaving(raw, contract, of_row, hold, as_of),
            leaving_quarantine(refused, contract, of_refused, hold, as_of),
        ]
        gone.append(hanging_on_gone(rectified, raw, contract, of_row, hold, as_of))
        due.append(leaving_rectified(gone[-1], of_row, hold, as_of))
    found = pl.concat(pl.collect_all(due))
    history = store.read(RETENTION)
    new = extend(history, found)
    by_rule = found.group_by("table", "field", "rule", "retention").agg(pl.col("n").sum()).sort(pl.all())
    told = "\n".join(
        f"- {table}{'.' if field else ''}{field}: {n:,} by {rule} {after}"
        for table, field, rule, after, n in by_rule.iter_rows()
    )
    yield from publish(
        store,
        lake.night(context),
        Gated(
            RETENTION,
            pl.concat([history, new]),
            lambda: store.append(RETENTION, new),
            {"left tonight": dg.MetadataValue.md(told or "nothing")},
        ),
    )
    # First what hangs on records: a run that is cut short in between still finds them.
    kept = {RECTIFICATION: rectified.join(pl.concat(gone), on=RECTIFICATION.key, how="anti"), **kept}
    _take_out(store, {table: rows for table, rows in kept.items() if table.name in set(by_rule["table"])})


def _take_out(store: Lake, kept: dict) -> None:
    for table, rows in kept.items():
        store.replace(table, rows.collect())
