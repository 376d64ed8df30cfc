"""A table that is gone stops the run where no run can make it again, before anything is written."""

import shutil

import pytest

from cdp_pipelines.errors import LakeError
from cdp_pipelines.services.lake_tables import RESTORE, find_missing_tables, require_lasting_tables
from tests.conftest import copy_lake
from warehouse.delta.lake import Lake


def test_nothing_is_gone_of_a_new_lake_and_of_one_that_ran(sample, tmp_path):
    assert find_missing_tables(Lake(tmp_path / "new")) == []
    assert find_missing_tables(sample.lake) == []


@pytest.mark.parametrize("remove", [lambda folder: folder, lambda folder: folder / "_delta_log"])
def test_what_no_run_can_make_again_is_named(sample, tmp_path, remove):
    lake = copy_lake(sample.lake, tmp_path / "lake")
    for name in ("raw/crm_west", "golden/customer", "audit/membership"):
        shutil.rmtree(remove(lake.location(name)))
    assert find_missing_tables(lake) == ["audit/membership", "golden/customer", "raw/crm_west"]
    with pytest.raises(LakeError, match="^audit/membership, raw/crm_west of .* is gone; " + RESTORE):
        require_lasting_tables(lake)


def test_what_a_run_makes_again_stops_nothing(sample, tmp_path):
    lake = copy_lake(sample.lake, tmp_path / "lake")
    shutil.rmtree(lake.location("golden/customer"))
    require_lasting_tables(lake)
