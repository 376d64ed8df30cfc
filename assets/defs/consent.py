"""`standardised/consent_event`, `consent/ledger`, its seals `consent/seal`, and `consent/decision`.

Every will, and what may be done for it.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, count_by_channel, lake_assets
from cdp_pipelines.consent import build_crosswalk, extend_ledger, seal_events, update_decision_history
from cdp_pipelines.consent.history import HIDDEN_PREFIX, hide_unused_contact_points
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import AT_ONCE, compute_retention_rules, find_expired_values, select_usable
from cdp_pipelines.schema import (
    CLUSTER,
    CONSENT_EVENT,
    CROSSWALK,
    DECISION,
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    SEAL,
)
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.standardise import build_consent_event, select_latest
from warehouse.audit_receipts import read_receipts
from warehouse.delta.lake import Lake
from warehouse.keys import keyed_digest, ledger_key, store_head

TELLS_WILLS = {key: each for key, each in load_all_contracts().items() if each.consents}
WILL = with_raw_sources(CONSENT_EVENT, TELLS_WILLS.values())


@lake_assets(
    specs=[
        build_spec(WILL, deps=[each.raw.name for each in TELLS_WILLS.values()], owner="team:data"),
        build_spec(LEDGER, deps=[CONSENT_EVENT.name], owner="team:privacy"),
        build_spec(SEAL, deps=[LEDGER.name], owner="team:privacy"),
    ],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Append the wills and answers that the ledger does not have, and seal them.

    Wills are read before anything leaves raw tonight: a denial counts, however late and old it comes. The table of
    wills holds those of records that may still be used. A run that was cut short in between is made good first.
    """
    store, as_of = lake.open, lake.as_of(context)
    ledger, sealed = store.read(LEDGER), store.scan(SEAL).drop("leaf_hashes").collect()
    told, usable = _wills(store, as_of)
    events = extend_ledger(ledger, pl.concat([told, read_receipts(store.path, lake.night(context))]))
    seals = seal_events(sealed, ledger, events, ledger_key(store.path))
    yield from check_and_write(
        store,
        lake.night(context),
        StagedWrite(
            WILL,
            usable,
            lambda: store.replace(CONSENT_EVENT, usable),
            {"rows by channel": count_by_channel(usable)},
        ),
        StagedWrite(
            LEDGER,
            events,
            lambda: store.append(LEDGER, events),
            {"new events": events.height},
            is_addition=True,
        ),
        StagedWrite(SEAL, seals, lambda: store.append(SEAL, seals), {"new seals": seals.height}, is_addition=True),
    )
    newest = pl.concat([sealed, seals.drop("leaf_hashes")]).sort("seal_number").tail(1)
    if newest.height:
        store_head(store.path, newest.row(0, named=True))


def _wills(store: Lake, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All wills that raw tells, and those of records that may still be used: most nights the same."""
    purposes = load_company_register().at(as_of)
    told, usable = [], []
    for contract in TELLS_WILLS.values():
        raw, lives = store.scan(contract.raw), compute_retention_rules(contract, purposes)
        told.append(build_consent_event(select_latest(raw, contract), contract).collect())
        if find_expired_values(raw, contract, lives, AT_ONCE, as_of).collect().is_empty():
            usable.append(told[-1])
        else:
            used = select_usable(raw, contract, lives, as_of)
            usable.append(build_consent_event(select_latest(used, contract), contract).collect())
    return pl.concat(told), pl.concat(usable)


@lake_assets(
    specs=[
        build_spec(
            DECISION,
            deps=[LEDGER.name, PARTY.name, CLUSTER.name, INTERACTION.name, PRIVACY_REQUEST.name],
            owner="team:privacy",
        ),
        build_spec(CROSSWALK, deps=[CLUSTER.name, DECISION.name, PARTY.name], owner="team:privacy"),
    ],
)
def decide_all(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Decide anew for every customer and purpose, as of the end of the night, and let records join by it."""
    store, as_of = lake.open, lake.as_of(context)
    decisions = decide_lake(store, as_of)
    key = ledger_key(store.path)
    history = hide_unused_contact_points(
        update_decision_history(store.read(DECISION), decisions, as_of),
        decisions,
        lambda point: HIDDEN_PREFIX + keyed_digest(key, point),
    )
    collected_for = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    joined = build_crosswalk(store.scan(CLUSTER), store.scan(PARTY), decisions.lazy(), collected_for).collect()
    counted = decisions.group_by("purpose").agg(pl.len(), pl.col("is_allowed").sum()).sort("purpose")
    changed = history.filter((pl.col("valid_from") == as_of) | (pl.col("valid_to") == as_of)).height
    gates = joined["gate"].value_counts(sort=True)
    yield from check_and_write(
        store,
        lake.night(context),
        StagedWrite(
            DECISION,
            history,
            lambda: store.replace(DECISION, history),
            {
                "begun or ended tonight": changed,
                "allowed": dg.MetadataValue.md(
                    "\n".join(f"- {key}: {allowed:,} of {n:,}" for key, n, allowed in counted.iter_rows())
                ),
            },
        ),
        StagedWrite(
            CROSSWALK,
            joined,
            lambda: store.replace(CROSSWALK, joined),
            {"merge gate": dg.MetadataValue.md("\n".join(f"- {gate}: {n:,}" for gate, n in gates.iter_rows()))},
        ),
    )
