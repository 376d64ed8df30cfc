"""Run the nightly job in this process: progress while it runs, and a result to print.

Starting Dagster's job and collecting its events belongs here; parsing options and printing is the command's.
"""

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import polars as pl

from assets.runtime.instance import prepare_databases, prepare_instance, show_in_timeline
from assets.runtime.lake import ACCEPTED_NIGHTS, AS_OF, REMOVAL_CONFIRMED
from assets.runtime.specs import DROPS
from cdp_pipelines.errors import LakeError
from cdp_pipelines.retention import WHOLE_ROW
from cdp_pipelines.schema import FILE, RECORD_KEY, RETENTION, UNRESOLVED
from cdp_pipelines.schema.duration import end_of_night, night_of
from cdp_pipelines.services.file_accounting import drop_replaced
from cdp_pipelines.services.lake_tables import require_lasting_tables
from cdp_pipelines.services.nights import check_nights, find_instant
from warehouse.delta.lake import Lake
from warehouse.serving.server_error import SERVER
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.state_file import forget_states

JOB = "nightly"


@dataclass(frozen=True)
class Progress:
    """The state of a running job: its current step, and how many steps are done."""

    step: str
    finished_count: int
    step_count: int


@dataclass
class StepLog:
    """What the steps of a job reported. Tables by full name, seconds by step."""

    step_count: int
    finished_count: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    row_counts: dict[str, int] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    passed_count: int = 0
    failed_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunOptions:
    """How a run differs from the plain nightly one.

    `as_of`: an instant (UTC) within the last night, as of which it decides instead of the end of that night.
    `accepted_nights`: taken in although they are not plausible. `is_removal_confirmed`: retention may remove more than
    its share of a table. `is_full`: every row is computed again.
    """

    as_of: datetime | None = None
    accepted_nights: Collection[date] = ()
    is_removal_confirmed: bool = False
    is_full: bool = False


NIGHTLY = RunOptions()


@dataclass(frozen=True)
class NightResult:
    """A finished run.

    `as_of`: the instant (UTC) as of which it decided. `files`: rows of audit/file; `new_files`: those that this run
    loaded or refused. `removed_rows`, `removed_values`: by retention, in this run and in all runs. `unresolved`:
    records of consent/unresolved, those of this run and all.
    """

    night: date
    as_of: datetime
    lake: Lake
    is_passed: bool
    seconds: float
    steps: StepLog
    files: pl.DataFrame
    new_files: pl.DataFrame
    removed_rows: tuple[int, int]
    removed_values: tuple[int, int]
    unresolved: tuple[int, int]

    @property
    def skipped_count(self) -> int:
        """Steps that did not run, because a step before them failed."""
        return self.steps.step_count - len(self.steps.seconds)

    @property
    def check_count(self) -> int:
        """Checks that ran."""
        return self.steps.passed_count + len(self.steps.failed_checks) + len(self.steps.warnings)

    @property
    def seconds_by_layer(self) -> dict[str, float]:
        """Layer of the lake to the seconds of its steps."""
        seconds: dict[str, float] = defaultdict(float)
        for step, taken in self.steps.seconds.items():
            seconds[self.steps.layers.get(step, step.split("__")[0])] += taken
        return dict(seconds)

    @property
    def rows_by_layer(self) -> dict[str, int]:
        """Layer of the lake to the rows in its tables."""
        rows: dict[str, int] = defaultdict(int)
        for name, count in self.steps.row_counts.items():
            rows[name.split("/")[0]] += count
        return dict(rows)


def run_night(
    drops: Path,
    lake: Path,
    until: date | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    instance: dg.DagsterInstance | None = None,
    options: RunOptions = NIGHTLY,
) -> NightResult:
    """Bring the lake to the night `until`, or to the newest drop, with all files until then that it does not have.

    All nights are one run, as the partition of the last. `instance`: where Dagster records the run; by default in the
    lake. Raises `LakeError` where there is nothing to load, where a night is not plausible, where a table is gone that
    no run can make again, or where another process writes the lake.
    """
    until = night_of(options.as_of) if options.as_of else until
    nights = [night for night in list_drop_dates(drops) if until is None or night <= until]
    if not nights and until is None:
        raise LakeError(f"{drops} has no folder that is named by a date and has files")
    night = until or nights[-1]
    store = Lake(lake.absolute())
    require_lasting_tables(store)
    as_of = find_instant(store, options.as_of or end_of_night(night))
    check_nights(store, [*nights, night], options.accepted_nights, datetime.now(UTC).date())
    prepare_instance(lake, drops)
    # Fails at once where another process holds the lock; the job itself takes it again.
    with store.lock_writer():
        if options.is_full:
            forget_states(lake)
    if instance is None:
        prepare_databases(lake)
    job = _resolve_job()
    started = time.perf_counter()
    steps = StepLog(len(job.nodes))
    with instance or dg.DagsterInstance.get() as opened, show_in_timeline(opened, JOB), _listen(steps, on_progress):
        opened.add_dynamic_partitions(DROPS.name, [str(night)])
        known, removed, unresolved = _known_files(store), _count_removed(store), _read_unresolved(store)
        result = job.execute_in_process(
            instance=opened,
            raise_on_error=False,
            run_config={"loggers": {"progress": {"config": {}}}},
            partition_key=str(night),
            tags={
                AS_OF: as_of.isoformat(),
                ACCEPTED_NIGHTS: " ".join(map(str, options.accepted_nights)),
                REMOVAL_CONFIRMED: str(options.is_removal_confirmed).lower(),
            },
        )
    files = drop_replaced(store.read(FILE))
    (rows, values), (all_rows, all_values) = removed, _count_removed(store)
    all_unresolved = _read_unresolved(store)
    return NightResult(
        night=night_of(as_of),
        as_of=as_of,
        lake=store,
        is_passed=result.success and not steps.failed_checks,
        seconds=time.perf_counter() - started,
        steps=steps,
        files=files,
        new_files=files.join(known, on=["channel", "file_sha256"], how="anti"),
        removed_rows=(all_rows - rows, all_rows),
        removed_values=(all_values - values, all_values),
        unresolved=(all_unresolved.join(unresolved, on=RECORD_KEY, how="anti").height, all_unresolved.height),
    )


