"""A real Dagster daemon over a drop folder: every delivery is taken in once, however it came."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from assets.runtime.instance import prepare_databases, prepare_instance
from assets.runtime.ui import WORKSPACE
from cdp_pipelines.schema import FILE
from cdp_pipelines.services.declarations import DEMONSTRATION, load_all_contracts
from cdp_pipelines.services.file_accounting import drop_replaced
from warehouse.delta.lake import Lake

BIN, ROOT = Path(sys.executable).parent, Path(__file__).parents[2]
FIRST = date(2024, 6, 1)
# The whole test takes about five minutes: a folder settles for a minute, and the sensor ticks twice a minute.
DEADLINE_S = 600
SIGNS = {
    "surveys": {"settle_seconds": 2},
    "unsubscribes": {"marker": "{file}.done"},
    "preferences": {"manifest": "SHA256SUMS"},
}
HEADERS = {
    "surveys": "response_id,submitted,respondent,nps,comment,kind\n",
    "unsubscribes": "id,contact,list,reason,ts\n",
    "preferences": "id,email,preferred_channel,language,quiet_hours,max_per_week,updated\n",
}


def write_row(channel: str, record: str, night: date) -> str:
    return {
        "surveys": f"{record},{night:%d/%m/%Y} 01:00,{record}@shop.example,7,fine,visit\n",
        "unsubscribes": f"{record},{record}@shop.example,email,STOP,{night} 01:00:00\n",
        "preferences": f"{record},{record}@shop.example,sms,en,,3,{night}T01:00:00\n",
    }[channel]


class Drops:
    """A drop folder, and the record ids that each delivery has when it is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.expected = folder, {}

    def place(self, channel: str, number: int, day: int) -> Path:
        path = self.folder / str(FIRST + timedelta(days=day)) / f"{channel}_{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, channel: str, number: int, day: int, part: slice = slice(None), count: int = 2) -> Path:
        """A delivery of `count` records, or a part of its text."""
        path, night = self.place(channel, number, day), FIRST + timedelta(days=day)
        records = [f"r{number}x{each}" for each in range(count)]
        self.expected[channel, path.name] = records
        text = HEADERS[channel] + "".join(write_row(channel, record, night) for record in records)
        path.write_text(text[part])
        return path


def list_signs(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size}  {path.name}\n"


@pytest.fixture
def company(tmp_path, monkeypatch):
    """The demonstration company, with several files a night and signs of whole files in three channels.

    Dagster loads the company below `assets`, so the daemon gets a copy of that package.
    """
    shutil.copytree(ROOT / "assets", tmp_path / "code" / "assets", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "code")
    company = tmp_path / "code" / DEMONSTRATION.relative_to(ROOT)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'code'}:{ROOT}")
    monkeypatch.setenv("CDP_COMPANY", str(company))
    monkeypatch.chdir(tmp_path / "code")  # Dagster imports from here first.
    for channel, signs in SIGNS.items():
        path = company / "channels" / channel / "defs.yaml"
        declared = yaml.safe_load(path.read_text())
        declared["attributes"] |= {"files": f"{channel}_*.csv", "complete_when": signs}
        path.write_text(yaml.safe_dump(declared))


@contextmanager
def run_daemon(log: Path) -> Iterator[subprocess.Popen]:
    """The daemon with its sensor switched on; SIGINT ends it, which a program in the background would ignore."""
    subprocess.run(
        [BIN / "dagster", "sensor", "start", "drop_folder", "-w", WORKSPACE], check=True, capture_output=True
    )
    with log.open("w") as out:
        daemon = subprocess.Popen(
            [BIN / "dagster-daemon", "run", "-w", WORKSPACE],
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(60)


def wait_until(is_so: Callable[[], bool], daemon: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + DEADLINE_S
    while not is_so():
        assert daemon.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("company")
def test_twenty_deliveries_to_a_real_daemon_are_taken_in_once(tmp_path, monkeypatch):
    drops, lake, log = Drops(tmp_path / "drops"), Lake(tmp_path / "lake"), tmp_path / "daemon.log"
    for name in ("DAGSTER_HOME", "CDP_LAKE", "CDP_DROPS", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")  # `prepare_instance` sets them; they are put back after the test.
    for number in range(8):  # Whole ones, many at once; clocks of their senders are wrong.
        os.utime(drops.write("surveys", number, number % 4), (number * 6e8, number * 6e8))
    half = slice(-9)
    for number in (8, 9):
        drops.write("unsubscribes", number, 1, half)
        drops.write("preferences", number + 2, 1, half)
    manifest = drops.place("preferences", 0, 1).with_name("SHA256SUMS")
    manifest.write_text(f"{'0' * 64}  preferences_10.csv\n")
    grows = drops.write("surveys", 12, 2)

    prepare_instance(lake.path, drops.folder)
    prepare_databases(lake.path)
    with run_daemon(log) as daemon, dg.DagsterInstance.get() as instance:
        wait_until((lake.path / "raw" / "surveys").exists, daemon, log)
        for number in range(13, 17):  # While the run goes on.
            drops.write("surveys", number, number - 10)
        wait_until(lambda: any(run.is_success for run in instance.get_runs()), daemon, log)
        first = lake.read(FILE)
        assert set(first["channel"]) == {"surveys"}, first

        with lake.lock_writer():  # Another process writes the lake: the folders wait.
            drops.write("surveys", 12, 2, count=3)
            assert grows.stat().st_size > first.filter(file=grows.name)["byte_count"].item()
            slow = drops.write("surveys", 17, 7)
            whole = slow.read_bytes()
            for size in range(0, len(whole), 40):
                slow.write_bytes(whole[:size])
                time.sleep(1)
            slow.write_bytes(whole)
            for number in (8, 9):
                path = drops.write("unsubscribes", number, 1)
                path.with_name(f"{path.name}.done").touch()
            last = drops.write("unsubscribes", 18, 7)
            last.with_name(f"{last.name}.done").touch()
            manifest.write_text("".join(list_signs(drops.write("preferences", number, 1)) for number in (10, 11)))
            late = drops.write("preferences", 19, 0)
            late.with_name("SHA256SUMS").write_text(list_signs(late))
        wait_until(lambda: is_all_taken_in(lake, drops), daemon, log)
        wait_until(lambda: all(run.is_finished for run in instance.get_runs()), daemon, log)
        runs = instance.get_runs()
    assert len(drops.expected) == 20
    assert [run.status for run in runs if not run.is_success] == []
    files = drop_replaced(lake.read(FILE))
    taken = files.filter(pl.col("channel") != "")
    assert sorted(taken.select("channel", "file").iter_rows()) == sorted(drops.expected)
    assert set(taken["outcome"]) == {"loaded"}
    assert files.height == taken.height
    for channel in SIGNS:
        contract = load_all_contracts()[channel]
        found = lake.read(contract.raw).sort("source_record_id").select("file", "source_record_id", "is_duplicate")
        expected = [
            (file, record, False)
            for (of, file), records in drops.expected.items()
            if of == channel
            for record in records
        ]
        assert sorted(found.iter_rows()) == sorted(expected)
        assert lake.read(contract.quarantine).is_empty()
    print(f"{len(drops.expected)} deliveries taken in once by {len(runs)} runs of the daemon")


def is_all_taken_in(lake: Lake, drops: Drops) -> bool:
    files = lake.read(FILE)
    counts = dict(drop_replaced(files).group_by("file").agg(pl.col("received_count").sum()).iter_rows())
    return all(counts.get(file) == len(records) for (_, file), records in drops.expected.items())
