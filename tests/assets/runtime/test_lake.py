"""The lake as a resource of a run: a quality page is drawn at the end of each."""

from datetime import date

import dagster as dg
import pytest

from assets.runtime.lake import LakeResource
from cdp_pipelines.reports.quality import PAGE
from cdp_pipelines.services.check_results import store_result
from expectations.result import GateResult

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
    night = date(2024, 6, 1)
    (tmp_path / "2024-06-01").mkdir()
    (tmp_path / "2024-06-01" / "orders.csv").touch()
    assert [file.name for file in resource.deliveries(night)] == ["orders.csv"]
    assert resource.deliveries(night) is resource.deliveries(night)
    assert resource.deliveries(date(2024, 5, 31)) == []
