"""`consent/ledger`, its seals `consent/batch`, and `consent/decision`: every will, and what may be done for it."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import register
from cdp_pipelines.consent import decide, extend_batches, extend_ledger, identifiers
from cdp_pipelines.tables import BATCH, CONSENT_EVENT, CROSSWALK, DECISION, INTERACTION, LEDGER, PARTY
from warehouse.keys import keep_head, ledger_key


@lake_assets(
    specs=[
        spec(LEDGER, deps=[CONSENT_EVENT.name], owner="team:privacy"),
        spec(BATCH, deps=[LEDGER.name], owner="team:privacy"),
    ],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Append the wills that the ledger does not have, and seal them; a run cut short in between is made good first."""
    store = lake.open
    ledger, links = store.read(LEDGER), store.scan(BATCH).drop("leaves").collect()
    events = extend_ledger(ledger, store.read(CONSENT_EVENT))
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
    specs=[spec(DECISION, deps=[LEDGER.name, PARTY.name, CROSSWALK.name, INTERACTION.name], owner="team:privacy")],
)
def decide_all(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Decide anew for every customer and purpose, as of the end of the night."""
    store, as_of = lake.open, lake.as_of(context)
    party, crosswalk = store.scan(PARTY), store.scan(CROSSWALK)
    decisions = decide(
        register(),
        store.read(LEDGER),
        identifiers(party, crosswalk),
        store.scan(INTERACTION),
        crosswalk,
        as_of=as_of,
        known_at=as_of,
    )
    counted = decisions.group_by("purpose").agg(pl.len(), pl.col("is_allowed").sum()).sort("purpose")
    yield from publish(
        store,
        lake.night(context),
        Gated(
            DECISION,
            decisions,
            lambda: store.replace(DECISION, decisions),
            {
                "allowed": dg.MetadataValue.md(
                    "\n".join(f"- {key}: {allowed:,} of {n:,}" for key, n, allowed in counted.iter_rows())
                )
            },
        ),
    )
