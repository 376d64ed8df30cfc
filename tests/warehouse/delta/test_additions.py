"""What was added to a table since a version, by its log."""

import shutil

import polars as pl
import pytest

from cdp_pipelines.schema import CLUSTER
from warehouse.delta.lake import Lake


def rows(*ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        [{"channel": "crm", "source_record_id": each, "customer_id": "c", "is_exact": True} for each in ids],
        schema=CLUSTER.schema,
    )


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "a lake, with 100 % blanks")
    lake.append(CLUSTER, rows("a", "b"))
    return lake


def added(lake: Lake, since: str) -> list[str] | None:
    found = lake.scan_added(CLUSTER, since)
    if found is None:
        return None
    frame = found.rows.collect()
    return sorted(frame["source_record_id"]) if frame.width else []


def test_appended_rows_are_added_whatever_was_removed_meanwhile(lake):
    seen = lake.name_version(CLUSTER.name)
    assert added(lake, seen) == []
    lake.append(CLUSTER, rows("c"))
    lake.append(CLUSTER, rows("d"))
    assert added(lake, seen) == ["c", "d"]
    assert not lake.scan_added(CLUSTER, seen).has_removals
    lake.keep(CLUSTER, rows("b", "c", "d"))
    assert added(lake, seen) == ["c", "d"]
    assert lake.scan_added(CLUSTER, seen).has_removals
    assert added(lake, lake.name_version(CLUSTER.name)) == []


def test_replaced_rows_cannot_be_told(lake):
    seen = lake.name_version(CLUSTER.name)
    lake.replace(CLUSTER, rows("a", "c"))
    assert added(lake, seen) is None


def test_rows_of_a_file_that_is_gone_cannot_be_told(lake):
    seen = lake.name_version(CLUSTER.name)
    lake.append(CLUSTER, rows("c"))
    lake.keep(CLUSTER, rows("a", "c"))
    assert added(lake, seen) == ["c"]
    lake.forget_versions(CLUSTER.name)
    assert added(lake, seen) is None


def test_another_table_in_the_same_place_cannot_be_told(lake):
    seen = lake.name_version(CLUSTER.name)
    shutil.rmtree(lake.location(CLUSTER.name))
    lake.append(CLUSTER, rows("x"))
    lake.append(CLUSTER, rows("y"))
    assert added(lake, seen) is None
    assert lake.name_version("identity/link") is None


def test_a_merge_appends_what_is_new_and_replaces_what_changed(lake):
    is_b = pl.col("source_record_id") == "b"
    seen = lake.name_version(CLUSTER.name)
    assert not lake.merge(CLUSTER, is_b, rows("b")).is_changed
    assert lake.name_version(CLUSTER.name) == seen
    lake.merge(CLUSTER, pl.lit(value=False), rows("c"))
    assert added(lake, seen) == ["c"]
    lake.merge(CLUSTER, is_b, rows("d"))
    assert lake.read(CLUSTER)["source_record_id"].to_list() == ["a", "c", "d"]
    assert added(lake, seen) is None
    assert lake.merge(CLUSTER, pl.lit(value=True), rows()).row_count == 0
