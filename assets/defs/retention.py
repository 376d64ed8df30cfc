"""`audit/retention`: what may be used no more leaves raw and quarantine, counted before it goes.

What was put right of a record that leaves goes with it. What is derived follows, for it is computed anew from what is
left; old versions of tables go last (`audit/run`).
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, lake_assets
from cdp_pipelines.retention import (
    compute_retention_rules,
    extend_retention_log,
    find_expired_quarantine,
    find_expired_rectifications,
    find_expired_values,
    find_orphaned_rectifications,
    quarantine_rule,
    select_refused_within_hold,
    select_within_hold,
)
from cdp_pipelines.schema import LEDGER, RECTIFICATION, RETENTION, SEAL
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register, load_retention
from warehouse.delta.lake import Lake


@lake_assets(
    specs=[
        build_spec(
            RETENTION,
            # A will is in the ledger before the record that told it leaves.
            deps=[
                LEDGER.name,
                SEAL.name,
                RECTIFICATION.name,
                *(table.name for each in load_all_contracts().values() for table in (each.raw, each.quarantine)),
            ],
            owner="team:privacy",
        )
    ]
)
def apply_retention(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Count what has to leave, then take it out; a run that is cut short in between is made good by the next."""
    store, as_of = lake.open, lake.as_of(context)
    hold, purposes = load_retention().hold, load_company_register().at(as_of)
    due, gone, kept, rectified = [], [], {}, store.scan(RECTIFICATION)
    for contract in load_all_contracts().values():
        of_row, of_refused = compute_retention_rules(contract, purposes), quarantine_rule(contract, load_retention())
        raw, refused = store.scan(contract.raw), store.scan(contract.quarantine)
        kept[contract.raw] = select_within_hold(raw, contract, of_row, hold, as_of)
        kept[contract.quarantine] = select_refused_within_hold(refused, of_refused, hold, as_of)
        due += [
            find_expired_values(raw, contract, of_row, hold, as_of),
            find_expired_quarantine(refused, contract, of_refused, hold, as_of),
        ]
        gone.append(find_orphaned_rectifications(rectified, raw, contract, of_row, hold, as_of))
        due.append(find_expired_rectifications(gone[-1], of_row, hold, as_of))
    found = pl.concat(pl.collect_all(due))
    history = store.read(RETENTION)
    new = extend_retention_log(history, found)
    by_rule = found.group_by("table", "field", "rule", "retention").agg(pl.col("n").sum()).sort(pl.all())
    told = "\n".join(
        f"- {table}{'.' if field else ''}{field}: {n:,} by {rule} {after}"
        for table, field, rule, after, n in by_rule.iter_rows()
    )
    yield from check_and_write(
        store,
        lake.night(context),
        StagedWrite(
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
