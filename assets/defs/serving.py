"""`serving/*`: the marts for BI tools, in a DuckDB file and on a PostgreSQL server."""

import os
from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from assets.runtime.lake import LakeResource
from assets.runtime.redaction import redact_errors
from assets.runtime.results import report_mart_publication, report_server_publication
from assets.runtime.specs import DROPS, RETRY_POLICY, asset_key, find_owner
from cdp_pipelines.schema import CORRECTION
from cdp_pipelines.services.mart_history import list_mart_tables
from cdp_pipelines.services.mart_publication import publish_marts
from warehouse.serving import postgres
from warehouse.serving.server_error import SERVER

MARTS = ["serving", "marts"]
POSTGRES = ["serving", "postgres"]


@dg.asset(
    key=MARTS,
    # Corrections compare the new rows with the published file, so they come before it is replaced.
    deps=[asset_key(table.name) for table in (*list_mart_tables().values(), CORRECTION)],
    description="The marts in one DuckDB file, a schema per purpose, replaced as a whole: open it read-only.",
    group_name="serving",
    owners=[find_owner("serving/marts")],
    kinds={"duckdb"},
    tags={"layer": "serving"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    check_specs=[
        dg.AssetCheckSpec(
            "rights",
            asset=MARTS,
            description="Every row of every mart is allowed by a decision made at publication, on the ledger at that "
            "time; other rows are not published",
        )
    ],
    code_version="1",
)
def marts(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Decide again for every row that is to be published; build the file anew where any mart changed."""
    with redact_errors():
        publication = publish_marts(
            lake.open, lake.as_of(context), lambda path: DuckDBResource(database=str(path)).get_connection()
        )
    return report_mart_publication(publication)


@dg.asset(
    key=POSTGRES,
    deps=[dg.AssetKey(MARTS)],
    description=f"The published marts on the PostgreSQL server that {SERVER} names: a schema per purpose, "
    "readable by the role cdp_<purpose> alone, all changed in one transaction. Without a server, nothing.",
    group_name="serving",
    owners=[find_owner("serving/postgres")],
    kinds={"postgresql"},
    tags={"layer": "serving"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    output_required=False,
    code_version="1",
)
def served_by_postgres(lake: LakeResource) -> Iterator:
    """Make the marts on the server equal to the published file."""
    if server := os.environ.get(SERVER):
        with redact_errors():
            yield report_server_publication(lambda: postgres.publish(server, lake.open))
