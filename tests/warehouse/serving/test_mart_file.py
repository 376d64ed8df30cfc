"""Who may read the served file besides the owner of the lake, and what becomes of one that is damaged."""

import grp
import os

import pytest

from cdp_pipelines.errors import LakeError
from warehouse.delta.lake import Lake
from warehouse.serving.mart_file import find_fault, mart_file_path, read_publication, share_file


@pytest.fixture
def lake(tmp_path) -> Lake:
    """A lake with a served file and another table, closed to all but its owner."""
    lake = Lake(tmp_path / "lake")
    with lake.lock_writer():
        for path in (mart_file_path(lake), lake.path / "golden" / "customer"):
            path.parent.mkdir(parents=True)
            path.touch()
    return lake


def modes(lake: Lake) -> dict[str, int]:
    paths = (lake.path, *(path for path in lake.path.rglob("*") if not path.name.startswith(".")))
    return {str(path.relative_to(lake.path)): path.stat().st_mode & 0o777 for path in paths}


def test_the_declared_group_reads_the_served_file_and_nothing_else(lake):
    share_file(lake, grp.getgrgid(os.getgid()).gr_name)
    expected = {".": 0o710, "serving": 0o750, "serving/marts.duckdb": 0o640, "golden": 0o700, "golden/customer": 0o600}
    assert modes(lake) == expected
    with lake.lock_writer():
        assert modes(lake) == expected


def test_an_unknown_group_is_an_error_that_names_it(lake):
    before = modes(lake)
    with pytest.raises(LakeError, match="the group 'no_such_group' does not exist"):
        share_file(lake, "no_such_group")
    assert modes(lake) == before


@pytest.mark.parametrize(("content", "fault"), [(b"no database" * 999, "IOException"), (b"", "IOException")])
def test_a_damaged_file_counts_as_none_and_its_fault_is_told(lake, content, fault):
    mart_file_path(lake).write_bytes(content)
    assert read_publication(lake) == {}
    assert find_fault(lake) == fault
    mart_file_path(lake).unlink()
    assert find_fault(lake) is None
