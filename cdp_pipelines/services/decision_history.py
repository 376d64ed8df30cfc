"""Decide for every customer and purpose, and record the history of decisions and the crosswalk that they allow.

Every customer is decided in numbers. Texts, history and gate are those of the customers whose decisions have changed.
Writing consent/decision and identity/crosswalk belongs here; a decision on request, without writing, is `decisions`'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent import build_crosswalk, update_decision_history
from cdp_pipelines.consent.decide import build_decision_rows, count_allowed, digest_decisions, list_contact_points
from cdp_pipelines.consent.decision_state import DecisionState
from cdp_pipelines.consent.history import HIDDEN_PREFIX, find_unused_contact_points, hide_unused_contact_points
from cdp_pipelines.consent.merge_gate import digest_links
from cdp_pipelines.schema import CLUSTER, CROSSWALK, DECISION, PARTY, RECORD_KEY
from cdp_pipelines.schema.duration import end_of_knowledge
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.checked_write import TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.customer_changes import (
    CustomerChanges,
    find_customer_changes,
    split_customers,
    store_customer_digests,
)
from cdp_pipelines.services.decisions import read_decision_input
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.silence import find_silent_channels
from warehouse.keys import keyed_digest, ledger_key

if TYPE_CHECKING:
    from datetime import date, datetime

    from cdp_pipelines.schema import DecisionFrame
    from warehouse.delta.lake import Lake

COMPLETE = "every_channel_is_complete"


def update_decisions(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Decide anew for every customer and purpose, as of the end of the night, and link the records that may be linked.

    Contact points that no decision needs any more stay in the history as keyed digests.
    """
    state = DecisionState.build(read_decision_input(lake, as_of))
    digests, in_use, stored = digest_decisions(state), list_contact_points(state), lake.scan(DECISION)
    changes = find_customer_changes(lake, (DECISION,), digests, as_of)
    if changes.ids is not None:
        # Somebody else may have been the last holder of a contact point that the history of a customer names.
        changes = changes.include(find_unused_contact_points(stored, in_use)["customer_id"])
    key, histories = ledger_key(lake.path), []
    for bucket in _split(changes, digests, stored):
        history = update_decision_history(
            bucket.select(stored).collect(), build_decision_rows(state, bucket.ids), as_of
        )
        histories.append(
            hide_unused_contact_points(history, in_use, lambda point: HIDDEN_PREFIX + keyed_digest(key, point))
        )
    history = pl.concat(histories)
    complete_history = changes.complete(lake, DECISION, history)
    cluster, party = lake.scan(CLUSTER), lake.scan(PARTY)
    link_digests = digest_links(cluster, party, digests)
    links = find_customer_changes(lake, (CROSSWALK,), link_digests, as_of)
    records = links.select(cluster)
    collected_for = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    crosswalk = build_crosswalk(
        records,
        party.join(records, on=list(RECORD_KEY), how="semi"),
        links.select(current(complete_history)),
        collected_for,
    ).collect()
    is_of_tonight = (pl.col("valid_from") == as_of) | (pl.col("valid_to") == as_of)
    metadata = {
        "begun or ended tonight": complete_history.filter(is_of_tonight).select(pl.len()).collect().item(),
        "allowed": {purpose: f"{allowed:,} of {total:,}" for purpose, (allowed, total) in count_allowed(state).items()},
    }
    counted = links.complete(lake, CROSSWALK, crosswalk).group_by("gate").len("count").collect()
    gates = {"merge gate": dict(counted.sort("count", "gate", descending=True).iter_rows())}
    report = check_and_write(
        lake,
        night,
        changes.stage(lake, DECISION, history, metadata),
        links.stage(lake, CROSSWALK, crosswalk, gates),
    )
    store_customer_digests(lake, (DECISION,), digests, as_of)
    store_customer_digests(lake, (CROSSWALK,), link_digests, as_of)
    silent = [each.describe(lake) for each in find_silent_channels(lake, end_of_knowledge(as_of))]
    complete = TableCheck(DECISION, COMPLETE, not silent, "; ".join(silent) or None, is_warning=True)
    return replace(report, checks=(*report.checks, complete))


def _split(changes: CustomerChanges, digests: pl.DataFrame, stored: DecisionFrame) -> list[CustomerChanges]:
    """The customers whose decisions are computed, bucket by bucket; also those who have a history alone."""
    ids = changes.ids
    if ids is None:
        known = stored.select(pl.col("customer_id").unique()).collect()["customer_id"]
        ids = pl.concat([digests["customer_id"], known]).unique()
    return [CustomerChanges(bucket) for bucket in split_customers(ids)]
