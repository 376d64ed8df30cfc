"""`identity/identifier`: the customers that an identifier leads to, for questions about one person."""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.schema import CLUSTER, IDENTIFIER, PARTY
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.identifier_index import update_identifier_index


@lake_assets(specs=[build_spec(IDENTIFIER, deps=[PARTY, CLUSTER])], is_recalled=True)
def index_identifiers(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Every identifier of every customer, as decisions use them."""
    return update_identifier_index(lake.open, lake.night(context))
