"""`standardised/consent_event`, `consent/ledger`, its seals `consent/batch`, and `consent/decision`.

Every will, and what may be done for it.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from assets.decisions import decided
from assets.lake import Gated, LakeResource, by_channel, lake_assets, publish, spec
from assets.policies import contracts, register
from cdp_pipelines.consent import crosswalk, extend_batches, extend_ledger, succeed
from cdp_pipelines.consent.history import HIDDEN, hide_gone
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import AT_ONCE, in_use, leaving, spans
from cdp_pipelines.standardise import consent_event, current
from cdp_pipelines.tables import (
    BATCH,
    CLUSTER,
    CONSENT_EVENT,
    CROSSWALK,
    DECISION,
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
)
from warehouse.answers import noted
from warehouse.keys import keep_head, keyed_digest, ledger_key
from warehouse.lake import Lake

TELLS_WILLS = {key: each for key, each in contracts().items() if each.consents}
WILL = with_raw_sources(CONSENT_EVENT, TELLS_WILLS.values())


@lake_assets(
    specs=[
        spec(WILL, deps=[each.raw.name for each in TELLS_WILLS.values()], owner="team:data"),
        spec(LEDGER, deps=[CONSENT_EVENT.name], owner="team:privacy"),
        spec(BATCH, deps=[LEDGER.name], owner="team:privacy"),
    ],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Append the wills and answers that the ledger does not have, and seal them.

    Wills are read before anything leaves raw tonight: a denial counts, however late and old it comes. The table of
    wills holds those of records that may still be used. A run that was cut short in between is made good first.
    """
    store, as_of = lake.open, lake.as_of(context)
    ledger, links = store.read(LEDGER), store.scan(BATCH).drop("leaves").collect()
    told, usable = _wills(store, as_of)
    events = extend_ledger(ledger, pl.concat([told, noted(store.path, lake.night(context))]))
    batches = extend_batches(links, ledger, events, ledger_key(store.path))
    yield from publish(
        store,
        lake.night(context),
        Gated(
            WILL,
            usable,
            lambda: store.replace(CONSENT_EVENT, usable),
            {"rows by channel": by_channel(usable)},
        ),
        Gated(
            LEDGER,
            events,
            lambda: store.append(LEDGER, events),
            {"new events": events.height},
            is_addition=True,
        ),
        Gated(BATCH, batches, lambda: store.append(BATCH, batches), {"new batches": batches.height}, is_addition=True),
    )
    newest = pl.concat([links, batches.drop("leaves")]).sort("batch").tail(1)
    if newest.height:
        keep_head(store.path, newest.row(0, named=True))


def _wills(store: Lake, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All wills that raw tells, and those of records that may still be used: most nights the same."""
    purposes = register().at(as_of)
    told, usable = [], []
    for contract in TELLS_WILLS.values():
        raw, lives = store.scan(contract.raw), spans(contract, purposes)
        told.append(consent_event(current(raw, contract), contract).collect())
        if leaving(raw, contract, lives, AT_ONCE, as_of).collect().is_empty():
            usable.append(told[-1])
        else:
            used = in_use(raw, contract, lives, as_of)
            usable.append(consent_event(current(used, contract), contract).collect())
    return pl.concat(told), pl.concat(usable)


@lake_assets(
    specs=[
        spec(
            DECISION,
            deps=[LEDGER.name, PARTY.name, CLUSTER.name, INTERACTION.name, PRIVACY_REQUEST.name],
            owner="team:privacy",
        ),
        spec(CROSSWALK, deps=[CLUSTER.name, DECISION.name, PARTY.name], owner="team:privacy"),
    ],
)
def decide_all(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Decide anew for every customer and purpose, as of the end of the night, and let records join by it."""
    store, as_of = lake.open, lake.as_of(context)
    decisions = decided(store, as_of)
    key = ledger_key(store.path)
    history = hide_gone(
        succeed(store.read(DECISION), decisions, as_of), decisions, lambda point: HIDDEN + keyed_digest(key, point)
    )
    collected_for = {key: contract.collected_for for key, contract in contracts().items()}
    joined = crosswalk(store.scan(CLUSTER), store.scan(PARTY), decisions.lazy(), collected_for).collect()
    counted = decisions.group_by("purpose").agg(pl.len(), pl.col("is_allowed").sum()).sort("purpose")
    changed = history.filter((pl.col("valid_from") == as_of) | (pl.col("valid_to") == as_of)).height
    gates = joined["gate"].value_counts(sort=True)
    yield from publish(
        store,
        lake.night(context),
        Gated(
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
        Gated(
            CROSSWALK,
            joined,
            lambda: store.replace(CROSSWALK, joined),
            {"merge gate": dg.MetadataValue.md("\n".join(f"- {gate}: {n:,}" for gate, n in gates.iter_rows()))},
        ),
    )
