"""Dagster's definitions: every table with its columns and their sources, the schedule, the sensor, and `dg check`."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.defs import nightly
from assets.runtime.lake import AS_OF, LakeResource
from assets.runtime.specs import DROPS
from cdp_pipelines.purposes.company import Intraday
from cdp_pipelines.schema import TABLES
from cdp_pipelines.services.checked_write import GATE
from cdp_pipelines.services.decisions import DECIDE
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from warehouse.delta.lake import Lake

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def specs(definitions) -> dict[str, dg.AssetSpec]:
    return {"/".join(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}


def test_every_table_is_an_asset_of_the_same_name(specs):
    expected = {
        *TABLES,
        "serving/marts",
        "serving/postgres",
        "serving/withdrawn",
        "reports/catalogue",
        *(f"mart/{key}" for key, purpose in load_company_register().items() if purpose.columns),
    }
    expected |= {f"{layer}/{key}" for key in load_all_contracts() for layer in ("raw", "quarantine")}
    assert set(specs) == expected


def test_every_asset_has_group_owner_kind_and_description(specs):
    for name, spec in specs.items():
        assert spec.group_name == name.split("/")[0]
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.tags["layer"] == name.split("/")[0]
        assert spec.description, name
        assert spec.code_version, name
        assert spec.partitions_def == DROPS, name


def test_the_step_whose_decisions_are_used_again_is_the_one_that_decides(definitions):
    assert definitions.resolve_assets_def(dg.AssetKey(["consent", "decision"])).op.name == DECIDE


# No night builds these: a command writes them after they pass their suites.
BY_CLERKS = {"identity/review", "consent/resolution", "golden/rectification"}


def test_every_column_of_every_derived_table_names_its_sources(specs):
    without = {
        f"{name}.{column.name}"
        for name, spec in specs.items()
        if name.split("/")[0] in {"standardised", "identity", "golden", "mart"} and name not in BY_CLERKS
        for column in spec.metadata["dagster/column_schema"].columns
        if "From " not in column.description
    }
    # Those that no field gives: constants of the mapping, and what the purpose or the model itself says.
    assert {name.rsplit(".", 1)[1] for name in without} <= {
        "channel",
        "rule",
        "is_exact",
        "match_weight",
        "evidence",
        "is_profiled",
        "event",
        "occurred_at",
        "country_code",
        "attribute",
        "collected_for",
        "attribute_group",
        "rank",
        "currency_code",
        "field",
        "level",
        "origin",
        "configuration_digest",
        "table_versions",
    }


def test_sources_exist(specs):
    columns = {
        name: {c.name for c in spec.metadata["dagster/column_schema"].columns}
        for name, spec in specs.items()
        if "dagster/column_schema" in spec.metadata
    }
    for name, spec in specs.items():
        for column in spec.metadata.get("dagster/column_schema", dg.TableSchema([])).columns:
            for source in column.description.partition("From ")[2].removesuffix(". Personal").split(", "):
                if source:
                    table, _, field = source.rpartition(".")
                    assert field in columns[table], (name, column.name, source)


def test_every_table_has_a_gate_and_no_mart_blocks_another(definitions, specs):
    checks = {
        "/".join(check.asset_key.path): check
        for asset in definitions.assets
        for check in getattr(asset, "check_specs", [])
        if check.name == GATE
    }
    assert set(checks) == set(specs) - {
        "serving/marts",
        "serving/postgres",
        "serving/withdrawn",
        "reports/catalogue",
        *BY_CLERKS,
    }
    assert {name for name, check in checks.items() if not check.blocking} == {
        name for name in specs if name.startswith("mart/")
    }


def test_no_table_with_personal_data_is_written_after_old_versions_are_removed(specs):
    """`audit/run` removes them: a table replaced after it would keep its last version."""
    before, waiting = set(), ["audit/run"]
    while waiting:
        name = waiting.pop()
        if name not in before:
            before.add(name)
            waiting += ["/".join(dep.asset_key.path) for dep in specs[name].deps]
    # Commands write those of clerks between nights; the served copies are not tables of the lake.
    others = BY_CLERKS | {"serving/postgres", "serving/withdrawn", "reports/catalogue"}
    after = set(specs) - before - others
    assert {name for name in after if TABLES[name].personal} == set()


def test_nightly_schedule(definitions, tmp_path):
    schedule = definitions.resolve_schedule_def("nightly_at_two")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/Berlin")
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        at = datetime(2024, 7, 2, 0, 0, tzinfo=UTC)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        request = schedule(context)
        assert request.partition_key == "2024-07-01"
        assert instance.has_dynamic_partition(DROPS.name, "2024-07-01")


@pytest.fixture
def evaluate(definitions, tmp_path):
    """One tick of the sensor on `tmp_path`, with a cursor."""
    sensor = definitions.resolve_sensor_def("drop_folder")
    lake = LakeResource(drops=str(tmp_path / "drops"), lake=str(tmp_path / "lake"))

    def tick(cursor):
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": lake}) as context,
        ):
            return sensor(context)

    return tick


def deliver(folder: Path, night: str) -> Path:
    """A file in the folder of a night."""
    file = folder / "drops" / night / "surveys.csv"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    return file


@pytest.fixture
def at_once(monkeypatch):
    """Folders count as delivered without a wait."""
    monkeypatch.setattr(nightly, "SETTLED_S", -1)


def test_sensor_waits_for_a_folder_that_is_still_being_written(evaluate, tmp_path):
    os.utime(deliver(tmp_path, "2024-07-01"), (1e9, 1e9))
    assert isinstance(evaluate(None), dg.SkipReason)


@pytest.mark.usefixtures("at_once")
def test_sensor_requests_a_folder_once_and_again_when_it_changes(evaluate, tmp_path):
    file = deliver(tmp_path, "2024-07-01")
    first = evaluate(None)
    assert [request.partition_key for request in first.run_requests] == ["2024-07-01"]
    assert isinstance(evaluate(first.cursor), dg.SkipReason)
    file.write_text("longer")
    again = evaluate(first.cursor)
    assert again.run_requests[0].run_key != first.run_requests[0].run_key


@pytest.mark.usefixtures("at_once")
def test_sensor_requests_one_run_for_all_nights_that_are_due(evaluate, tmp_path):
    nights = ["2024-07-01", "2024-07-02", "2024-07-03"]
    for night in nights:
        deliver(tmp_path, night)
    result = evaluate(None)
    assert [request.partition_key for request in result.run_requests] == [nights[-1]]
    assert result.dynamic_partitions_requests[0].partition_keys == nights
    deliver(tmp_path, "2024-06-30")
    late = evaluate(result.cursor)
    assert [request.partition_key for request in late.run_requests] == ["2024-06-30"]
    assert isinstance(evaluate(late.cursor), dg.SkipReason)


@pytest.mark.usefixtures("at_once")
def test_sensor_requests_one_run_for_a_year_of_nights(evaluate, tmp_path):
    nights = [str(date(2023, 7, 1) + timedelta(days=day)) for day in range(365)]
    for night in nights:
        deliver(tmp_path, night)
    result = evaluate(None)
    assert [request.partition_key for request in result.run_requests] == [nights[-1]]
    assert result.dynamic_partitions_requests[0].partition_keys == nights
    assert isinstance(evaluate(result.cursor), dg.SkipReason)


@pytest.mark.usefixtures("at_once")
def test_sensor_lets_a_folder_wait_while_another_process_writes_the_lake(evaluate, tmp_path):
    deliver(tmp_path, "2024-07-01")
    with Lake(tmp_path / "lake").lock_writer():
        skipped = evaluate(None)
    assert "2024-07-01 will be taken in later" in skipped.skip_message
    assert evaluate(None).run_requests


@pytest.mark.usefixtures("at_once")
def test_sensor_lets_an_implausible_night_wait_and_requests_the_others(evaluate, tmp_path):
    deliver(tmp_path, "2204-07-01")
    assert "The folder 2204-07-01 waits: the night is later than" in evaluate(None).skip_message
    deliver(tmp_path, "2024-07-01")
    result = evaluate(None)
    assert [request.partition_key for request in result.run_requests] == ["2024-07-01"]
    assert "2204" not in result.cursor


@pytest.mark.usefixtures("at_once")
def test_sensor_decides_within_the_day_only_where_the_company_declares_it(evaluate, tmp_path, monkeypatch):
    today = datetime.now(UTC).date()
    file = deliver(tmp_path, str(today))
    os.utime(file, (1e9, 1e9))
    assert AS_OF not in evaluate(None).run_requests[0].tags
    monkeypatch.setattr(nightly, "INTRADAY", Intraday(settled_seconds=3600))
    assert isinstance(evaluate(None), dg.SkipReason)
    monkeypatch.setattr(nightly, "INTRADAY", Intraday(settled_seconds=0))
    (request,) = evaluate(None).run_requests
    assert request.partition_key == str(today)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(request.tags[AS_OF])) < timedelta(minutes=5)
    shutil.rmtree(tmp_path / "drops")
    deliver(tmp_path, str(today - timedelta(days=1)))
    assert AS_OF not in evaluate(None).run_requests[0].tags


@pytest.mark.long
def test_a_backfill_of_several_nights_is_one_run(sample, definitions, tmp_path):
    nights = sorted(path.name for path in sample.drops.iterdir())
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(DROPS.name, nights)
        resources = {"lake": LakeResource(drops=str(sample.drops), lake=str(tmp_path / "lake"))}
        job = dg.Definitions.merge(definitions, dg.Definitions()).resolve_job_def("nightly")
        os.environ.update(CDP_DROPS=resources["lake"].drops, CDP_LAKE=resources["lake"].lake)
        result = job.execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": nights[0],
                "dagster/asset_partition_range_end": nights[-1],
            },
        )
        assert result.success
        assert instance.get_materialized_partitions(dg.AssetKey(["golden", "customer"])) == set(nights)
        materialised = instance.get_latest_materialization_event(dg.AssetKey(["mart", "email_marketing"]))
        metadata = materialised.asset_materialization.metadata
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        assert {dep.asset_key.path[0] for deps in lineage.values() for dep in deps} <= {
            "golden",
            "consent",
            "identity",
            "standardised",
        }
        assert "- email: raw/consent_receipts.subject_type (contact), " in metadata["column origins"].value
        assert metadata["dagster/row_count"].value > 0
        assert metadata["bytes"].value > 0
        profiling = instance.get_latest_materialization_event(dg.AssetKey(["mart", "profiling"]))
        suppressed = profiling.asset_materialization.metadata["values suppressed"].value
        assert sum(int(line.rpartition(": ")[2].replace(",", "")) for line in suppressed.splitlines()) > 0
        analytics = instance.get_latest_materialization_event(dg.AssetKey(["mart", "analytics"]))
        counted = {name: each.value for name, each in analytics.asset_materialization.metadata.items()}
        assert 0 < counted["cells suppressed"] <= counted["cells"]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["dg", "check", "yaml"], id="yaml"),
        pytest.param(["dg", "check", "defs"], id="defs"),
    ],
)
def test_dg_check_passes(command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workspace_works_from_any_directory(tmp_path):
    done = subprocess.run(
        [BIN / "dagster", "definitions", "validate", "-w", ROOT / "workspace.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
