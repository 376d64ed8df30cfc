"""`cdp bench identity-night`: identity resolution of nights that bring few records, beside resolving all of them.

Each night is measured in a process of its own, in a lake, from reading the records to the last table written, gates and
page included; Dagster, and what a process loads only once, are not measured. The sets of records, the measured nights
and the comparison of two lakes belong here.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.benchmarks.isolated_run import run_isolated
from cdp_pipelines.sample.duplicates import TODAY, generate_duplicates
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, LINK, MODEL, PARTY, RECORD_KEY, RECORD_STATE
from cdp_pipelines.schema.duration import end_of_night
from warehouse.delta.lake import Lake

COLUMNS = (
    "",
    "seconds",
    "CPU seconds",
    "peak GiB",
    "new",
    "resolved",
    "pairs compared",
    "customers changed",
    "ratio",
    "equal",
)


class Night(NamedTuple):
    """What a night took and did."""

    seconds: float
    cpu: float
    gib: float
    new: int
    resolved: int
    pairs: int

    def cells(self) -> list[str]:
        """As the table shows it."""
        counts = (f"{count:,}" for count in (self.new, self.resolved, self.pairs))
        return [f"{self.seconds:.1f}", f"{self.cpu:.1f}", f"{self.gib:.1f}", *counts]


def measure(records: int, percents: Sequence[float], out: Console) -> bool:
    """Print seconds and work of each night, and its ratio to all; whether each equals resolving all records at once.

    The largest night is repeated with as many records that changed and that left: how many customers differ then.
    """
    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    equal = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, night, anew = (folder / lake for lake in ("before", "night", "anew"))
        out.print(f"making {records:,} records, and up to {max(percents):g} % more", style="dim")
        run_isolated(_make, folder / "party.parquet", records, max(percents))
        whole = _measure_night(before, folder / "party.parquet", records, 0, 0)
        table.add_row("all records", *whole.cells(), "", "", "")
        for percent, is_churned in [*((percent, False) for percent in percents), (max(percents), True)]:
            shutil.copytree(before, night)
            added = round(records * percent / 100)
            churned = added if is_churned else 0
            few, _ = (_measure_night(lake, folder / "party.parquet", records, added, churned) for lake in (night, anew))
            differing = _count_differing(Lake(night), Lake(anew))
            if not is_churned:
                equal.append(not differing and _is_same(Lake(night), Lake(anew)))
            label = f"{percent:g} % more" + (", changed and gone" if is_churned else "")
            ratio = f"{few.seconds / whole.seconds:.2f}"
            changed = f"{_count_differing(Lake(night), Lake(before)):,}"
            outcome = f"{differing:,} differ" if is_churned else "yes" if equal[-1] else "NO"
            table.add_row(label, *few.cells(), changed, ratio, outcome)
            shutil.rmtree(night)
            shutil.rmtree(anew)
        size = sum(file.stat().st_size for file in Lake(before).location(RECORD_STATE.name).glob("*.parquet"))
    out.print(table)
    out.print(
        "ratio: in seconds, to all records. equal: customers, links and state are those of all of the night's records "
        f"at once; where records changed or left, customers that are not. state: {size / 2**20:.0f} MiB"
    )
    return all(equal)


def _make(file: Path, records: int, percent: float) -> str:
    generate_duplicates(records + round(records * percent / 100))[0].write_parquet(file)
    return ""


def _measure_night(lake: Path, party: Path, records: int, added: int, churned: int) -> Night:
    """Bring a lake to a night that has `added` records more, which come the day after the others.

    `churned`: so many records have left, and so many have another street, reported that day.
    """
    run_isolated(_fill, lake, party, records, added, churned)
    _, gib, measured = run_isolated(_run_night, lake, added)
    seconds, cpu, *counts = measured.split()
    new, resolved, pairs = map(int, counts)
    return Night(float(seconds), float(cpu), gib, new, resolved, pairs)


def _fill(lake: Path, party: Path, records: int, added: int, churned: int) -> str:
    row = pl.int_range(pl.len())
    is_moved = row.is_between(churned, 2 * churned, closed="left")
    night = pl.when((row >= records) | is_moved).then(TODAY + timedelta(days=1)).otherwise(TODAY)
    street = pl.when(is_moved).then(pl.col("street").shift(1)).otherwise("street")
    rows = pl.read_parquet(party).head(records + added).with_columns(drop_date=night, street=street)
    Lake(lake).replace(PARTY, rows.slice(churned))
    return ""


def _run_night(lake: Path, added: int) -> str:
    from cdp_pipelines.reports.identity import write_identity_page
    from cdp_pipelines.services.declarations import (
        identity_code_digest,
        linking_channels,
        load_identity_policy,
        non_linking_channels,
    )
    from cdp_pipelines.services.identity_resolution import update_identity
    from expectations.gate import validate_frame

    # What a process loads once: Great Expectations, and the declarations.
    validate_frame(GROUP.name, GROUP.empty())
    policy, _ = load_identity_policy(), (non_linking_channels(), identity_code_digest(), linking_channels())
    night = TODAY + timedelta(days=1 if added else 0)
    wall, cpu = time.perf_counter(), time.process_time()
    report = update_identity(Lake(lake), policy, night, end_of_night(night), write_identity_page)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    counts: dict[str, Any] = {name: value for write in report.writes for name, value in write.metadata.items()}
    names = ("records new or changed", "records resolved", "pairs compared")
    return " ".join(map(str, [*spent, *(counts[f"identity {name}"] for name in names)]))


def _is_same(one: Lake, other: Lake) -> bool:
    """Whether two lakes agree in customers, links, and the state that they leave to the next night."""
    models = [lake.read(MODEL).drop("table_versions") for lake in (one, other)]
    tables = (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)
    return models[0].equals(models[1]) and all(one.read(table).equals(other.read(table)) for table in tables)


def _count_differing(one: Lake, other: Lake) -> int:
    """Customers of one lake whose records are not exactly those of a customer of the other."""
    first, second = (lake.read(CLUSTER).select(*RECORD_KEY, "customer_id") for lake in (one, other))
    both = first.join(second, on=list(RECORD_KEY), how="left")
    shared = both.group_by("customer_id", "customer_id_right").len()
    sizes = [frame.group_by("customer_id").len() for frame in (first, second)]
    whole = shared.join(sizes[0], on=["customer_id", "len"], how="semi").join(
        sizes[1], left_on=["customer_id_right", "len"], right_on=["customer_id", "len"], how="semi"
    )
    return sizes[0].height - whole.height
