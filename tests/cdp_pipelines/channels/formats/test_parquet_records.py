"""The child process that reads Parquet: it ends with its parent, loses no row, and no file is refused for lack of it."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from cdp_pipelines.channels.formats import parquet_records

READS = """
import io, sys, time
from cdp_pipelines.channels.formats import parquet_records
from cdp_pipelines.services.declarations import load_all_contracts
{guard}
    read = parquet_records.read_parquet(open(sys.argv[1], "rb").read(), load_all_contracts()["iot"])
    print(read.frame.height, flush=True)
    print(parquet_records._worker().submit(parquet_records.os.getpid).result(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """A script that reads a Parquet file of two rows and then waits."""
    content = io.BytesIO()
    pl.DataFrame({"device": ["a", "b"]}).write_parquet(content)
    (tmp_path / "iot.parquet").write_bytes(content.getvalue())

    def start_script(guard: str) -> subprocess.Popen:
        (tmp_path / "script.py").write_text(READS.format(guard=guard))
        command = [sys.executable, tmp_path / "script.py", tmp_path / "iot.parquet"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    return start_script


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_child_ends_when_its_parent_is_killed(start):
    with start('if __name__ == "__main__":') as parent:
        assert parent.stdout.readline() == "2\n"
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)


def test_a_script_that_cannot_start_a_child_fails_and_refuses_no_file(start):
    """Python starts a child by importing the script, so that one without a guard would start itself again."""
    with start("if True:") as parent:
        out, errors = parent.communicate(timeout=60)
    assert out == ""
    assert parent.returncode == 1
    assert "BrokenProcessPool" in errors


def test_rows_that_polars_passes_over_refuse_the_file(monkeypatch):
    """The footer of such a file counts none of the rows of its row groups; no library writes one."""
    content = io.BytesIO()
    rows = pl.DataFrame({"device": ["a", "b"]})
    rows.write_parquet(content)
    assert parquet_records.read_texts(content.getvalue(), ("device",))
    monkeypatch.setattr(pl, "read_parquet", lambda _: rows.clear())
    with pytest.raises(ValueError, match="has 2 rows, of which 0 can be read"):
        parquet_records.read_texts(content.getvalue(), ("device",))
