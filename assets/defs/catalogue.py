"""`reports/catalogue`: the page that describes the lake, drawn at the end of the night."""

import dagster as dg

from assets.runtime.lake import LakeResource
from assets.runtime.specs import DROPS, RETRY_POLICY, asset_key, find_owner
from cdp_pipelines.reports.catalogue import read_owners, write_catalogue
from cdp_pipelines.schema import MEMBERSHIP, RUN


@dg.asset(
    key=["reports", "catalogue"],
    deps=[asset_key(table.name) for table in (RUN, MEMBERSHIP)],
    description="Every table and column on one page: meaning, category, owner, retention, rows, quality and lineage.",
    group_name="reports",
    owners=[find_owner("reports/catalogue")],
    kinds={"html"},
    tags={"layer": "reports"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    code_version="1",
)
def catalogue(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Draw the page from the declarations and from the state of the lake after the night."""
    page = write_catalogue(lake.open, read_owners(context.job_def.asset_layer.asset_graph))
    return dg.MaterializeResult(metadata={"page": dg.MetadataValue.path(str(page)), "bytes": page.stat().st_size})
