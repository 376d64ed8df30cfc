"""Minimisation where it counts: at load, and at the build of a mart, which leaves the table as it was."""

import shutil

import dagster as dg
import polars as pl
import pytest

from assets.components.purpose import Purpose
from assets.runtime.lake import LakeResource
from assets.runtime.specs import DROPS, describe_lineage
from cdp_pipelines.errors import PolicyError
from cdp_pipelines.lineage import build_column_graph, list_tables
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.purposes.mart_terms import MartColumn
from cdp_pipelines.services import declarations as policies
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from warehouse.delta.lake import Lake
from warehouse.state_file import forget_states

KEY = "life_threatening_alert"
PLANTED = MartColumn(name="area", source="customer.city")
PATH = (
    "mart/life_threatening_alert.area <- golden/customer.city <- standardised/party.city <- raw/crm_east.oras [address]"
)


def test_column_lineage_in_dagster_leads_as_far_as_the_graph():
    """Composed of what each table's materialisation tells: every mart column comes to the same raw fields."""
    purposes = [each for each in load_company_register().values() if each.columns]
    tables = list_tables(load_all_contracts(), purposes)
    dependencies = {name: describe_lineage(table).deps_by_column for name, table in tables.items()}

    def ends(table, column, seen):
        if table.startswith("raw/"):
            return {f"{table}.{column}"}
        if (table, column) in seen:
            return set()
        seen.add((table, column))
        deps = dependencies[table].get(column, [])
        return {end for dep in deps for end in ends("/".join(dep.asset_key.path), dep.column_name, seen)}

    graph = build_column_graph(load_all_contracts(), purposes)
    for purpose in purposes:
        for column in build_mart_table(purpose).schema:
            expected = {path.end for path in graph.find_paths(f"mart/{purpose.key}.{column}")}
            assert ends(f"mart/{purpose.key}", column, set()) == expected
            assert expected or column == "lawful_basis"


def test_a_mart_that_takes_too_much_is_held_back_with_the_path(sample, tmp_path):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(sample.lake.path, lake.path)
    sound = load_company_register()[KEY]
    before = lake.read(build_mart_table(sound))
    planted = sound.model_copy(update={"columns": (*sound.columns, PLANTED)})
    forget_states(lake.path)  # The declaration is another one, and its file is not.
    (asset,) = Purpose(planted).build_defs(None).assets
    night = max(path.name for path in sample.drops.iterdir())
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(DROPS.name, [night])
        done = dg.materialize(
            [asset],
            instance=instance,
            partition_key=night,
            resources={"lake": LakeResource(drops=str(sample.drops), lake=str(lake.path))},
            raise_on_error=False,
        )
    (check,) = done.get_asset_check_evaluations()
    assert not check.passed
    message = check.description
    assert "area derives from address; data_categories has: contact, purchase" in message
    assert PATH in message
    rows = lake.read(build_mart_table(planted))
    assert rows.equals(before.with_columns(pl.lit(None, pl.String).alias(PLANTED.name)))


def test_a_register_with_such_a_mart_does_not_load(tmp_path, monkeypatch):
    shutil.copytree(policies.COMPANY, tmp_path / "defs")
    file = tmp_path / "defs" / "purposes" / KEY / "defs.yaml"
    file.write_text(file.read_text().replace("  columns:\n", "  columns:\n    - {name: area, source: customer.city}\n"))
    monkeypatch.setattr(policies, "COMPANY", tmp_path / "defs")
    with pytest.raises(PolicyError) as raised:
        policies.load_company_register.__wrapped__()
    assert raised.value.file == str(file)
    assert PATH in str(raised.value)


def test_a_mart_whose_sql_gives_it_another_name_does_not_load(tmp_path, monkeypatch):
    shutil.copytree(policies.COMPANY, tmp_path / "defs")
    folder = tmp_path / "defs" / "purposes" / "customer_value_reporting"
    file, sql = folder / "defs.yaml", folder / "mart.sql"
    file.write_text(file.read_text().replace("data_categories: [purchase]", "data_categories: [behaviour]"))
    begin, end = sql.read_text().split("    CASE")[0], sql.read_text().split("END AS buys")[1]
    sql.write_text(f"{begin}    CASE WHEN receipt_count > 0 THEN 'a' ELSE 'b' END AS buys{end}")
    monkeypatch.setattr(policies, "COMPANY", tmp_path / "defs")
    with pytest.raises(PolicyError) as raised:
        policies.load_company_register.__wrapped__()
    assert raised.value.file == str(file)
    problem = next(each for _, each in raised.value.problems if each.startswith("buys "))
    assert problem.startswith(
        "buys derives from purchase; data_categories has: behaviour. The path: "
        "mart/customer_value_reporting.buys <- standardised/interaction.source_record_id["
    )
    assert problem.endswith("[purchase]")
