"""`audit/file`: every file is accounted for, files that no channel claims included."""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import asset_key, build_spec
from cdp_pipelines.schema import FILE, RETENTION
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.file_accounting import RECONCILED, find_unclaimed_files, record_files

INGESTED = [table for each in load_all_contracts().values() for table in (each.raw, each.quarantine)]


@lake_assets(
    specs=[build_spec(FILE, deps=[RETENTION, *INGESTED])],
    checks=[
        dg.AssetCheckSpec(
            RECONCILED,
            asset=asset_key(FILE.name),
            blocking=True,
            description="For each file, the rows received are the rows in raw and quarantine plus the rows removed",
        ),
    ],
)
def account_for_files(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Add the files that no channel claims, and count every file's rows again where they are stored."""
    night = lake.night(context)
    account = find_unclaimed_files(lake.open, lake.drop_folder, night)
    for warning in account.warnings:
        context.log.warning(warning)
    return record_files(lake.open, account, night)
