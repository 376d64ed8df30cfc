"""`consent/ledger`, its seals `consent/batch`, and `consent/decision`: every will, and what may be done for it."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.decisions import decided
from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts
from cdp_pipelines.consent import crosswalk, extend_batches, extend_ledger, succeed
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
from warehouse.keys import keep_head, ledger_key


@lake_assets(
    specs=[
        spec(LEDGER, deps=[CONSENT_EVENT.name], owner="team:privacy"),
        spec(BATCH, deps=[LEDGER.name], owner="team:privacy"),
    ],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Append the wills and answers that the ledger does not have, and seal them.

    A run that was cut short in between is made good first.
    """
    store = lake.open
    ledger, links = store.read(LEDGER), store.scan(BATCH).drop("leaves").collect()
    wills, answers = store.read(CONSENT_EVENT), noted(store.path, lake.night(context))
    events = extend_ledger(ledger, pl.concat([wills, answers]))
    batches = extend_batches(links, ledger, events, ledger_key(store.path))
    yield from publish(
        store,
        lake.night(context),
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
    history = succeed(store.read(DECISION), decisions, as_of)
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
