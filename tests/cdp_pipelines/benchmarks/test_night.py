"""What `cdp bench night` measures beside whole nights, in processes of their own, and how it shows the figures."""

import multiprocessing
import os
import signal

import polars as pl
import pytest

from cdp_pipelines.benchmarks import night
from cdp_pipelines.benchmarks.isolated_run import run_isolated
from cdp_pipelines.benchmarks.night import FULL, Night, _leave_out_broken_lines, _scan_plainly
from cdp_pipelines.cli.output import draw_text
from cdp_pipelines.reports.document import render_document
from warehouse.sources.drop_folder import list_drop_dates


def test_the_plain_scan_writes_every_file_of_every_drop(sample_data, tmp_path):
    for drop in list_drop_dates(sample_data / "drops"):
        whole, tables = tmp_path / f"{drop}_whole", tmp_path / f"{drop}_tables"
        _leave_out_broken_lines(sample_data / "drops" / str(drop), whole)
        _scan_plainly(whole, tables)
        assert {path.name for path in tables.iterdir()} == {path.name.partition(".")[0] for path in whole.iterdir()}
    first = tmp_path / f"{list_drop_dates(sample_data / 'drops')[0]}_tables"
    assert all(pl.read_delta(str(path)).height > 0 for path in first.iterdir())


def test_ratios_and_growth_are_shown_as_text_and_as_a_page(monkeypatch):
    def measure_company(folder, people, step):
        full = Night(FULL, 20 * people, people / 10, 1.5, {"raw": 0.5})
        return 2.5, [full, Night("0.3 % more", people, people / 100, 0.5, {})]

    monkeypatch.setattr(night, "_measure_company", measure_company)
    document = night.measure([100, 1000], lambda _: None)
    rows = {section.key: section.rows for section in document.sections}
    assert [(row["percent_of_full"], row["ratio_to_scan"]) for row in rows["nights"]] == [
        (100.0, 4.0), (10.0, 0.4), (25.0, 1.0), (100.0, 40.0), (10.0, 4.0), (2.5, 1.0),
    ]  # fmt: skip
    assert rows["growth"] == [{"from_count": 2000, "to_count": 20_000, "exponent": 1.0}]
    for shown in (draw_text(document), render_document(document)):
        assert "plain scan" in shown


def leave_a_child() -> str:
    """Like a night that read Parquet: its child lives until somebody ends it."""
    child = multiprocessing.get_context("spawn").Process(target=_wait_for_parent)
    child.start()
    return str(child.pid)


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()


def fail() -> str:
    raise ValueError("the night failed")


def be_killed() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def test_an_isolated_run_may_have_children_and_says_how_it_ended():
    seconds, gib, pid = run_isolated(leave_a_child)
    assert seconds > 0
    assert gib > 0
    assert int(pid) > 0
    with pytest.raises(ValueError, match="the night failed"):
        run_isolated(fail)
    with pytest.raises(EOFError):
        run_isolated(be_killed)
