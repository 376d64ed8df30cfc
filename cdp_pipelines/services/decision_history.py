"""Decide for every customer and purpose, and record the history of decisions and the crosswalk that they allow.

Writing consent/decision and identity/crosswalk belongs here; a decision on request, without writing, is `decisions`'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent import build_crosswalk, update_decision_history
from cdp_pipelines.consent.history import HIDDEN_PREFIX, hide_unused_contact_points
from cdp_pipelines.schema import CLUSTER, CROSSWALK, DECISION, PARTY
from cdp_pipelines.services.checked_write import StagedWrite, TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.silence import find_silent_channels
from warehouse.keys import keyed_digest, ledger_key

if TYPE_CHECKING:
    from datetime import date, datetime

    from warehouse.delta.lake import Lake

COMPLETE = "every_channel_is_complete"


def update_decisions(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Decide anew for every customer and purpose, as of the end of the night, and link the records that may be linked.

    Contact points that no decision needs any more stay in the history as keyed digests.
    """
    decisions = decide_lake(lake, as_of)
    key = ledger_key(lake.path)
    history = hide_unused_contact_points(
        update_decision_history(lake.read(DECISION), decisions, as_of),
        decisions,
        lambda point: HIDDEN_PREFIX + keyed_digest(key, point),
    )
    collected_for = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    crosswalk = build_crosswalk(lake.scan(CLUSTER), lake.scan(PARTY), decisions.lazy(), collected_for).collect()
    counted = decisions.group_by("purpose").agg(pl.len(), pl.col("is_allowed").sum()).sort("purpose")
    metadata = {
        "begun or ended tonight": history.filter(
            (pl.col("valid_from") == as_of) | (pl.col("valid_to") == as_of)
        ).height,
        "allowed": {purpose: f"{allowed:,} of {total:,}" for purpose, total, allowed in counted.iter_rows()},
    }
    gates = {"merge gate": dict(crosswalk["gate"].value_counts().sort("count", "gate", descending=True).iter_rows())}
    report = check_and_write(
        lake,
        night,
        StagedWrite(DECISION, history, lambda: lake.replace(DECISION, history), metadata),
        StagedWrite(CROSSWALK, crosswalk, lambda: lake.replace(CROSSWALK, crosswalk), gates),
    )
    silent = [each.describe(lake) for each in find_silent_channels(lake, as_of)]
    complete = TableCheck(DECISION, COMPLETE, not silent, "; ".join(silent) or None, is_warning=True)
    return replace(report, checks=(*report.checks, complete))
