"""Errors of assets show no value, wherever Dagster stores them."""

import re

import dagster as dg
import polars as pl
import pytest

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.schema import CONFLICT, Column, Table

PEOPLE = Table("golden/people", "People", ("id",), (Column("id", pl.String(), "id"),), CONFLICT.lifecycle)
CANARY = "tweety@canary.example"


def look_up():
    return {}[CANARY]


def parse():
    pl.Series([CANARY]).str.to_date()


class PanicException(BaseException):
    """A panic, which is no `Exception`."""


def panic():
    raise PanicException(f"called `Option::unwrap()` on {CANARY}")


@pytest.mark.parametrize("fail", [look_up, parse, panic])
def test_no_value_in_an_error_reaches_dagsters_log(fail, tmp_path, capfd):
    @lake_assets(specs=[build_spec(PEOPLE, deps=[], owner="team:data")])
    def record_people(context, lake):
        fail()

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("drop_date", ["2024-07-01"])
        result = dg.materialize(
            [record_people],
            instance=instance,
            partition_key="2024-07-01",
            resources={"lake": LakeResource(drops=str(tmp_path), lake=str(tmp_path / "lake"))},
            raise_on_error=False,
        )
        stored = "".join(
            str(record.event_log_entry.to_json()) for record in instance.get_records_for_run(result.run_id).records
        )
    assert not result.success
    assert re.search(r"(Error|PanicException) at ", stored)
    printed = capfd.readouterr()
    for text in (stored, printed.out, printed.err):
        assert "tweety" not in text
