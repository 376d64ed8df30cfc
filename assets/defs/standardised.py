"""`standardised/*`: the raw rows of all channels that may still be used, in standard tables.

`standardised/consent_event` is built with the ledger: consent events count even after their record may not be used.
"""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.schema import FILE
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.standardisation import STANDARD_TABLES, StandardTable, update_standard_table


def _build_asset(standard: StandardTable) -> dg.AssetsDefinition:
    raw = [contract.raw for contract in standard.contracts.values()]

    @lake_assets(
        name=f"standardise_{standard.table.name.split('/')[1]}",
        specs=[build_spec(standard.described, deps=[*raw, FILE])],
        is_recalled=True,
    )
    def build(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
        return update_standard_table(lake.open, standard, lake.night(context), lake.as_of(context))

    return build


standardised = [_build_asset(standard) for standard in STANDARD_TABLES]
