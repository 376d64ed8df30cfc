"""`cdp bench audit`: seconds of each answer on a lake of many customers, beside a plain scan of the same tables.

Here belongs the measurement; the lake's rows are made in `cdp_pipelines.sample.benchmark_lake`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.table import Table as TextTable

from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.sample import benchmark_customers, benchmark_lake
from cdp_pipelines.schema import (
    CLUSTER,
    CONSENT_EVENT,
    CONTACT_POINT,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    FILE,
    HISTORY,
    HOUSEHOLD,
    IDENTIFIER,
    INTERACTION,
    LEDGER,
    LINK,
    MEMBERSHIP,
    PARTY,
    PROVENANCE,
    RUN,
    VERSION,
    Table,
)
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.lookup import find_records, is_in

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET_S = 2.0
MART = "email_marketing"
OF_CUSTOMER = (
    CLUSTER,
    PARTY,
    INTERACTION,
    CROSSWALK,
    CUSTOMER,
    PROVENANCE,
    CONTACT_POINT,
    HOUSEHOLD,
    DECISION,
    MEMBERSHIP,
    LEDGER,
    LINK,
    HISTORY,
)


def measure(customers: int, lake: Path | None, repeats: int, out: Console) -> None:
    """Measure each answer `repeats` times on a lake of this many customers, each in a process, and print the medians.

    `lake`: folder of the lake, which is made if it is missing, and kept; without it, the lake is temporary.
    """
    with _lake_of(customers, lake, out) as store:
        someone = benchmark_customers.BenchmarkCustomers(customers).ids(
            benchmark_customers.BenchmarkCustomers(customers).numbers(0)[-1:]
        )[0]
        email = _email(store, someone)
        marts = [build_mart_table(each) for each in load_company_register().values() if each.columns]
        mart = next(each for each in marts if each.name == f"mart/{MART}")
        raw = [each.raw for each in load_all_contracts().values()]
        about = ["--on", str(benchmark_customers.NIGHT), "--customer", someone]
        questions: dict[str, tuple[Sequence[str], Sequence[Table], str, str]] = {
            "customer by id": (["audit", "customer", someone], (*OF_CUSTOMER, *raw, *marts), "customer_id", someone),
            "customer by e-mail": (["audit", "customer", email], (IDENTIFIER, *OF_CUSTOMER, *raw, *marts), "email",
                                   email),
            "in a mart or out": (["audit", "mart", MART, *about], (MEMBERSHIP, DECISION, LEDGER, CONSENT_EVENT, PARTY,
                                 INTERACTION), "customer_id", someone),
            "row of a mart": (["audit", "rows", MART, *about], (MEMBERSHIP, mart),
                              "customer_id", someone),
            "all rows of a mart": (["audit", "rows", MART, *about[:2]], (MEMBERSHIP, mart),
                                   "purpose", MART),
            "purpose": (["audit", "purpose", MART], (DECISION, MEMBERSHIP), "purpose", MART),
            "why": (["why", email, MART], (IDENTIFIER, CLUSTER, PARTY, INTERACTION, LEDGER), "email", email),
        }  # fmt: skip
        printed = TextTable("answer", "seconds", "of which CPU", "plain scan, s", "ratio", box=None)
        for column in printed.columns[1:]:
            column.justify = "right"
        slow = []
        for name, (words, reads, column, value) in questions.items():
            times = [_time_command(words, store.path) for _ in range(repeats)]
            seconds, cpu = (median(each[n] for each in times) for n in (0, 1))
            plain = _time(lambda reads=reads, column=column, value=value: _scan(store, reads, column, value))
            printed.add_row(name, f"{seconds:.2f}", f"{cpu:.2f}", f"{plain:.2f}", f"{seconds / plain:.3f}")
            slow += [name] if seconds > TARGET_S else []
        out.print(printed)
        out.print(f"median of {repeats}, each the whole command with its start; target {TARGET_S:g} s each")
        out.print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: other work adds seconds")
        out.print(f"target missed by: {', '.join(slow)}" if slow else "target met by all")


@contextmanager
def _lake_of(customers: int, folder: Path | None, out: Console) -> Iterator[Lake]:
    with tempfile.TemporaryDirectory() as name:
        store = Lake((folder or Path(name) / "lake").absolute())
        if store.version(VERSION.name) is None:
            out.print(f"making a lake of {customers:,} customers")
            rows: Counter[str] = Counter()
            seconds = _time(lambda: rows.update(build_lake(store, customers)))
            byte_count = sum(path.stat().st_size for path in store.path.rglob("*.parquet"))
            out.print(f"{sum(rows.values()):,} rows, {byte_count / 1024**3:.1f} GiB, in {seconds:.0f} s")
            out.print(", ".join(f"{name} {n:,}" for name, n in rows.items() if not name.startswith("mart/")))
        yield store


def build_lake(store: Lake, customers: int) -> Counter[str]:
    """Write every table of the benchmark lake; returns the rows of each."""
    people, rows = benchmark_customers.BenchmarkCustomers(customers), Counter()
    keys = {key: mart_key(store.path, key) for key in load_company_register()}
    for tables in (
        benchmark_lake.build_record_tables(people, load_all_contracts()),
        benchmark_lake.build_customer_tables(people, load_company_register(), keys),
    ):
        for table, frame in tables:
            store.append(table, frame)
            rows[table.name] += frame.height
    night = {"night": [benchmark_customers.NIGHT], "as_of": [benchmark_customers.AS_OF]}
    store.append(
        RUN, RUN.conform(pl.LazyFrame(night).with_columns(file_count=6, received_count=rows[PARTY.name])).collect()
    )
    for table in (FILE, *(each.quarantine for each in load_all_contracts().values())):
        store.replace(table, table.empty())
    versions = store.list_versions().with_columns(
        pl.lit(benchmark_customers.NIGHT).alias("night"), pl.lit(benchmark_customers.AS_OF).alias("as_of")
    )
    store.replace(VERSION, VERSION.conform(versions.lazy()).collect())
    return rows


def _email(store: Lake, customer_id: str) -> str:
    """An e-mail of the customer."""
    mine = find_records(store, [customer_id])["source_record_id"]
    party = store.scan(PARTY).filter(is_in("source_record_id", mine))
    return party.select(pl.col("email").drop_nulls().first()).collect().item()


def _time_command(words: "Sequence[str]", lake: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a command, as a user calls it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", TIMED, *words, "--lake", str(lake), "--format", "json",
                   "--output", f"{folder}/answer.json"]  # fmt: skip
        started = time.perf_counter()
        process = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  our own words
        return time.perf_counter() - started, float(process.stderr.split()[-1])


# The command; at its end it prints the CPU seconds of its process, including the start of Python.
TIMED = (
    "import atexit, sys, time; atexit.register(lambda: print(time.process_time(), file=sys.stderr)); "
    "from cdp_pipelines.cli import app; app()"
)


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _scan(store: Lake, tables: "Sequence[Table]", column: str, value: str) -> None:
    """Search a value in every row of these tables, or in their keys where they lack the column.

    Uses none of the statistics that the answers use.
    """
    for table in tables:
        files = [str(path) for path in store.location(table.name).glob("*.parquet")]
        if not files:
            continue
        frame = pl.scan_parquet(files, use_statistics=False)
        names = frame.collect_schema().names()
        wanted = column if column in names else next(name for name in ("source_record_id", *names) if name in names)
        frame.filter(pl.col(wanted) == value).collect()
