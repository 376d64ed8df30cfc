"""Break a lake in every way a disk, a process or a person can, run a night, follow the advice, and compare.

    python -m tests.break_lakes [--only NAME ...]

Each fault is planted in a copy of a lake after its first night. Then the second night runs. Either it passes, or it
ends with a message that names the damaged part, without a traceback, and the marts of the first night stay readable.
`cdp doctor --repair` runs, and what it says cannot be made again is copied from the lake before the fault. After the
next night the lake equals one that was never broken.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.kill_nights import KEYS, Nights, Start, compare, prepare, write_drops
from warehouse.delta.lake import Lake

# Tables of every layer, with the kinds of damage that each of them gets.
TABLES = (
    "raw/crm_west", "quarantine/crm_west", "standardised/party", "standardised/consent_event", "consent/ledger",
    "consent/seal", "identity/record_state", "identity/crosswalk", "identity/history", "consent/decision",
    "golden/customer", "mart/email_marketing", "audit/file", "audit/version", "audit/membership",
)  # fmt: skip
SERVED, DAGSTER = "serving/marts.duckdb", ".dagster"
# The least output of a library that a user should never see.
TRACEBACK = "Traceback (most recent call last)"
# Versions count how often a table was written, also by a night that failed, and begin anew where it is made again.
COUNTED_ANEW = ("audit/version", "serving/main.published.delta_version")

Plant = Callable[[Path], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """`part`: what the message must name where the night fails; `plant`: breaks a lake, and mends what only a person can.

    `is_survived`: whether the night must pass in spite of it. `largest_file`: bytes that a file may have in this night.
    """

    name: str
    part: str
    plant: Plant
    is_survived: bool = False
    largest_file: int = resource.RLIM_INFINITY


def _damage(break_it: Callable[[Path], object]) -> Plant:
    """A fault that stays until it is repaired."""

    def plant(lake: Path) -> Iterator[None]:
        break_it(lake)
        yield

    return plant


def _newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: (path.stat().st_mtime_ns, path.name))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def list_table_faults() -> Iterator[Fault]:
    """Data files cut, zeroed and gone; a log cut, with a line that is not JSON, and gone; the whole folder gone."""
    kinds: dict[str, Callable[[Path], object]] = {
        "file cut": lambda folder: [_cut(path) for path in folder.glob("*.parquet")],
        "file of zeros": lambda folder: [
            path.write_bytes(bytes(path.stat().st_size)) for path in folder.glob("*.parquet")
        ],
        "file gone": lambda folder: [path.unlink() for path in folder.glob("*.parquet")],
        "log cut": lambda folder: _cut(_newest(folder / "_delta_log", "*.json")),
        "log entry gone": lambda folder: _newest(folder / "_delta_log", "*.json").unlink(),
        "log not JSON": lambda folder: _newest(folder / "_delta_log", "*.json").write_text("{broken\n"),
        "folder gone": shutil.rmtree,
    }
    names = list(kinds)
    for number, table in enumerate(TABLES):
        # Each table gets three of the kinds, so that each kind meets tables of several layers.
        for kind in (names[number % len(names)], names[(number + 3) % len(names)], "folder gone"):
            yield Fault(f"{table}: {kind}", table, _damage(lambda lake, t=table, k=kind: kinds[k](lake / t)))


def _with_keys(**values: str | None) -> Plant:
    def plant(_: Path) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update({name: value for name, value in values.items() if value})
        for name in (name for name, value in values.items() if not value):
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(before)

    return plant


def _locked(lake: Path) -> Iterator[None]:
    with Lake(lake).lock_writer():
        yield


def _immutable(lake: Path) -> Iterator[None]:
    """Even an administrator cannot write, because the lake lies on a file system that is mounted to be read only."""
    subprocess.run(["mount", "--bind", lake, lake], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", lake], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", lake], check=True)


def _read_while_run(lake: Path) -> Iterator[None]:
    with duckdb.connect(str(lake / SERVED), read_only=True) as connection:
        connection.execute("SELECT 1").fetchall()
        yield


def list_other_faults() -> Iterator[Fault]:
    """Keys, locks, disks, the served file and Dagster's databases."""
    databases = f"{DAGSTER}/history/runs.db"
    yield Fault("a signing key that is not one", "key", _with_keys(CDP_LEDGER_KEY="rubbish"))
    yield Fault("no signing key", "ledger.pem is missing", _with_keys(CDP_LEDGER_KEY=None))
    yield Fault("no secret of the marts", "marts.key is missing", _with_keys(CDP_MART_SECRET=None))
    yield Fault("another process writes", "is being written by process", _locked)
    yield Fault("no file may grow", "disk I/O error", _damage(lambda _: None), largest_file=4096)
    yield Fault("read-only file system", "Read-only file system", _immutable)
    for name, plant in {
        "stale lock": lambda lake: (lake / ".writer").write_text("999999"),
        "lock of rubbish": lambda lake: (lake / ".writer").write_bytes(b"\xff\x00" * 99),
        "remains of a killed writer": lambda lake: (lake / "golden/customer/part-0.parquet#1").write_bytes(b"PAR1"),
        "file of no version": lambda lake: (lake / "golden/customer/part-00000-x.parquet").write_bytes(b"PAR1"),
        "served file of rubbish": lambda lake: (lake / SERVED).write_bytes(b"no database"),
        "served file empty": lambda lake: (lake / SERVED).write_bytes(b""),
        "served file gone": lambda lake: (lake / SERVED).unlink(),
        "Dagster's databases of rubbish": lambda lake: (lake / databases).write_bytes(b"no database" * 999),
        "Dagster's databases empty": lambda lake: (lake / databases).write_bytes(b""),
        "Dagster's databases cut": lambda lake: _cut(lake / databases),
        "Dagster's folder gone": lambda lake: shutil.rmtree(lake / DAGSTER),
        "unknown folder": lambda lake: (lake / "golden/notes").mkdir(),
        "head of the ledger gone": lambda lake: (lake / "audit/ledger_head.json").unlink(),
    }.items():
        yield Fault(name, "", _damage(plant), is_survived=True)
    yield Fault("a reader holds the served file", "", _read_while_run, is_survived=True)


