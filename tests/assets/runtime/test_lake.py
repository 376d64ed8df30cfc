"""What every asset of the lake has in common: its errors show no value, wherever Dagster keeps them."""

import dagster as dg
import polars as pl
import pytest

from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.schema import Column, Table

PEOPLE = Table("layer/people", "People", ("id",), (Column("id", pl.String(), "id"),))
CANARY = "tweety@canary.example"


def look_up():
    return {}[CANARY]


def parse():
    pl.Series([CANARY]).str.to_date()


@pytest.mark.parametrize("fail", [look_up, parse])
def test_no_value_reaches_dagsters_log_in_an_error(fail, tmp_path, capfd):
    @lake_assets(specs=[build_spec(PEOPLE, deps=[], owner="team:data")])
    def record_people(context, lake):
        fail()
        yield

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("drop_date", ["2024-07-01"])
        done = dg.materialize(
            [record_people],
            instance=instance,
            partition_key="2024-07-01",
            resources={"lake": LakeResource(drops=str(tmp_path), lake=str(tmp_path / "lake"))},
            raise_on_error=False,
        )
        kept = "".join(
            str(record.event_log_entry.to_json()) for record in instance.get_records_for_run(done.run_id).records
        )
    assert not done.success
    assert "Error at " in kept
    printed = capfd.readouterr()
    for text in (kept, printed.out, printed.err):
        assert "tweety" not in text
