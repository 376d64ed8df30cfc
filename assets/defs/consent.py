"""`consent/ledger` and `consent/decision`: every will, and what may be done with whom because of it."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import register
from cdp_pipelines.consent import decide, extend_ledger, identifiers
from cdp_pipelines.tables import CONSENT_EVENT, CROSSWALK, DECISION, INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST


@lake_assets(
    specs=[spec(LEDGER, deps=[CONSENT_EVENT.name], owner="team:privacy")],
)
def keep_ledger(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Append the wills that the ledger does not have."""
    store = lake.open
    events = extend_ledger(store.read(LEDGER), store.read(CONSENT_EVENT))
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
    )


@lake_assets(
    specs=[
        spec(
            DECISION,
            deps=[LEDGER.name, PARTY.name, CROSSWALK.name, INTERACTION.name, PRIVACY_REQUEST.name],
            owner="team:privacy",
        )
    ],
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
        party=party,
        requests=store.scan(PRIVACY_REQUEST),
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
