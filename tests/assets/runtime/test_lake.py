"""The lake as a resource of a run: a quality page is drawn at the end of each."""

import threading
from datetime import date

import dagster as dg
import pytest

from assets.runtime import lake as runtime
from assets.runtime.lake import LakeResource
from cdp_pipelines.errors import LakeError
from cdp_pipelines.reports.quality import PAGE
from cdp_pipelines.services.check_results import store_result
from expectations.result import GateResult
from warehouse.delta.lake import Lake

PASSED = GateResult(table="golden/customer", description="Customers.", row_count=7, results=(), seconds=0.1)


@dg.op
def check_table(lake: LakeResource) -> None:
    """Store the result of a gate; the page is not drawn yet."""
    store_result(lake.open, PASSED, date(2026, 7, 4))
    assert not (lake.open.path / PAGE).exists()


@dg.op
def check_table_and_fail(lake: LakeResource) -> None:
    check_table(lake)
    raise dg.Failure


@dg.op
def check_nothing(lake: LakeResource) -> None:
    assert lake.open.tables() == {}


@pytest.mark.parametrize(
    ("step", "is_passed", "expected"),
    [
        pytest.param(check_table, True, "as of the night of 2026-07-04", id="passed"),
        pytest.param(check_table_and_fail, False, "as of the night of 2026-07-04", id="failed"),
        pytest.param(check_nothing, True, "Nothing was checked", id="nothing_checked"),
    ],
)
def test_the_quality_page_is_drawn_at_the_end_of_every_run(tmp_path, step, is_passed, expected):
    job = dg.GraphDefinition(name="run", node_defs=[step]).to_job()
    resource = LakeResource(drops=str(tmp_path), lake=str(tmp_path / "lake"))
    run = job.execute_in_process(resources={"lake": resource}, raise_on_error=False)
    assert run.success == is_passed
    assert expected in (tmp_path / "lake" / PAGE).read_text()


def test_all_channels_of_a_run_share_one_listing(tmp_path):
    resource = LakeResource(drops=str(tmp_path), lake=str(tmp_path / "lake"))
    for night in ("2024-06-01", "2024-06-02"):
        (tmp_path / night).mkdir()
        (tmp_path / night / "orders.csv").touch()
    first_look = resource.first_look
    assert [str(file.drop_date) for file in first_look.list_until(date(2024, 6, 1))] == ["2024-06-01"]
    assert [str(file.drop_date) for file in first_look.list_until(date(2024, 6, 2))] == ["2024-06-01", "2024-06-02"]
    assert resource.first_look is first_look


def run_while_locked(folder, seconds: float) -> dg.ExecuteInProcessResult:
    """A run that starts while another writer holds the lake, for so long."""
    job = dg.GraphDefinition(name="run", node_defs=[check_nothing]).to_job()
    resource = LakeResource(drops=str(folder), lake=str(folder / "lake"))
    is_started, is_over = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold_lock, args=(folder / "lake", is_started, is_over))
    holder.start()
    is_started.wait()
    timer = threading.Timer(seconds, is_over.set)
    timer.start()
    try:
        return job.execute_in_process(resources={"lake": resource})
    finally:
        is_over.set()
        timer.cancel()
        holder.join()


def hold_lock(lake, is_started: threading.Event, is_over: threading.Event) -> None:
    with Lake(lake).lock_writer():
        is_started.set()
        is_over.wait()


def test_a_run_waits_for_another_writer(tmp_path):
    assert run_while_locked(tmp_path, 0.6).success


def test_a_run_that_has_waited_long_enough_names_the_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "LOCK_PATIENCE_S", 0.1)
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        run_while_locked(tmp_path, 60)
    assert isinstance(raised.value.user_exception, LakeError)
