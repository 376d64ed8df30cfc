"""The nightly job, its schedule at 02:00, and a sensor on the drop folder."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.defs.serving import withdraw_on_failure
from assets.runtime.lake import AS_OF, LakeResource, lake_resource
from assets.runtime.specs import DROPS
from cdp_pipelines.services.declarations import load_company
from cdp_pipelines.services.nights import DueNights, find_due_nights

# A folder counts as delivered after this time without a change.
SETTLED_S = 60
CHECKED_EVERY_S = 30
INTRADAY = load_company().intraday

nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    partitions_def=DROPS,
    executor_def=dg.in_process_executor,
    hooks={withdraw_on_failure},
    description="From the night's drops to the published marts: every table, after its gate.",
)


@dg.schedule(job=nightly, cron_schedule="0 2 * * *", execution_timezone=load_company().time_zone, name="nightly_at_two")
def nightly_at_two(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Bring the lake to yesterday, with or without deliveries: consents expire every night."""
    night = str(context.scheduled_execution_time.date() - timedelta(days=1))
    context.instance.add_dynamic_partitions(DROPS.name, [night])
    return dg.RunRequest(run_key=night, partition_key=night)


@dg.sensor(
    job=nightly,
    minimum_interval_seconds=min(CHECKED_EVERY_S, INTRADAY.settled_seconds) if INTRADAY else CHECKED_EVERY_S,
    name="drop_folder",
)
def drop_folder(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
    """Request one run for all nights whose drop folders are new or changed, once they have settled.

    A run takes in every file until its night, so the newest of these nights stands for all. A folder waits while
    another process writes the lake; a folder of an implausible night waits for `cdp run --accept-night`.
    """
    known, now = json.loads(context.cursor or "{}"), datetime.now(UTC)
    settled_s = INTRADAY.settled_seconds if INTRADAY else SETTLED_S
    found = find_due_nights(lake.open, lake.drop_folder, known, now, settled_s)
    if not found.due:
        return dg.SkipReason("; ".join(found.waiting) or "No drop folder is new or changed")
    for line in found.waiting:
        context.log.warning(line)
    return dg.SensorResult(
        run_requests=[_request_run(found, now)],
        dynamic_partitions_requests=[DROPS.build_add_request(list(found.due))],
        cursor=json.dumps({**known, **found.due}),
    )


def _request_run(found: DueNights, now: datetime) -> dg.RunRequest:
    last = max(found.due)
    is_within = INTRADAY is not None and last == str(now.date())
    return dg.RunRequest(found.digest, partition_key=last, tags={AS_OF: now.isoformat()} if is_within else {})


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