def check_fault(nights: Nights, start: Start, lake: Path, fault: Fault) -> list[str]:
    """What is wrong with how a fault was met; no lines where all is as promised."""
    shutil.copytree(start.before or lake, lake)
    lines = []
    with contextmanager(fault.plant)(lake):
        command = ("run", "--drops", nights.drops, "--lake", lake)
        code, output = nights.command(*command, largest_file=fault.largest_file)
        if TRACEBACK in output:
            lines.append("a traceback is printed")
        if fault.is_survived and code:
            lines.append(f"the night ended with {code}")
        if code and fault.part not in output and "cdp doctor" not in output:
            lines.append(f"the message names neither {fault.part!r} nor `cdp doctor`")
        if not fault.name.startswith("served") and not _is_served(lake):
            lines.append("the marts are no longer served")
        if lines:
            lines.append(output)
    if code:
        lines += _follow_advice(nights, start, lake)
        code, output = nights.command(*command)
        if code:
            lines += [f"after the repair the night ended with {code}", output]
    different = [line for line in compare(start.reference, lake) if not line.startswith(COUNTED_ANEW)]
    return lines + different


def _follow_advice(nights: Nights, start: Start, lake: Path) -> list[str]:
    """Repair the lake, then copy from a backup what the doctor says cannot be made again."""
    _, output = nights.command("doctor", "--lake", lake, "--repair", "--format", "json", "--output", "-")
    if not output.lstrip().startswith("{"):
        return ["the doctor gives no answer", output]
    for finding in json.loads(output[output.index("{") :])["findings"]:
        if "backup" in finding["remedy"] and start.before:
            shutil.rmtree(lake / finding["part"], ignore_errors=True)
            shutil.copytree(start.before / finding["part"], lake / finding["part"])
    return []


def _is_served(lake: Path) -> bool:
    """Whether the marts can be read and have rows."""
    query = "SELECT count(*) FROM duckdb_tables() WHERE estimated_size > 0"
    try:
        with duckdb.connect(str(lake / SERVED), read_only=True) as connection:
            return (connection.execute(query).fetchone() or (0,))[0] > 0
    except duckdb.Error:
        return False


def main() -> int:
    """Print a line for each fault and the counts; 1 where one was not met as promised."""
    parser = argparse.ArgumentParser(description="Break lakes, run a night, follow the advice, and compare.")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of faults; default: all")
    options = parser.parse_args()
    faults = [
        fault
        for fault in (*list_table_faults(), *list_other_faults())
        if not options.only or any(part in fault.name for part in options.only)
    ]
    os.environ.update(KEYS)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nights = Nights(write_drops(folder, 1))
        start = prepare(nights, folder)[1]
        for fault in faults:
            began = time.monotonic()
            lines = check_fault(nights, start, folder / "broken", fault)
            shutil.rmtree(folder / "broken")
            failed += bool(lines)
            print(f"{fault.name}: {'NOT as promised' if lines else 'as promised'} ({time.monotonic() - began:.1f} s)")
            print(*(f"    {line}" for text in lines for line in text.splitlines()), sep="\n", end="\n" * bool(lines))
            sys.stdout.flush()
    print(f"{len(faults)} faults planted, {failed} not met as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
