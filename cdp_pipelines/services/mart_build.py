"""Build the mart of one purpose: the people whom it may process, times the columns that it declares.

Reading the lake and writing mart/<purpose> belongs here, also where its new rows are held back; the form and the
protection of a mart are `marts`'.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.audience_funnel import draw_funnel
from cdp_pipelines.errors import CdpError
from cdp_pipelines.lineage import check_minimised, describe_origins
from cdp_pipelines.marts.aggregate import PEOPLE
from cdp_pipelines.marts.mart import (
    Members,
    build_mart_table,
    build_permitted,
    build_permitted_table,
    protect,
    quasi_identifiers,
    select_members,
)
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.schema import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE
from cdp_pipelines.schema.duration import start_of_window
from cdp_pipelines.schema.interval import current
from cdp_pipelines.schema.mart import MEASURES
from cdp_pipelines.services.check_results import store_result
from cdp_pipelines.services.checked_write import (
    GATE,
    CheckFailedError,
    StagedWrite,
    TableCheck,
    TableWrite,
    WriteReport,
    check_and_write,
)
from cdp_pipelines.services.declarations import load_all_contracts, purpose_file
from cdp_pipelines.services.funnel import count_steps
from cdp_pipelines.services.mart_inputs import MartInputs
from cdp_pipelines.services.marts import read_mart, select_lasting
from cdp_pipelines.services.step_memory import describe_environment, run_or_recall
from expectations.result import GateResult, Outcome
from warehouse.keys import mart_key
from warehouse.mart_sql import run_mart_sql

if TYPE_CHECKING:
    from datetime import date, datetime

    from cdp_pipelines.purposes import Purpose
    from warehouse.delta.lake import Lake

SOURCES = (DECISION, PROVENANCE, CUSTOMER, INTERACTION, CROSSWALK)


def check_mart_sql(purpose: Purpose) -> None:
    """Run the SQL of a purpose without rows: a query that does not fit its declaration fails before any night."""
    if purpose.shape:
        run_mart_sql(purpose, build_permitted_table(purpose).empty())


def update_mart(lake: Lake, purpose: Purpose, night: date, as_of: datetime) -> WriteReport:
    """Build a purpose's mart anew, if anything has changed that it rests on: decisions and values of this purpose.

    Where that fails it is held back, so that no mart stops another: it keeps its earlier rows, without those of people
    whose right has ended since, and its gate is reported as failed.
    """
    try:
        inputs = MartInputs.read(lake)
        # Only measures are of a window of time.
        rests_on = describe_environment(lake, as_of if _has_measures(purpose) else None, inputs.describe(purpose))
        build = partial(_build_mart, lake, purpose, inputs, night, as_of)
        return run_or_recall(lake, f"mart/{purpose.key}", night, rests_on, build, described=(DECISION,))
    except CheckFailedError as error:
        checks = error.checks
    except CdpError as error:
        checks = (_report_unbuilt(lake, purpose, night, str(error)),)
    except Exception as error:  # noqa: BLE001  whatever it is, the other marts go on; its message may quote a person
        checks = (_report_unbuilt(lake, purpose, night, f"{type(error).__module__}.{type(error).__name__}"),)
    table, before = build_mart_table(purpose), read_mart(lake, purpose)
    rows = select_lasting(lake, purpose, before)
    metadata = {"held back": "The rows of the night before stay", "rows without a right": before.height - rows.height}
    return WriteReport(night, checks, (TableWrite(table, lake.replace(table, rows), metadata),))


def _build_mart(lake: Lake, purpose: Purpose, inputs: MartInputs, night: date, as_of: datetime) -> WriteReport:
    contracts, table = load_all_contracts(), build_mart_table(purpose)
    check_minimised(purpose, contracts, purpose_file(purpose.key))
    decisions = current(lake.scan(DECISION)).filter(pl.col("purpose") == purpose.key).collect()
    members = select_members(purpose, decisions.lazy(), inputs.values.lazy(), inputs.customers.lazy())
    permitted = _select_permitted(lake, purpose, members, as_of)
    shaped = run_mart_sql(purpose, permitted) if purpose.shape else permitted
    rows = protect(purpose, shaped, permitted)
    metadata = {
        "audience funnel": draw_funnel(count_steps(purpose, decisions.lazy(), members.counts)),
        "column origins": describe_origins(purpose, contracts),
        **count_suppressed(purpose, shaped, rows),
    }
    return check_and_write(lake, night, StagedWrite(table, rows, lambda: lake.replace(table, rows), metadata))


def _report_unbuilt(lake: Lake, purpose: Purpose, night: date, reason: str) -> TableCheck:
    """A failed gate for rows that could not be built, so that there is nothing to check."""
    table = build_mart_table(purpose)
    outcome = Outcome(
        type="mart_can_be_built",
        column=None,
        kwargs={},
        severity="critical",
        why="A mart is built before it is checked.",
        passed=False,
        failed_count=None,
        checked_count=None,
        detail=reason,
    )
    result = GateResult(table.name, table.description, row_count=0, seconds=0, results=(outcome,))
    store_result(lake, result, night)
    return TableCheck(table, GATE, is_passed=False, description=f"{table.name}: {reason}", result=result)


def count_suppressed(purpose: Purpose, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, object]:
    """What protection removed from a mart, so that no one is singled out: values by column, or cells; counts alone."""
    if purpose.mart_kind == "aggregate":
        return {"cells": after.height, "cells suppressed": after[PEOPLE].null_count()}
    if purpose.mart_kind == "identified":
        return {}
    suppressed = {name: after[name].null_count() - before[name].null_count() for name in quasi_identifiers(purpose)}
    return {"values suppressed": suppressed}


def _has_measures(purpose: Purpose) -> bool:
    return any(column.source.startswith("measure.") for column in purpose.columns)


def _select_permitted(lake: Lake, purpose: Purpose, members: Members, as_of: datetime) -> pl.DataFrame:
    measures = MEASURES.empty().lazy()
    if _has_measures(purpose):
        # A purpose never reads data that was collected for others alone.
        channels = [key for key, contract in load_all_contracts().items() if purpose.key in contract.collected_for]
        since = start_of_window(purpose.retention, as_of)
        measures = compute_measures(lake.scan(INTERACTION), lake.scan(CROSSWALK), channels, since, as_of)
    return build_permitted(purpose, members, measures, mart_key(lake.path, purpose.key)).collect()
