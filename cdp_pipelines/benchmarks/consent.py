"""`cdp bench consent`: the decision engine beside Polars merely reading and sorting the same events.

Here belongs the measurement. The engine is `cdp_pipelines.consent`.
"""

import tempfile
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cdp_pipelines.benchmarks.isolated_run import run_isolated

TARGET_RATIO, TARGET_GIB = 5, 8


def measure(events: int, customers: int, purposes: int, out: Console) -> None:
    """Generate a ledger, measure both in processes of their own, and print seconds, memory and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out.print(f"making {events:,} consent events of {customers:,} customers for {purposes} purposes")
        run_isolated(_make, folder, events, customers, purposes)
        plain = run_isolated(_read_and_sort, folder)
        engine = run_isolated(_decide, folder, purposes)
    table = Table("", "seconds", "peak GiB", "result", box=None)
    table.add_row("Polars reads and sorts the events", f"{plain[0]:.1f}", f"{plain[1]:.1f}", plain[2])
    table.add_row("decide, from the same files", f"{engine[0]:.1f}", f"{engine[1]:.1f}", engine[2])
    out.print(table)
    out.print(
        f"ratio {engine[0] / plain[0]:.2f} (target at most {TARGET_RATIO}), "
        f"peak {engine[1]:.1f} GiB (target at most {TARGET_GIB})"
    )


def _make(folder: Path, events: int, customers: int, purposes: int) -> str:
    from cdp_pipelines.sample import decision_benchmark

    decision_benchmark.build_ledger(events, customers, purposes).write_parquet(folder / "ledger.parquet")
    for name, frame in zip(
        ("party", "cluster", "interaction"), decision_benchmark.build_customers(customers), strict=True
    ):
        frame.write_parquet(folder / f"{name}.parquet")
    return ""


def _read_and_sort(folder: Path) -> str:
    order = ["event_at", "recorded_at", "status", "event_id"]
    frame = pl.scan_parquet(folder / "ledger.parquet").sort(order).collect()
    return f"{frame.height:,} rows"


def _decide(folder: Path, purposes: int) -> str:
    from cdp_pipelines.consent import DecisionInput, decide, list_identifiers
    from cdp_pipelines.purposes import Register
    from cdp_pipelines.sample import decision_benchmark

    party, cluster, interaction = (
        pl.scan_parquet(folder / f"{name}.parquet") for name in ("party", "cluster", "interaction")
    )
    decisions = decide(
        DecisionInput(
            register=Register.from_purposes(decision_benchmark.build_purposes(purposes).values()),
            ledger=pl.scan_parquet(folder / "ledger.parquet"),
            identifiers=list_identifiers(party, cluster),
            interactions=interaction,
            crosswalk=cluster,
            as_of=decision_benchmark.AS_OF,
            known_at=decision_benchmark.AS_OF,
            party=party,
        )
    )
    return f"{decisions.height:,} decisions, {int(decisions['is_allowed'].sum()):,} allowed"
