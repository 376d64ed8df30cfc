"""`cdp bench night`: who is one person, after a night that brings a few records, with what was remembered and without.

Each is measured in a process of its own, from reading Parquet files to writing them; what is remembered is read and
written with the rest.
"""

import tempfile
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from assets.cli.apart import apart

RECORD = ["channel", "source_record_id"]
KEPT = ("cluster", "link", "seen", "compared")


def measure(records: int, percent: float, out: Console) -> bool:
    """Print seconds and work of both, and their ratio; whether the two gave the same customers and links."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out.print(f"making {records:,} records, of which {percent:g} % come tonight", style="dim")
        apart(_make, folder, records, percent)
        apart(_resolve, folder, "yesterday.parquet", "before", None)
        rows = {
            "remembering": apart(_resolve, folder, "tonight.parquet", "night", "before"),
            "all at once": apart(_resolve, folder, "tonight.parquet", "anew", None),
        }
        equal = all(
            pl.read_parquet(folder / f"night-{kept}.parquet").equals(pl.read_parquet(folder / f"anew-{kept}.parquet"))
            for kept in KEPT
        )
        touched, customers = _touched(folder)
        size = sum((folder / f"night-{kept}.parquet").stat().st_size for kept in ("seen", "compared"))
    table = Table(box=None)
    for column in ("", "seconds", "CPU seconds", "peak GiB", "nodes read anew", "pairs compared"):
        table.add_column(column, justify="right" if column else "left")
    cpu = []
    for name, (seconds, gib, told) in rows.items():
        spent, new, pairs = told.split()
        cpu.append(float(spent))
        table.add_row(name, f"{seconds:.1f}", f"{cpu[-1]:.1f}", f"{gib:.1f}", f"{int(new):,}", f"{int(pairs):,}")
    out.print(table)
    night, anew = (seconds for seconds, *_ in rows.values())
    out.print(
        f"ratio {night / anew:.2f} in seconds, {cpu[0] / cpu[1]:.2f} in CPU seconds; {touched:,} of {customers:,} "
        f"customers changed; remembered: {size / 2**20:.0f} MiB; customers, links and memory "
        f"{'are equal' if equal else 'DIFFER'}"
    )
    return equal


def _make(folder: Path, records: int, percent: float) -> str:
    from cdp_pipelines.sample.copies import copies

    party, _ = copies(records)
    few = round(records * percent / 100)
    is_new = pl.int_range(pl.len()) >= pl.len() - few
    night = pl.when(is_new).then(pl.col("drop_date") + timedelta(days=1)).otherwise("drop_date")
    tonight = party.with_columns(night.alias("drop_date"))
    tonight.write_parquet(folder / "tonight.parquet")
    tonight.head(records - few).write_parquet(folder / "yesterday.parquet")
    return ""


def _resolve(folder: Path, party: str, name: str, before: str | None) -> str:
    from assets.policies import comparing, identity
    from cdp_pipelines.identity import Memory, resolve

    start = time.process_time()
    kept = [pl.read_parquet(folder / f"{before}-{each}.parquet") for each in ("seen", "compared")] if before else None
    records = pl.read_parquet(folder / party)
    found = resolve(records, identity(), before=Memory(*kept) if kept else None, made_by=comparing())
    frames = (found.cluster, found.link, found.memory.seen, found.memory.compared)
    for each, frame in zip(KEPT, frames, strict=True):
        frame.write_parquet(folder / f"{name}-{each}.parquet")
    report = found.report
    return f"{time.process_time() - start} {report['nodes that are new']} {report['pairs compared tonight']}"


def _touched(folder: Path) -> tuple[int, int]:
    """Customers of tonight who hold other records than the night before, and all."""
    before, after = (
        pl.read_parquet(folder / f"{name}-cluster.parquet").select(*RECORD, "customer_id")
        for name in ("before", "night")
    )
    told = pl.concat([before.with_columns(pl.lit(-1).alias("n")), after.with_columns(pl.lit(1).alias("n"))])
    moved = told.group_by(*RECORD, "customer_id").agg(pl.col("n").sum()).filter(pl.col("n") != 0)
    customers = after["customer_id"].unique()
    return moved["customer_id"].unique().is_in(customers.implode()).sum(), customers.len()
