"""`identity/identifier`: whom an identifier leads to, for those who ask."""

from collections.abc import Iterator

import dagster as dg

from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from cdp_pipelines.consent import identifiers
from cdp_pipelines.tables import CLUSTER, IDENTIFIER, PARTY


@lake_assets(specs=[spec(IDENTIFIER, deps=[PARTY.name, CLUSTER.name], owner="team:privacy")])
def index_identifiers(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Every identifier of every customer, as decisions see them."""
    store = lake.open
    rows = IDENTIFIER.conform(identifiers(store.scan(PARTY), store.scan(CLUSTER))).collect()
    counts = dict(rows["kind"].value_counts().sort("kind").iter_rows())
    yield from publish(
        store, lake.night(context), Gated(IDENTIFIER, rows, lambda: store.replace(IDENTIFIER, rows), counts)
    )
