"""`cdp bench night`: who is one person, after nights that bring few records, beside resolving all of them.

Each is measured in a process of its own, in a lake, from reading the records to the last table written, gates and page
included; Dagster, and what a process loads but once, are not.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table

from assets.runtime.lake import end_of
from cdp_pipelines.benchmarks.isolated_run import apart
from cdp_pipelines.sample.duplicates import TODAY, copies
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, LINK, MODEL, PARTY, RECORD_STATE
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
        return [f"{self.seconds:.1f}", f"{self.cpu:.1f}", f"{self.gib:.1f}", *(f"{each:,}" for each in self[3:])]


def measure(records: int, percents: Sequence[float], out: Console) -> bool:
    """Print seconds and work of each night, and its ratio to all; whether each came out as all records at once do.

    Of the largest night again with as many records that changed and that left, how many customers did not.
    """
    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    equal = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, night, anew = (folder / each for each in ("before", "night", "anew"))
        out.print(f"making {records:,} records, and up to {max(percents):g} % more", style="dim")
        apart(_make, folder / "party.parquet", records, max(percents))
        whole = _night(before, folder / "party.parquet", records, 0, 0)
        table.add_row("all records", *whole.cells(), "", "", "")
        for percent, is_churned in [*((each, False) for each in percents), (max(percents), True)]:
            shutil.copytree(before, night)
            few = round(records * percent / 100)
            brought, _ = (
                _night(lake, folder / "party.parquet", records, few, few if is_churned else 0) for lake in (night, anew)
            )
            differ = _differing(Lake(night), Lake(anew))
            if not is_churned:
                equal.append(not differ and _same(Lake(night), Lake(anew)))
            told = f"{percent:g} % more" + (", changed and gone" if is_churned else "")
            ratio = f"{brought.seconds / whole.seconds:.2f}"
            changed = f"{_differing(Lake(night), Lake(before)):,}"
            outcome = f"{differ:,} differ" if is_churned else "yes" if equal[-1] else "NO"
            table.add_row(told, *brought.cells(), changed, ratio, outcome)
            shutil.rmtree(night)
            shutil.rmtree(anew)
        size = sum(file.stat().st_size for file in Lake(before).location(RECORD_STATE.name).glob("*.parquet"))
    out.print(table)
    out.print(
        "ratio: in seconds, to all records. equal: customers, links and what is remembered are those of that night's "
        "records all at once; where records changed or left, customers that are not. "
        f"remembered: {size / 2**20:.0f} MiB"
    )
    return all(equal)


def _make(file: Path, records: int, percent: float) -> str:
    copies(records + round(records * percent / 100))[0].write_parquet(file)
    return ""


def _night(lake: Path, party: Path, records: int, more: int, churn: int) -> Night:
    """Bring a lake to a night that has so many records more, which come the day after the others.

    `churn`: so many records have left, and so many have another street, told that day.
    """
    apart(_fill, lake, party, records, more, churn)
    _, gib, told = apart(_bring, lake, more)
    seconds, cpu, *counts = told.split()
    return Night(float(seconds), float(cpu), gib, *map(int, counts))


def _fill(lake: Path, party: Path, records: int, more: int, churn: int) -> str:
    row = pl.int_range(pl.len())
    is_moved = row.is_between(churn, 2 * churn, closed="left")
    night = pl.when((row >= records) | is_moved).then(TODAY + timedelta(days=1)).otherwise(TODAY)
    street = pl.when(is_moved).then(pl.col("street").shift(1)).otherwise("street")
    told = pl.read_parquet(party).head(records + more).with_columns(drop_date=night, street=street)
    Lake(lake).replace(PARTY, told.slice(churn))
    return ""


def _bring(lake: Path, more: int) -> str:
    from assets.runtime.identity import update_identity
    from cdp_pipelines.services.declarations import (
        identity_code_digest,
        linking_channels,
        load_identity_policy,
        non_linking_channels,
    )
    from expectations.gate import validate

    # What a process loads once: Great Expectations, and what is declared.
    validate(GROUP.name, GROUP.empty())
    policy, _ = load_identity_policy(), (non_linking_channels(), identity_code_digest(), linking_channels())
    night = TODAY + timedelta(days=1 if more else 0)
    wall, cpu = time.perf_counter(), time.process_time()
    told = [each.metadata for each in update_identity(Lake(lake), policy, night, end_of(night)) if each.metadata]
    spent = time.perf_counter() - wall, time.process_time() - cpu
    report = {name: value for each in told for name, value in each.items()}
    names = ("records new or changed", "records resolved", "pairs compared")
    return " ".join(map(str, [*spent, *(report[f"identity {name}"] for name in names)]))


def _same(one: Lake, other: Lake) -> bool:
    """Whether two lakes agree in who is one person and why, and in what they leave to the next night."""
    pairs = [(lake.read(MODEL).drop("versions") for lake in (one, other))]
    pairs += [(lake.read(table) for lake in (one, other)) for table in (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)]
    return all(left.equals(right) for left, right in pairs)


def _differing(one: Lake, other: Lake) -> int:
    """Customers of one lake who hold other records than any customer of the other."""
    first, second = (lake.read(CLUSTER).select("channel", "source_record_id", "customer_id") for lake in (one, other))
    both = first.join(second, on=["channel", "source_record_id"], how="left")
    alike = both.group_by("customer_id", "customer_id_right").len()
    sizes = [lake.group_by("customer_id").len() for lake in (first, second)]
    whole = alike.join(sizes[0], on=["customer_id", "len"], how="semi").join(
        sizes[1], left_on=["customer_id_right", "len"], right_on=["customer_id", "len"], how="semi"
    )
    return sizes[0].height - whole.height
