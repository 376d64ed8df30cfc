"""Reports of services as Dagster's results: check results in their order, then materialisations, or a failure."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.runtime.results import convert_metadata, report_writes
from cdp_pipelines.schema import REVIEW
from cdp_pipelines.services.checked_write import StagedWrite, check_and_write
from warehouse.delta.lake import Lake

NIGHT = date(2026, 7, 4)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"crm": 1200, "till": 3}, dg.MetadataValue.md("- crm: 1,200\n- till: 3"), id="counts_by_name"),
        pytest.param({"crm": "3 of 4"}, dg.MetadataValue.md("- crm: 3 of 4"), id="texts_by_name"),
        pytest.param({}, dg.MetadataValue.md("none"), id="no_counts"),
        pytest.param(["a", "b"], dg.MetadataValue.md("- a\n- b"), id="texts"),
        pytest.param([], dg.MetadataValue.md("none"), id="no_texts"),
        pytest.param({"m": [0.5]}, dg.MetadataValue.json({"m": [0.5]}), id="nested"),
        pytest.param("| a |\n|---|", dg.MetadataValue.md("| a |\n|---|"), id="several_lines"),
        pytest.param(Path("/x"), dg.MetadataValue.path("/x"), id="path"),
        pytest.param(7, 7, id="number"),
    ],
)
def test_values_of_services_become_metadata(value, expected):
    assert convert_metadata(value) == expected


def test_what_passes_is_checked_then_materialised(tmp_path):
    lake = Lake(tmp_path)
    staged = StagedWrite(REVIEW, REVIEW.empty(), lambda: lake.replace(REVIEW, REVIEW.empty()), {"pairs": {"crm": 1}})
    check, write = report_writes(lambda: check_and_write(lake, NIGHT, staged))
    assert (check.asset_key, check.passed) == (dg.AssetKey(["identity", "review"]), True)
    assert check.metadata["rows checked"].value == 0
    assert write.metadata["pairs"].value == "- crm: 1"
    assert write.metadata["night"] == "2026-07-04"


def test_a_failed_check_is_reported_before_the_failure_and_not_tried_again(tmp_path):
    lake = Lake(tmp_path)
    without_column = REVIEW.empty().drop("is_same")
    staged = StagedWrite(REVIEW, without_column, lambda: pytest.fail("it was written"))
    results = report_writes(lambda: check_and_write(lake, NIGHT, staged))
    check = next(results)
    assert not check.passed
    assert "expect_table_columns_to_match_set" in check.description
    with pytest.raises(dg.Failure, match="identity/review") as raised:
        next(results)
    assert raised.value.allow_retries is False
    assert lake.tables() == {}
