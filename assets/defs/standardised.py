"""`standardised/*`: the raw rows of all channels that may still be used, in standard tables.

`standardised/consent_event` is made where the ledger is, for a will counts though its record may be used no more.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, count_by_channel, lake_assets
from cdp_pipelines import standardise
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import compute_retention_rules, select_usable
from cdp_pipelines.schema import FILE, INTERACTION, PARTY, PREFERENCE, PRIVACY_REQUEST, Table
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

STANDARD = (
    (PARTY, "party", standardise.build_party),
    (INTERACTION, "interaction", standardise.build_interaction),
    (PREFERENCE, "preference", standardise.build_preference),
    (PRIVACY_REQUEST, "privacy_request", standardise.build_privacy_request),
)


def _asset(table: Table, mapping: str, standard: object) -> dg.AssetsDefinition:
    fed_by = {key: each for key, each in load_all_contracts().items() if getattr(each, mapping)}
    described = with_raw_sources(table, fed_by.values())

    @lake_assets(
        name=f"standardise_{table.name.split('/')[1]}",
        specs=[
            build_spec(described, deps=[*(each.raw.name for each in fed_by.values()), FILE.name], owner="team:data")
        ],
    )
    def build(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
        store, as_of = lake.open, lake.as_of(context)
        purposes = load_company_register().at(as_of)
        frames = []
        for each in fed_by.values():
            used = select_usable(store.scan(each.raw), each, compute_retention_rules(each, purposes), as_of)
            frames.append(standard(standardise.select_latest(used, each), each))
        rows = pl.concat(pl.collect_all(frames))
        yield from check_and_write(
            store,
            lake.night(context),
            StagedWrite(
                described,
                rows,
                lambda: store.replace(table, rows),
                {"rows by channel": count_by_channel(rows)},
            ),
        )

    return build


standardised = [_asset(*each) for each in STANDARD]
