"""`serving/*`: the marts for BI tools, in a DuckDB file and on a PostgreSQL server."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from assets.runtime.lake import LakeResource
from assets.runtime.redaction import redact_errors
from assets.runtime.results import convert_metadata, report_mart_publication, report_server_publication
from assets.runtime.specs import DROPS, RETRY_POLICY, asset_key, find_owner
from cdp_pipelines.schema import CORRECTION, DECISION, MEMBERSHIP
from cdp_pipelines.services.mart_history import list_mart_tables, list_split_customers
from cdp_pipelines.services.mart_publication import publish_marts, withdraw_published
from warehouse.delta.lake import Lake
from warehouse.serving import postgres
from warehouse.serving.server_error import SERVER

MARTS = ["serving", "marts"]
POSTGRES = ["serving", "postgres"]
WITHDRAWN = ["serving", "withdrawn"]


@dg.asset(
    key=MARTS,
    # Corrections compare the new rows with the published file, so they come before it is replaced.
    deps=[asset_key(table.name) for table in (*list_mart_tables().values(), CORRECTION, MEMBERSHIP)],
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
        ),
        dg.AssetCheckSpec(
            "current",
            asset=MARTS,
            description="Every mart is tonight's; a mart that was held back has the rows of an earlier night",
        ),
        dg.AssetCheckSpec(
            "reconciled",
            asset=MARTS,
            description="The funnel, the mart, the history of membership and the served file have the same numbers",
        ),
    ],
    code_version="1",
)
def marts(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Decide again for every row that is to be published; build the file anew where any mart changed."""
    with redact_errors():
        publication = publish_marts(lake.open, lake.night(context), lake.as_of(context), _connect)
    return report_mart_publication(publication)


@dg.asset(
    key=WITHDRAWN,
    deps=[asset_key(DECISION.name)],
    description="Within a day: people whose right has ended leave the served marts before anything else is built.",
    group_name="serving",
    owners=[find_owner("serving/withdrawn")],
    kinds={"duckdb", "postgresql"},
    tags={"layer": "serving"},
    # As soon as decisions are made.
    op_tags={"dagster/priority": "1"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    code_version="1",
)
def withdrawn_within_a_day(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """A withdrawal takes effect at once; a night publishes all its marts together.

    Where a customer was split, the served rows stay until the corrections of recipients are recorded.
    """
    with redact_errors():
        is_due = lake.is_within_night(context) and list_split_customers(lake.open, lake.as_of(context)).is_empty()
        removed = _withdraw(lake.open) if is_due else {}
    return dg.MaterializeResult(metadata={"rows removed": convert_metadata(removed)})


@dg.failure_hook(required_resource_keys={"lake"})
def withdraw_on_failure(context: dg.HookContext) -> None:
    """Where a step fails, its night may never be published: people whose right has ended leave the served marts now."""
    with redact_errors():
        removed = _withdraw(context.resources.lake.open)
    for key, count in removed.items():
        context.log.warning("%s: %d rows of people whose right has ended left the served mart", key, count)


def _withdraw(lake: Lake) -> dict[str, int]:
    removed = withdraw_published(lake, _connect)
    if removed and (server := os.environ.get(SERVER)):
        postgres.publish(server, lake)
    return removed


def _connect(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return DuckDBResource(database=str(path)).get_connection()


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
