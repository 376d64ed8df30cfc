"""`cdp run`: the nightly job in this process, with progress and a summary."""

import logging
import resource
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from assets.runtime.instance import prepare_instance
from assets.runtime.lake import DROPS
from cdp_pipelines.errors import LakeError
from cdp_pipelines.reports.catalogue import PAGE as CATALOGUE
from cdp_pipelines.reports.quality import PAGE
from cdp_pipelines.retention import WHOLE_ROW
from cdp_pipelines.schema import FILE, RETENTION
from warehouse.delta.lake import Lake
from warehouse.serving import mart_file as serving
from warehouse.sources.drop_folder import list_drop_dates

LAYERS = ("raw", "audit", "standardised", "identity", "consent", "golden", "mart", "serving", "reports")


@dataclass
class Seen:
    """What the job told while it ran."""

    step_count: int
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rows: dict[str, int] = field(default_factory=dict)
    passed_count: int = 0
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    layer_of_step: dict[str, str] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)


def run_nights(
    drops: Path, lake: Path, until: date | None, out: Console, memory: dg.DagsterInstance | None = None
) -> int:
    """Bring the lake to the night `until`, with all files until then that it does not have.

    One run, as the partition of that night. `memory`: where Dagster remembers the run; in the lake, if None. Gives 0
    when every gate passed, else 1.
    """
    nights = [night for night in list_drop_dates(drops) if until is None or night <= until]
    if not nights and until is None:
        raise LakeError(f"{drops} holds no folder named by a date with files in it")
    last = until or nights[-1]
    prepare_instance(lake, drops)
    store = Lake(lake.absolute())
    with store.lock_writer():
        pass  # Says at once who else writes; the job holds the lake itself.
    from assets.definitions import defs

    job_defs = dg.Definitions.merge(defs(), dg.Definitions(loggers={"progress": _progress_logger}))
    job = job_defs.resolve_job_def("nightly")
    started = time.perf_counter()
    with memory or dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(DROPS.name, [str(last)])
        before, left_before = _files(store), _left(store)
        with Progress(
            TextColumn("[bold]{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=out,
            transient=True,
        ) as progress:
            seen = Seen(len(job.nodes))
            _Handler.attach(progress, seen)
            result = job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"progress": {"config": {}}}},
                partition_key=str(last),
            )
    _report(store, seen, before, left_before, last, time.perf_counter() - started, out)
    return 0 if result.success and not seen.failed else 1


def _files(store: Lake) -> pl.DataFrame:
    return store.scan(FILE).select("channel", "file_sha256").collect()


def _left(store: Lake) -> dict[str, int]:
    """What ever left by retention: whole rows, and values of rows that stayed or left later."""
    is_row = pl.col("field") == WHOLE_ROW
    counted = store.scan(RETENTION).select(
        pl.col("n").filter(is_row).sum().alias("rows left by retention"),
        pl.col("n").filter(~is_row).sum().alias("values left by retention"),
    )
    return counted.collect().row(0, named=True)


@dg.logger
def _progress_logger(context: dg.InitLoggerContext) -> logging.Logger:  # noqa: ARG001
    """Dagster's events, to whoever listens in this process."""
    return _Handler.logger()


class _Handler(logging.Handler):
    """Turns Dagster's events into progress and counts."""

    def __init__(self, progress: Progress, seen: Seen) -> None:
        super().__init__(logging.DEBUG)
        self.progress, self.seen = progress, seen
        self.task = progress.add_task("starting", total=seen.step_count)

    @staticmethod
    def logger() -> logging.Logger:
        """The logger that the job writes to."""
        logger = logging.getLogger("cdp.run")
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        return logger

    @classmethod
    def attach(cls, progress: Progress, seen: Seen) -> None:
        """Listen, and be the only one who does."""
        cls.logger().handlers = [cls(progress, seen)]

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one event."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            return
        seen, step = self.seen, event.step_key or ""
        match event.event_type_value:
            case "STEP_START":
                self.progress.update(self.task, description=step.replace("_", " "))
            case "ASSET_MATERIALIZATION":
                name = "/".join(event.asset_key.path)
                seen.layer_of_step.setdefault(step, event.asset_key.path[0])
                metadata = event.step_materialization_data.materialization.metadata
                count = metadata.get("dagster/row_count")
                seen.rows[name] = int(count.value) if count is not None else 0
                if database := metadata.get("database"):
                    seen.databases.append(str(database.value))
            case "ASSET_CHECK_EVALUATION":
                check = event.asset_check_evaluation_data
                seen.layer_of_step.setdefault(step, check.asset_key.path[0])
                if check.passed:
                    seen.passed_count += 1
                else:
                    seen.failed.append(
                        f"{'/'.join(check.asset_key.path)} {check.check_name}: {check.description or ''}"
                    )
            case "STEP_SUCCESS" | "STEP_FAILURE":
                self.progress.advance(self.task)
                seconds = getattr(event.event_specific_data, "duration_ms", 0) or 0
                seen.seconds[step] += seconds / 1000
                if event.event_type_value == "STEP_FAILURE":
                    error = event.step_failure_data.error
                    user = event.step_failure_data.user_failure_data
                    seen.errors.append(f"{step}: {user.description if user else error.cls_name if error else ''}")


