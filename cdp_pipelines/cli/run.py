"""`cdp run`: progress and summary of the nightly job.

Printing belongs here; the job runs in `assets.runtime.night`.
"""

import resource
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from assets.runtime.night import NightResult, run_night
from cdp_pipelines.reports.catalogue import PAGE as CATALOGUE
from cdp_pipelines.reports.quality import PAGE
from cdp_pipelines.schema import LAYERS
from warehouse.serving.mart_file import mart_file_path


def run_nights(
    drops: Path, lake: Path, until: date | None, out: Console, instance: dg.DagsterInstance | None = None
) -> int:
    """Bring the lake to the night `until` and print the summary; 0 when every check passed, else 1."""
    with Progress(
        TextColumn("[bold]{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=None)
        result = run_night(
            drops,
            lake,
            until,
            lambda now: bar.update(
                task, description=now.step.replace("_", " "), completed=now.finished_count, total=now.step_count
            ),
            instance,
        )
    _print_result(result, out)
    return 0 if result.is_passed else 1


def _print_result(result: NightResult, out: Console) -> None:
    store, steps = result.lake, result.steps
    out.print(_summarise(result))
    unusual = result.new_files.filter(pl.col("outcome") != "loaded").sort("drop_date", "channel", "file")
    if unusual.height:
        out.print(_list_files(unusual))
    timed = Table("layer", "rows", "seconds", box=None)
    for column in timed.columns[1:]:
        column.justify = "right"
    seconds, rows = result.seconds_by_layer, result.rows_by_layer
    for layer in sorted(seconds, key=lambda name: LAYERS.index(name) if name in LAYERS else len(LAYERS)):
        timed.add_row(layer, f"{rows.get(layer, 0):,}", f"{seconds[layer]:.1f}")
    timed.add_row("[bold]total", "", f"[bold]{result.seconds:.1f}")
    out.print(timed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    out.print(f"peak memory      {peak:.1f} GiB", highlight=False)
    for line in [*steps.failed_checks, *steps.errors]:
        out.print(f"[bold red]failed[/] {line}", highlight=False, soft_wrap=True)
    if result.skipped_count:
        out.print(
            f"[bold red]skipped[/] {result.skipped_count} steps that need a failed one; their tables are unchanged"
        )
    out.print(f"marts            {mart_file_path(store)}", highlight=False, soft_wrap=True)
    for database in steps.databases:
        out.print(f"                 PostgreSQL, database {database}", highlight=False, soft_wrap=True)
    out.print(f"quality report   {store.path / PAGE}", highlight=False, soft_wrap=True)
    out.print(f"catalogue        {store.path / CATALOGUE}", highlight=False, soft_wrap=True)
    out.print(f"open the UI      {sys.argv[0]} ui --lake {store.path}", highlight=False, soft_wrap=True)


def _summarise(result: NightResult) -> Table:
    title = f"The lake as of the night of {result.night}"
    table = Table("", "this run", "in the lake", title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"

    def add(name: str, tonight: int | str, total: int | str) -> None:
        table.add_row(name, *(f"{each:,}" if isinstance(each, int) else each for each in (tonight, total)))

    add("files", result.new_files.height, result.files.height)
    for label, column in (
        ("rows received", "received_count"),
        ("  accepted (raw)", "raw_count"),
        ("  quarantined", "quarantined_count"),
        ("  of raw, duplicates", "duplicate_count"),
    ):
        add(label, int(result.new_files[column].sum()), int(result.files[column].sum()))
    add("rows removed by retention", *result.removed_rows)
    add("values removed by retention", *result.removed_values)
    counts = result.steps.row_counts
    standardised = {name: count for name, count in counts.items() if name.startswith("standardised/")}
    add("rows standardised", "", sum(standardised.values()))
    for name, count in standardised.items():
        add(f"  {name.removeprefix('standardised/')}", "", count)
    add("customers", "", counts.get("golden/customer", 0))
    for name, count in sorted(counts.items()):
        if name.startswith("mart/"):
            add(name, "", count)
    add("checks passed", f"{result.steps.passed_count} of {result.check_count}", "")
    return table


def _list_files(files: pl.DataFrame) -> Table:
    table = Table(
        "drop", "file", "outcome", "rows", "refused", "detail", title="Files to look at", title_justify="left"
    )
    for column in table.columns[:3]:
        column.no_wrap = True
    for row in files.iter_rows(named=True):
        table.add_row(
            str(row["drop_date"] or ""),
            row["file"],
            row["outcome"],
            f"{row['received_count']:,}",
            f"{row['quarantined_count']:,}",
            row["detail"] or "",
        )
    return table
