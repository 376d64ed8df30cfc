"""Apply retention: count the values that must leave, record them, then remove them.

The order of these steps belongs here; which values must leave is `cdp_pipelines.retention`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.retention import (
    compute_quarantine_rule,
    compute_retention_rules,
    extend_retention_log,
    find_expired_quarantine,
    find_expired_rectifications,
    find_expired_values,
    find_orphaned_rectifications,
    select_refused_within_hold,
    select_within_hold,
)
from cdp_pipelines.schema import RECTIFICATION, RETENTION, Table
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register, load_retention

if TYPE_CHECKING:
    from datetime import date, datetime

    from warehouse.delta.lake import Lake


class Removal(NamedTuple):
    """What retention removes in a night. `expired`: counts by table, field and rule; `remaining`: rows by table."""

    expired: pl.DataFrame
    remaining: dict[Table, pl.LazyFrame]


def apply_retention(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Record what must leave, then remove it; a run that stops in between is completed by the next.

    Rectifications of a removed record are removed with it. Derived tables follow, because they are built from what
    remains; old versions of tables are removed last, with audit/run.
    """
    removal = _find_removal(lake, as_of)
    log = lake.read(RETENTION)
    new = extend_retention_log(log, removal.expired)
    by_rule = (
        removal.expired.group_by("table", "field", "rule", "retention")
        .agg(pl.col("removed_count").sum())
        .sort(pl.all())
    )
    removed = [
        f"{table}{'.' if field else ''}{field}: {count:,} by {rule} {retention}"
        for table, field, rule, retention, count in by_rule.iter_rows()
    ]
    report = check_and_write(
        lake,
        night,
        StagedWrite(
            RETENTION, pl.concat([log, new]), lambda: lake.append(RETENTION, new), {"removed tonight": removed}
        ),
    )
    affected = set(by_rule["table"])
    _keep_rows(lake, {table: rows for table, rows in removal.remaining.items() if table.name in affected})
    return report


def _find_removal(lake: Lake, as_of: datetime) -> Removal:
    hold, purposes = load_retention().hold, load_company_register().at(as_of)
    expired, orphaned, remaining, rectified = [], [], {}, lake.scan(RECTIFICATION)
    for contract in load_all_contracts().values():
        of_rows = compute_retention_rules(contract, purposes)
        of_refused = compute_quarantine_rule(contract, load_retention())
        raw, refused = lake.scan(contract.raw), lake.scan(contract.quarantine)
        remaining[contract.raw] = select_within_hold(raw, contract, of_rows, hold, as_of)
        remaining[contract.quarantine] = select_refused_within_hold(refused, of_refused, hold, as_of)
        orphaned.append(find_orphaned_rectifications(rectified, raw, contract, of_rows, hold, as_of))
        expired += [
            find_expired_values(raw, contract, of_rows, hold, as_of),
            find_expired_quarantine(refused, contract, of_refused, hold, as_of),
            find_expired_rectifications(orphaned[-1], of_rows, hold, as_of),
        ]
    kept = rectified.join(pl.concat(orphaned), on=RECTIFICATION.key, how="anti")
    # Rectifications first: a run that stops in between still finds the records that they belong to.
    return Removal(pl.concat(pl.collect_all(expired)), {RECTIFICATION: kept, **remaining})


def _keep_rows(lake: Lake, remaining: dict[Table, pl.LazyFrame]) -> None:
    for table, rows in remaining.items():
        lake.replace(table, rows.collect())
