"""The night's marts on a server: published after the file, from the same decision, and no message has the password."""

import shutil
from datetime import datetime, timedelta

import dagster as dg
import duckdb
import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from assets.runtime.lake import AS_OF
from assets.runtime.specs import DROPS
from cdp_pipelines.cli.main import app
from cdp_pipelines.schema import DECISION, HISTORY
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import read_published
from cdp_pipelines.services.nights import read_nights
from tests.conftest import copy_lake
from warehouse.delta.lake import Lake
from warehouse.serving import mart_file as serving
from warehouse.sources.drop_folder import list_drop_dates

MARTS, POSTGRES, WITHDRAWN = (dg.AssetKey(["serving", name]) for name in ("marts", "postgres", "withdrawn"))
MADE = "SELECT purpose, delta_version, row_count FROM main.published ORDER BY purpose"


@pytest.fixture
def lake(sample, tmp_path) -> Lake:
    """A lake with nothing but a published file."""
    copy = Lake(tmp_path / "lake")
    serving.mart_file_path(copy).parent.mkdir(parents=True)
    shutil.copy(serving.mart_file_path(sample.lake), serving.mart_file_path(copy))
    return copy


@pytest.fixture(scope="module")
def target(postgres_server) -> str:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE nightly LOGIN CREATEROLE PASSWORD 'tweety'")
        admin.execute("CREATE DATABASE served OWNER nightly")
    return postgres_server.dsn("served", "nightly", "tweety")


@pytest.fixture
def night(sample, definitions, monkeypatch):
    """Runs assets of the nightly job over a lake: the result, and all that Dagster keeps of the run."""

    def ran(lake: Lake, *keys: dg.AssetKey, as_of: datetime | None = None):
        monkeypatch.setenv("CDP_DROPS", str(sample.drops))
        monkeypatch.setenv("CDP_LAKE", str(lake.path))
        job = definitions.resolve_job_def("nightly")
        last = str(as_of.date() if as_of else list_drop_dates(sample.drops)[-1])
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(DROPS.name, [last])
            done = job.execute_in_process(
                instance=instance,
                partition_key=last,
                asset_selection=list(keys),
                raise_on_error=False,
                tags={AS_OF: as_of.isoformat()} if as_of else {},
            )
            kept = instance.get_records_for_run(done.run_id, limit=10_000).records
        return done, "".join(record.event_log_entry.to_json() for record in kept)

    return ran


def test_the_night_publishes_what_it_decided_to_the_server_too_and_tells_no_password(
    sample, night, target, tmp_path, monkeypatch
):
    monkeypatch.setenv("CDP_POSTGRES", target)
    shutil.copytree(sample.lake.path, tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    serving.mart_file_path(lake).unlink()
    done, kept = night(lake, MARTS, POSTGRES)
    assert done.success
    (published,) = done.asset_materializations_for_node("serving__postgres")
    assert published.metadata["database"].value == "served"
    with duckdb.connect(str(serving.mart_file_path(lake)), read_only=True) as file, psycopg.connect(target) as server:
        made = file.execute(MADE).fetchall()
        assert server.execute(MADE).fetchall() == made
    assert published.metadata["rows inserted"].value == sum(row_count for *_, row_count in made) > 0
    assert "tweety" not in kept
    done, _ = night(lake, POSTGRES)
    (published,) = done.asset_materializations_for_node("serving__postgres")
    assert (published.metadata["changed"].value, published.metadata["rows inserted"].value) == ("nothing", 0)


def test_without_a_server_nothing_is_published_there(night, lake, monkeypatch):
    monkeypatch.delenv("CDP_POSTGRES", raising=False)
    done, _ = night(lake, POSTGRES)
    assert done.success
    assert done.get_asset_materialization_events() == []


def test_a_server_that_refuses_fails_the_step_and_tells_no_password(night, lake, target, monkeypatch):
    monkeypatch.setenv("CDP_POSTGRES", target.replace("tweety", "tweety2"))
    done, kept = night(lake, POSTGRES)
    assert not done.success
    assert "PostgreSQL: the password is wrong" in kept
    assert "tweety" not in kept


def test_cdp_publish_fills_a_server_without_a_night(lake, target):
    publish = ["publish", "--lake", str(lake.path)]
    done = CliRunner().invoke(app, publish, env={"CDP_POSTGRES": target})
    assert done.exit_code == 0, done.output
    assert "cdp_email_marketing" in done.output
    assert "Published to the database served" in done.output
    with psycopg.connect(target) as server, duckdb.connect(str(serving.mart_file_path(lake)), read_only=True) as file:
        assert server.execute(MADE).fetchall() == file.execute(MADE).fetchall()
    wrong = CliRunner().invoke(app, [*publish, "--postgres", target.replace("tweety", "tweety2")])
    assert wrong.exit_code == 2
    helped = CliRunner().invoke(app, ["publish", "--help"], env={"CDP_POSTGRES": target})
    for answer in (done, wrong, helped):
        assert "tweety" not in answer.output + answer.stderr


def test_within_a_day_a_withdrawal_leaves_the_served_marts_before_they_are_built(
    sample, night, target, tmp_path, monkeypatch
):
    monkeypatch.setenv("CDP_POSTGRES", target)
    lake, purpose = copy_lake(sample.lake, tmp_path / "lake"), load_company_register()["email_marketing"]
    served = read_published(lake, purpose)["customer_id"].sort()
    is_theirs = (pl.col("customer_id") == served[0]) & (pl.col("purpose") == purpose.key)
    denied = pl.when(is_theirs).then(statement=False).otherwise("is_allowed").alias("is_allowed")
    lake.replace(DECISION, lake.read(DECISION).with_columns(denied))
    last = read_nights(lake).last_as_of
    assert night(lake, WITHDRAWN, as_of=last)[0].success
    assert read_published(lake, purpose).height == served.len()
    # A split whose corrections are not recorded yet: they compare with the served rows.
    history, noon = lake.read(HISTORY), last + timedelta(hours=12)
    split = history.head(1).with_columns(event=pl.lit("split"), other_customer_id=pl.lit("c_1"), occurred_at=noon)
    lake.replace(HISTORY, pl.concat([history, HISTORY.conform(split.lazy()).collect()]))
    assert night(lake, WITHDRAWN, as_of=noon)[0].success
    assert read_published(lake, purpose).height == served.len()
    lake.replace(HISTORY, history)
    done, stored = night(lake, WITHDRAWN, as_of=noon)
    assert done.success
    assert "email_marketing" in stored
    assert read_published(lake, purpose)["customer_id"].sort().to_list() == served[1:].to_list()
    with psycopg.connect(target) as reader:
        ((count,),) = reader.execute("SELECT count(*) FROM email_marketing.customer").fetchall()
    assert count == served.len() - 1
