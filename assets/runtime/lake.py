"""The lake as a Dagster resource: where the drops come from, where the tables lie, and the night of a run.

Settings and the writer lock of a run belong here; reading and writing tables is `warehouse.delta`'s.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from cdp_pipelines.reports.quality import write_quality_page
from cdp_pipelines.schema.duration import end_of_night, night_of
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.lake_tables import require_lasting_tables
from cdp_pipelines.services.nights import check_nights, find_instant
from cdp_pipelines.services.step_memory import describe_environment, run_or_recall
from warehouse.delta.lake import Lake
from warehouse.keys import make_first_keys
from warehouse.sources.arrival import Observation
from warehouse.sources.drop_folder import list_drop_dates

# Tags of a run: the instant within its night as of which it decides; nights that it takes in although they are not
# plausible; and "true" where a large removal is confirmed.
AS_OF = "as_of"
ACCEPTED_NIGHTS = "accepted_nights"
REMOVAL_CONFIRMED = "removal_confirmed"
# A run that the schedule or the sensor started waits so long for the process that writes the lake, then it fails.
LOCK_PATIENCE_S = 3600
# Dagster's tags for the partition of a run, and for the last one of a backfill.
_PARTITION = ("dagster/partition", "dagster/asset_partition_range_end")


class LakeResource(dg.ConfigurableResource):
    """Where the drops come from and where the lake lies. A run holds the lake as its only writer."""

    drops: str
    lake: str
    _as_of: datetime | None = PrivateAttr(default=None)
    _first_look: Observation | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LakeResource"]:
        """Wait for other writers and lock them out during a run; draw the quality page at its end, even if it failed.

        The sensor only reads, and needs no lock. Raises `LakeError` where a night is not plausible, or a table is gone
        that no run can make again.
        """
        if context.run is None:
            yield self
            return
        with self.open.lock_writer(LOCK_PATIENCE_S):
            require_lasting_tables(self.open)
            self._check_nights(context.run.tags)
            make_first_keys(self.open.path)
            try:
                yield self
            finally:
                write_quality_page(self.open)

    def _check_nights(self, tags: Mapping[str, str]) -> None:
        for night in filter(None, map(tags.get, _PARTITION)):
            last = date.fromisoformat(night)
            delivered = [each for each in list_drop_dates(self.drop_folder) if each <= last]
            accepted = [date.fromisoformat(each) for each in tags.get(ACCEPTED_NIGHTS, "").split()]
            check_nights(self.open, [*delivered, last], accepted, datetime.now(UTC).date())

    @property
    def open(self) -> Lake:
        """The lake."""
        return Lake(Path(self.lake).absolute())

    @property
    def drop_folder(self) -> Path:
        """The drop folder."""
        return Path(self.drops).absolute()

    @property
    def first_look(self) -> Observation:
        """The drop folder as the run first saw it, listed once for all channels; a file that changes may be partial."""
        if self._first_look is None:
            self._first_look = Observation.take(self.drop_folder)
        return self._first_look

    def night(self, context: dg.AssetExecutionContext) -> date:
        """The night that the run brings the lake to: that of its instant."""
        return night_of(self.as_of(context))

    def as_of(self, context: dg.AssetExecutionContext) -> datetime:
        """Logical time of the run, in UTC: the end of its newest partition, or its tag; never before the lake's own."""
        if self._as_of is None:
            within = context.run.tags.get(AS_OF)
            end = end_of_night(max(map(date.fromisoformat, context.partition_keys)))
            self._as_of = find_instant(self.open, datetime.fromisoformat(within) if within else end)
        return self._as_of

    def is_within_night(self, context: dg.AssetExecutionContext) -> bool:
        """Whether the run decides as of an instant before the end of its night."""
        return self.as_of(context) < end_of_night(self.night(context))

    def recall(self, context: dg.AssetExecutionContext, run: Callable[[], WriteReport]) -> WriteReport:
        """The report of a step, which runs only if something has changed that it rests on."""
        step = context.op_execution_context.op.name
        rests_on = describe_environment(self.open, self.as_of(context))
        return run_or_recall(self.open, step, self.night(context), rests_on, run)


def lake_resource() -> LakeResource:
    """The lake and the drop folder that CDP_LAKE and CDP_DROPS name; `cdp` sets both."""
    return LakeResource(drops=dg.EnvVar("CDP_DROPS"), lake=dg.EnvVar("CDP_LAKE"))