def _report(
    store: Lake, seen: Seen, before: pl.DataFrame, left: dict[str, int], last: date, seconds: float, out: Console
) -> None:
    files = store.read(FILE)
    new = files.join(before, on=["channel", "file_sha256"], how="anti")
    tonight = {name: (n - left[name], n) for name, n in _left(store).items()}
    out.print(_summary(files, new, tonight, seen, last))
    odd = new.filter(pl.col("outcome") != "loaded").sort("drop_date", "channel", "file")
    if odd.height:
        out.print(_odd_files(odd))
    layers: dict[str, float] = defaultdict(float)
    for step, taken in seen.seconds.items():
        layers[seen.layer_of_step.get(step, step.split("__")[0])] += taken
    rows: dict[str, int] = defaultdict(int)
    for name, n in seen.rows.items():
        rows[name.split("/")[0]] += n
    timed = Table("layer", "rows held", "seconds", box=None)
    for column in timed.columns[1:]:
        column.justify = "right"
    for layer in sorted(layers, key=lambda name: LAYERS.index(name) if name in LAYERS else len(LAYERS)):
        timed.add_row(layer, f"{rows[layer]:,}", f"{layers[layer]:.1f}")
    timed.add_row("[bold]in all", "", f"[bold]{seconds:.1f}")
    out.print(timed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    out.print(f"peak memory      {peak:.1f} GiB", highlight=False)
    for line in [*seen.failed, *seen.errors]:
        out.print(f"[bold red]failed[/] {line}", highlight=False, soft_wrap=True)
    if left_out := seen.step_count - len(seen.seconds):
        out.print(f"[bold red]left out[/] {left_out} steps that build on what failed; their tables are as before")
    out.print(f"marts            {serving.mart_file_path(store)}", highlight=False, soft_wrap=True)
    for database in seen.databases:
        out.print(f"                 PostgreSQL, database {database}", highlight=False, soft_wrap=True)
    out.print(f"quality report   {store.path / PAGE}", highlight=False, soft_wrap=True)
    out.print(f"catalogue        {store.path / CATALOGUE}", highlight=False, soft_wrap=True)
    out.print(f"look at it       {sys.argv[0]} ui --lake {store.path}", highlight=False, soft_wrap=True)


def _summary(files: pl.DataFrame, new: pl.DataFrame, left: dict[str, tuple[int, int]], seen: Seen, last: date) -> Table:
    table = Table("", "this run", "in the lake", title=f"The lake as of the night of {last}", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"

    def add(name: str, tonight: int | str, held: int | str) -> None:
        table.add_row(name, *(f"{each:,}" if isinstance(each, int) else each for each in (tonight, held)))

    add("files", new.height, files.height)
    for label, column in (
        ("rows received", "received_count"),
        ("  taken in (raw)", "raw_count"),
        ("  quarantined", "quarantined_count"),
        ("  of raw, duplicates", "duplicate_count"),
    ):
        add(label, int(new[column].sum()), int(files[column].sum()))
    for label, counts in left.items():
        add(label, *counts)
    standardised = {name: n for name, n in seen.rows.items() if name.startswith("standardised/")}
    add("rows standardised", "", sum(standardised.values()))
    for name, n in standardised.items():
        add(f"  {name.removeprefix('standardised/')}", "", n)
    add("customers", "", seen.rows.get("golden/customer", 0))
    for name, n in sorted(seen.rows.items()):
        if name.startswith("mart/"):
            add(name, "", n)
    check_count = seen.passed_count + len(seen.failed)
    add("checks passed", f"{seen.passed_count} of {check_count}", "")
    return table


def _odd_files(odd: pl.DataFrame) -> Table:
    table = Table("drop", "file", "outcome", "rows", "refused", "what", title="Files to look at", title_justify="left")
    for column in table.columns[:3]:
        column.no_wrap = True
    for row in odd.iter_rows(named=True):
        table.add_row(
            str(row["drop_date"] or ""),
            row["file"],
            row["outcome"],
            f"{row['received_count']:,}",
            f"{row['quarantined_count']:,}",
            row["detail"] or "",
        )
    return table
