"""The nightly job, its schedule at 02:00, and a sensor on the drop folder."""

import json
import time
from datetime import timedelta

import dagster as dg

from assets.runtime.lake import LakeResource, lake_resource
from assets.runtime.specs import DROPS
from cdp_pipelines.services.declarations import load_company
from warehouse.sources.drop_folder import digest_settled_folders

# A folder counts as delivered after this time without a change.
SETTLED_S = 60

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    partitions_def=DROPS,
    executor_def=dg.in_process_executor,
    description="From the night's drops to the published marts: every table, after its gate.",
)


@dg.schedule(job=nightly, cron_schedule="0 2 * * *", execution_timezone=load_company().time_zone, name="nightly_at_two")
def nightly_at_two(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Bring the lake to yesterday, with or without deliveries: consents expire every night."""
    night = str(context.scheduled_execution_time.date() - timedelta(days=1))
    context.instance.add_dynamic_partitions(DROPS.name, [night])
    return dg.RunRequest(run_key=night, partition_key=night)


@dg.sensor(job=nightly, minimum_interval_seconds=30, name="drop_folder")
def drop_folder(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
    """Request a run of each night whose drop folder is new or changed, once it has settled."""
    known = json.loads(context.cursor or "{}")
    settled = digest_settled_folders(lake.drop_folder, time.time() - SETTLED_S)
    states = {str(night): digest for night, digest in settled.items()}
    due = sorted(night for night, digest in states.items() if known.get(night) != digest)
    if not due:
        return dg.SkipReason("No drop folder is new or changed")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{night}:{states[night]}", partition_key=night) for night in due],
        dynamic_partitions_requests=[DROPS.build_add_request(due)],
        cursor=json.dumps({**known, **states}),
    )


@dg.definitions
def night() -> dg.Definitions:
    """The job, its schedule and sensor, and the lake that CDP_LAKE and CDP_DROPS name."""
    return dg.Definitions(
        jobs=[nightly],
        schedules=[nightly_at_two],
        sensors=[drop_folder],
        resources={"lake": lake_resource()},
        # Also for runs started in the UI: a lake has one writer, and a process for each step costs a second.
        executor=dg.in_process_executor,
    )
