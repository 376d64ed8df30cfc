"""`audit/*` of a finished night: memberships and corrections of marts, the night itself, and every table's version.

`audit/file` and `audit/retention` come earlier in the night and have modules of their own.
"""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.schema import (
    CORRECTION,
    DECISION,
    HISTORY,
    MEMBERSHIP,
    RUN,
    TABLES,
    VERSION,
)
from cdp_pipelines.services import mart_history, night_record
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.mart_history import list_mart_tables

MARTS = list_mart_tables().values()
INGESTED = [table for each in load_all_contracts().values() for table in (each.raw, each.quarantine)]
# Staff enter rows of the other tables between nights.
WRITTEN_BY_NIGHT = [table for table in TABLES.values() if not table.is_entered]
# A row that shows a person is never written after the night is recorded.
BEFORE_RUN = [table for table in WRITTEN_BY_NIGHT if table not in {RUN, VERSION}]
# Without serving/postgres: its step is skipped where there is no server, and a step that waits for it would be too.
BEFORE_VERSION = [
    *(table for table in WRITTEN_BY_NIGHT if table is not VERSION),
    *INGESTED,
    *MARTS,
    "serving/marts",
]


@lake_assets(specs=[build_spec(MEMBERSHIP, deps=[*MARTS, DECISION])], is_recalled=True)
def record_membership(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Record who entered a mart tonight and who left it, and why."""
    return mart_history.record_membership(lake.open, lake.night(context), lake.as_of(context))


@lake_assets(specs=[build_spec(CORRECTION, deps=[*MARTS, HISTORY])])
def record_correction(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Record which published rows of split customers their recipients must correct."""
    return mart_history.record_corrections(lake.open, lake.night(context), lake.as_of(context))


@lake_assets(specs=[build_spec(RUN, deps=["serving/marts", *BEFORE_RUN])])
def record_night(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Remove old versions of tables, and record every night of the lake."""
    return night_record.record_night(lake.open, lake.night(context), lake.as_of(context))


@lake_assets(specs=[build_spec(VERSION, deps=BEFORE_VERSION)])
def record_versions(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
    """Record every table's version, rows and code."""
    return night_record.record_versions(lake.open, lake.night(context), lake.as_of(context))
