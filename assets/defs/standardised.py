"""`standardised/*`: the raw rows of all channels that may still be used, in standard tables.

`standardised/consent_event` is made where the ledger is, for a will counts though its record may be used no more.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, by_channel, lake_assets, publish, spec
from assets.policies import contracts, register
from cdp_pipelines import standardise
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import in_use, spans
from cdp_pipelines.tables import FILE, INTERACTION, PARTY, PREFERENCE, PRIVACY_REQUEST, Table

STANDARD = (
    (PARTY, "party", standardise.party),
    (INTERACTION, "interaction", standardise.interaction),
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
        store, as_of = lake.open, lake.as_of(context)
        purposes = register().at(as_of)
        frames = []
        for each in fed_by.values():
            used = in_use(store.scan(each.raw), each, spans(each, purposes), as_of)
            frames.append(standard(standardise.current(used, each), each))
        rows = pl.concat(pl.collect_all(frames))
        yield from publish(
            store,
            lake.night(context),
            Gated(
                described,
                rows,
                lambda: store.replace(table, rows),
                {"rows by channel": by_channel(rows)},
            ),
        )

    return build


standardised = [_asset(*each) for each in STANDARD]