def recompute_lake(lake: Path, as_of: datetime) -> None:
    """Compute every table of a copy of a lake again as of an instant, without new files; nothing leaves for a server.

    Raises `LakeError` where a check of that run fails.
    """
    with TemporaryDirectory() as drops, _without(SERVER), dg.DagsterInstance.ephemeral() as instance:
        result = run_night(Path(drops), lake, instance=instance, options=RunOptions(as_of=as_of, is_full=True))
    if not result.is_passed:
        raise LakeError(
            f"the copy could not be computed: {'; '.join([*result.steps.errors, *result.steps.failed_checks])}"
        )


@contextmanager
def _without(variable: str) -> Iterator[None]:
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value


def _resolve_job() -> dg.JobDefinition:
    from assets.definitions import defs

    with_progress = dg.Definitions.merge(defs(), dg.Definitions(loggers={"progress": _progress_logger}))
    return with_progress.resolve_job_def(JOB)


def _known_files(store: Lake) -> pl.DataFrame:
    return store.scan(FILE).select("channel", "file_sha256").collect()


def _read_unresolved(store: Lake) -> pl.DataFrame:
    return store.scan(UNRESOLVED).select(RECORD_KEY).collect()


def _count_removed(store: Lake) -> tuple[int, int]:
    """Whole rows that retention ever removed, and single values of rows that stayed or were removed later."""
    is_row = pl.col("field") == WHOLE_ROW
    counted = store.scan(RETENTION).select(
        pl.col("removed_count").filter(is_row).sum().alias("rows"),
        pl.col("removed_count").filter(~is_row).sum().alias("values"),
    )
    return counted.collect().row(0)


def _logger() -> logging.Logger:
    logger = logging.getLogger("cdp.run")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    return logger


@dg.logger
def _progress_logger(context: dg.InitLoggerContext) -> logging.Logger:  # noqa: ARG001
    """Dagster's events, for the listener in this process."""
    return _logger()


@contextmanager
def _listen(steps: StepLog, on_progress: Callable[[Progress], None]) -> Iterator[None]:
    """Collect Dagster's events in `steps`; no other listener gets them."""
    _logger().handlers = [_EventHandler(steps, on_progress)]
    try:
        yield
    finally:
        _logger().handlers = []


class _EventHandler(logging.Handler):
    """Turns Dagster's events into progress and counts."""

    def __init__(self, steps: StepLog, on_progress: Callable[[Progress], None]) -> None:
        super().__init__(logging.DEBUG)
        self.steps, self.on_progress = steps, on_progress

    def emit(self, record: logging.LogRecord) -> None:
        """Note one event."""
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            return
        steps, step = self.steps, event.step_key or ""
        match event.event_type_value:
            case "STEP_START":
                self.on_progress(Progress(step, steps.finished_count, steps.step_count))
            case "ASSET_MATERIALIZATION":
                self._note_materialization(step, event)
            case "ASSET_CHECK_EVALUATION":
                self._note_check(step, event.asset_check_evaluation_data)
            case "STEP_SUCCESS" | "STEP_FAILURE":
                steps.finished_count += 1
                steps.seconds[step] += (getattr(event.event_specific_data, "duration_ms", 0) or 0) / 1000
                if event.event_type_value == "STEP_FAILURE":
                    error = event.step_failure_data.error
                    user = event.step_failure_data.user_failure_data
                    reason = user.description if user else error.cls_name if error else ""
                    steps.errors.append(f"{step}: {reason}")
                self.on_progress(Progress(step, steps.finished_count, steps.step_count))

    def _note_materialization(self, step: str, event: dg.DagsterEvent) -> None:
        metadata = event.step_materialization_data.materialization.metadata
        count = metadata.get("dagster/row_count")
        self.steps.layers.setdefault(step, event.asset_key.path[0])
        self.steps.row_counts["/".join(event.asset_key.path)] = int(count.value) if count is not None else 0
        if database := metadata.get("database"):
            self.steps.databases.append(str(database.value))

    def _note_check(self, step: str, check: dg.AssetCheckEvaluation) -> None:
        self.steps.layers.setdefault(step, check.asset_key.path[0])
        if check.passed:
            self.steps.passed_count += 1
        else:
            name = f"{'/'.join(check.asset_key.path)} {check.check_name}"
            is_warning = check.severity == dg.AssetCheckSeverity.WARN
            lines = self.steps.warnings if is_warning else self.steps.failed_checks
            lines.append(f"{name}: {check.description or ''}")
