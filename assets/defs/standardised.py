"""`standardised/*`: the raw rows of all channels, in five standard tables."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts
from cdp_pipelines import standardise
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.tables import CONSENT_EVENT, FILE, INTERACTION, PARTY, PREFERENCE, PRIVACY_REQUEST, Table

STANDARD = (
    (PARTY, "party", standardise.party),
    (INTERACTION, "interaction", standardise.interaction),
    (CONSENT_EVENT, "consents", standardise.consent_event),
    (PREFERENCE, "preference", standardise.preference),
    (PRIVACY_REQUEST, "privacy_request", standardise.privacy_request),
)


def _asset(table: Table, mapping: str, standard: object) -> dg.AssetsDefinition:
    fed_by = {key: each for key, each in contracts().items() if getattr(each, mapping)}
    described = with_raw_sources(table, fed_by.values())

    @lake_assets(
        name=f"standardise_{table.name.split('/')[1]}",
        specs=[spec(described, deps=[*(each.raw.name for each in fed_by.values()), FILE.name], owner="team:data")],
    )
    def build(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
        store = lake.open
        rows = pl.concat(
            pl.collect_all(
                [standard(standardise.current(store.scan(each.raw), each), each) for each in fed_by.values()]
            )
        )
        by_channel = rows["channel"].value_counts().sort("channel")
        counts = "\n".join(f"- {channel}: {n:,}" for channel, n in by_channel.iter_rows())
        yield from publish(
            store,
            lake.night(context),
            Gated(
                described,
                rows,
                lambda: store.replace(table, rows),
                {"rows by channel": dg.MetadataValue.md(counts)},
            ),
        )

    return build


standardised = [_asset(*each) for each in STANDARD]
