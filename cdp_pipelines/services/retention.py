"""Apply retention: count the values that must leave, record them, then remove them.

The order of these steps belongs here; which values must leave is `cdp_pipelines.retention`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.retention import (
    WHOLE_ROW,
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
from cdp_pipelines.schema import RECTIFICATION, RETENTION, RUN, Table
from cdp_pipelines.services.checked_write import StagedWrite, TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register, load_retention

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from warehouse.delta.lake import Lake


CONFIRMED = "confirmed"


class Removal(NamedTuple):
    """What retention removes in a night.

    `expired`: counts by table, field and rule. `remaining`: rows by table. `unconfirmed`: tables that keep their rows
    until the removal is confirmed, with the reason.
    """

    expired: pl.DataFrame
    remaining: dict[Table, pl.LazyFrame]
    unconfirmed: dict[str, str]


def apply_retention(lake: Lake, night: date, as_of: datetime, *, is_confirmed: bool) -> WriteReport:
    """Record what must leave, then remove it; a run that stops in between is completed by the next.

    Rectifications of a removed record are removed with it. Derived tables follow, because they are built from what
    remains; old versions of tables are removed last, with audit/run. A table of which more than the declared share
    would leave stays as it is, and the check `confirmed` fails, unless `is_confirmed`: a wrong date must not empty a
    lake. A lake without a finished night has nothing to lose. A run within a day removes what the night before it
    removes: the log counts what ended on a day at once.
    """
    as_of = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    removal = _find_removal(lake, as_of, is_limited=not (is_confirmed or lake.scan(RUN).limit(1).collect().is_empty()))
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
    reasons = "; ".join(removal.unconfirmed.values())
    confirmed = TableCheck(RETENTION, CONFIRMED, is_passed=not reasons, description=reasons or None)
    return replace(report, checks=(*report.checks, confirmed))


def _find_removal(lake: Lake, as_of: datetime, *, is_limited: bool) -> Removal:
    hold, purposes = load_retention().hold, load_company_register().at(as_of)
    found, orphaned, remaining, rectified = [], {}, {}, lake.scan(RECTIFICATION)
    for contract in load_all_contracts().values():
        of_rows = compute_retention_rules(contract, purposes)
        of_refused = compute_quarantine_rule(contract, load_retention())
        raw, refused = lake.scan(contract.raw), lake.scan(contract.quarantine)
        remaining[contract.raw] = select_within_hold(raw, contract, of_rows, hold, as_of)
        remaining[contract.quarantine] = select_refused_within_hold(refused, of_refused, hold, as_of)
        orphans = find_orphaned_rectifications(rectified, raw, contract, of_rows, hold, as_of)
        orphaned[contract.raw] = orphans, find_expired_rectifications(orphans, of_rows, hold, as_of)
        found += [
            find_expired_values(raw, contract, of_rows, hold, as_of),
            find_expired_quarantine(refused, contract, of_refused, hold, as_of),
        ]
    expired = pl.concat(pl.collect_all(found))
    unconfirmed = _find_unconfirmed(lake, remaining, expired) if is_limited else {}
    leaving = [frames for table, frames in orphaned.items() if table.name not in unconfirmed]
    rectifications = pl.collect_all([counts for _, counts in leaving])
    kept = rectified.join(
        pl.concat(
            [RECTIFICATION.empty().lazy().select(RECTIFICATION.key), *(o.select(RECTIFICATION.key) for o, _ in leaving)]
        ),
        on=RECTIFICATION.key,
        how="anti",
    )
    expired = pl.concat([expired.filter(~pl.col("table").is_in(list(unconfirmed))), *rectifications])
    # Rectifications first: a run that stops in between still finds the records that they belong to.
    return Removal(expired, {RECTIFICATION: kept, **remaining}, unconfirmed)


def _find_unconfirmed(lake: Lake, tables: Iterable[Table], expired: pl.DataFrame) -> dict[str, str]:
    """Tables of which more rows would leave than may without confirmation, each with the reason."""
    limit = load_retention().unconfirmed_removal
    counts = dict(expired.filter(field=WHOLE_ROW).group_by("table").agg(pl.col("removed_count").sum()).iter_rows())
    reasons = {}
    for table in tables:
        if removed_count := counts.get(table.name, 0):
            total_count = lake.scan(table).select(pl.len()).collect().item()
            if limit.is_exceeded(removed_count, total_count):
                reasons[table.name] = (
                    f"{table.name}: {removed_count:,} of {total_count:,} rows would be removed, more than "
                    f"{limit.share:.0%}; they are not used, but stay until `cdp run --confirm-removal`"
                )
    return reasons


def _keep_rows(lake: Lake, remaining: dict[Table, pl.LazyFrame]) -> None:
    for table, rows in remaining.items():
        lake.keep(table, rows.collect())
