"""`audit/retention`: values that may no longer be used leave raw and quarantine, counted before they go."""

import dagster as dg

from assets.runtime.lake import REMOVAL_CONFIRMED, LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import asset_key, build_spec
from cdp_pipelines.schema import LEDGER, RECTIFICATION, RETENTION, SEAL
from cdp_pipelines.services import retention
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.declarations import load_all_contracts

INGESTED = [table for each in load_all_contracts().values() for table in (each.raw, each.quarantine)]


# A consent event is in the ledger before its record leaves.
@lake_assets(
    specs=[build_spec(RETENTION, deps=[LEDGER, SEAL, RECTIFICATION, *INGESTED])],
    checks=[
        dg.AssetCheckSpec(
            retention.CONFIRMED,
            asset=asset_key(RETENTION.name),
            description="No table loses more than its declared share of rows in one night without confirmation",
        )
    ],
)
def apply_retention(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Count what has to leave, then remove it."""
    is_confirmed = context.run.tags.get(REMOVAL_CONFIRMED) == "true"
    return retention.apply_retention(lake.open, lake.night(context), lake.as_of(context), is_confirmed=is_confirmed)
