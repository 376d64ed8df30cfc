"""`cdp run`: progress and summary of the nightly job.

Here belongs the summary. The job runs in `assets.runtime.night`.
"""

import resource
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from assets.runtime.night import NIGHTLY, NightResult, RunOptions, run_night
from cdp_pipelines.cli.text import clean, print_document
from cdp_pipelines.reports.catalogue import PAGE as CATALOGUE
from cdp_pipelines.reports.quality import PAGE
from cdp_pipelines.schema import LAYERS
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.document import Document, Row, Section
from warehouse.serving.mart_file import mart_file_path


def run_nights(
    drops: Path,
    lake: Path,
    until: date | None,
    out: Console,
    instance: dg.DagsterInstance | None = None,
    options: RunOptions = NIGHTLY,
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
            options,
        )
    _print_failures(result, out)
    print_document(summarise_night(result), out)
    _print_places(result, out)
    return 0 if result.is_passed else 1


def summarise_night(result: NightResult) -> Document:
    """Files and rows of this run and of the lake, files to look at, rows of each table, and seconds of each layer."""
    unusual = result.new_files.filter(pl.col("outcome") != "loaded").sort("drop_date", "channel", "file")
    sections = [Section("counts", _list_counts(result), title="Files and rows")]
    if unusual.height:
        names = ("drop_date", "file", "outcome", "received_count", "quarantined_count", "detail")
        sections.append(Section("files", unusual.select(names).to_dicts(), title="Files to look at"))
    counts = result.steps.row_counts
    shown = [name for name in counts if name.startswith("standardised/")] + ["golden/customer"]
    shown += sorted(name for name in counts if name.startswith("mart/"))
    rows = [{"table": name, "row_count": counts.get(name, 0)} for name in shown]
    return Document(
        f"The lake as of {_describe_instant(result)}",
        f"{result.steps.passed_count} of {result.check_count} checks passed in {result.seconds:.1f} s; "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GiB.",
        [*sections, Section("tables", rows), Section("layers", _list_layers(result))],
    )


def _describe_instant(result: NightResult) -> str:
    is_whole = result.as_of == end_of_night(result.night)
    return f"the night of {result.night}" if is_whole else f"{result.as_of:%Y-%m-%d %H:%M:%S} UTC"


def _list_counts(result: NightResult) -> list[Row]:
    counted = {
        "rows received": "received_count",
        "rows accepted (raw)": "raw_count",
        "rows quarantined": "quarantined_count",
        "duplicates in raw": "duplicate_count",
    }
    counts: dict[str, tuple[int, int]] = {"files": (result.new_files.height, result.files.height)}
    counts |= {
        label: (int(result.new_files[column].sum()), int(result.files[column].sum()))
        for label, column in counted.items()
    }
    counts |= {
        "rows removed by retention": result.removed_rows,
        "values removed by retention": result.removed_values,
        "consent or requests that name nobody": result.unresolved,
    }
    return [{"count": label, "this_run": run, "in_the_lake": total} for label, (run, total) in counts.items()]


def _list_layers(result: NightResult) -> list[Row]:
    order = {layer: place for place, layer in enumerate(LAYERS)}
    seconds = result.seconds_by_layer
    return [
        {"layer": layer, "row_count": result.rows_by_layer.get(layer, 0), "seconds": round(seconds[layer], 1)}
        for layer in sorted(seconds, key=lambda name: order.get(name, len(order)))
    ]


def _print_failures(result: NightResult, out: Console) -> None:
    """What failed, what was left out, and what people should look at, before anything else."""
    steps = result.steps
    for line in [*steps.failed_checks, *steps.errors]:
        out.print(Text.assemble(("failed", "bold red"), f" {clean(line)}"), soft_wrap=True)
    if result.skipped_count:
        message = f" {result.skipped_count} steps that need a failed one; their tables are unchanged"
        out.print(Text.assemble(("skipped", "bold red"), message), soft_wrap=True)
    for line in steps.warnings:
        out.print(Text.assemble(("warning", "bold yellow"), f" {clean(line)}"), soft_wrap=True)
    if steps.warnings or not result.is_passed:
        out.print()


def _print_places(result: NightResult, out: Console) -> None:
    """Where the results are."""
    store = result.lake
    out.print()
    places = [("marts", str(mart_file_path(store)))]
    places += [("", f"PostgreSQL, database {database}") for database in result.steps.databases]
    places += [
        ("quality report", str(store.path / PAGE)),
        ("catalogue", str(store.path / CATALOGUE)),
        ("open the UI", f"{sys.argv[0]} ui --lake {store.path}"),
    ]
    for label, place in places:
        out.print(Text(f"{label:<16} {clean(place)}"), soft_wrap=True)
