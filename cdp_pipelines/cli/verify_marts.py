"""`cdp verify marts`: the brute force on a lake, with progress and a summary."""

import time
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cdp_pipelines.errors import CdpError
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import COMPANY, load_company_register
from cdp_pipelines.services.signed_report import open_lake
from warehouse.verify.marts import MAX_PRINTED, Report, find_last_night, verify_decisions, verify_lake


def check(lake: Path, purposes: tuple[str, ...], as_of: datetime | None, known_at: datetime | None) -> int:
    """Compare, say what was compared and where it differs; 0 without a difference, else 1."""
    out, store = Console(), open_lake(lake)
    if unknown := set(purposes) - {key for key, each in load_company_register().items() if each.columns}:
        raise CdpError(f"no mart is called {', '.join(sorted(unknown))}")
    started = time.perf_counter()
    bar = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn())
    with Progress(*bar, console=out, transient=True) as progress:
        task = progress.add_task("reading")

        def step(what: str, n: int, of: int) -> None:
            progress.update(task, description=what, completed=n, total=of)

        if as_of is None and known_at is None:
            report = verify_lake(store.path, COMPANY, purposes, step)
        else:
            moment = as_of or find_last_night(store.path)
            known = known_at or moment
            rows = decide_lake(store, moment, known).to_dicts()
            report = verify_decisions(store.path, COMPANY, moment, known, rows, step)
    _told(report, time.perf_counter() - started, out)
    return 1 if report.differences else 0


def _told(report: Report, seconds: float, out: Console) -> None:
    out.print(
        f"{report.decision_count:,} decisions, {report.record_count:,} records at the merge gate and "
        f"{sum(report.row_counts.values()):,} rows of {len(report.row_counts)} marts checked in {seconds:.0f} s: "
        f"{len(report.differences):,} differences",
        highlight=False,
    )
    for line in report.differences[:MAX_PRINTED]:
        out.print(f"  {line}", highlight=False, soft_wrap=True)
    if len(report.differences) > MAX_PRINTED:
        out.print(f"  and {len(report.differences) - MAX_PRINTED:,} more")
