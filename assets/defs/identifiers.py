"""`identity/identifier`: whom an identifier leads to, for those who ask."""

from collections.abc import Iterator

import dagster as dg

from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, lake_assets
from cdp_pipelines.consent import list_identifiers
from cdp_pipelines.schema import CLUSTER, IDENTIFIER, PARTY


@lake_assets(specs=[build_spec(IDENTIFIER, deps=[PARTY.name, CLUSTER.name], owner="team:privacy")])
def index_identifiers(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Every identifier of every customer, as decisions see them."""
    store = lake.open
    rows = IDENTIFIER.conform(list_identifiers(store.scan(PARTY), store.scan(CLUSTER))).collect()
    counts = dict(rows["kind"].value_counts().sort("kind").iter_rows())
    yield from check_and_write(
        store, lake.night(context), StagedWrite(IDENTIFIER, rows, lambda: store.replace(IDENTIFIER, rows), counts)
    )
