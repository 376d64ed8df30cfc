"""The brute force on whole lakes: no difference on a correct lake, and every planted error is found."""

import ast
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import warehouse.verify
from cdp_pipelines.cli import app
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.marts.pseudonym import find_holders
from cdp_pipelines.schema import CROSSWALK, DECISION
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import COMPANY, load_company_register
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.verify.marts import find_last_night, verify_decisions, verify_lake

PACKAGE = Path(warehouse.verify.__file__).parent


@pytest.mark.parametrize("name", ["decisions", "marts", "profiles", "protection"])
def test_the_brute_force_imports_nothing_of_the_pipeline(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text())
    imported = {
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    allowed = {"re", "datetime", "pathlib", "dataclasses", "collections", "collections.abc", "yaml", "deltalake"}
    allowed |= {"os", "hashlib", "hmac", "fractions", "itertools", "duckdb", "pyarrow"}
    assert imported - allowed <= {f"warehouse.verify.{other}" for other in ("decisions", "profiles", "protection")}


@pytest.mark.long
@pytest.mark.parametrize("company", ["sample", "anytown"])
def test_every_decision_and_every_mart_row_equals_that_of_brute_force(company, request, capsys):
    lake = request.getfixturevalue(company).lake
    report = verify_lake(lake.path, COMPANY)
    with capsys.disabled():
        print(
            f"\n{company}: {report.decision_count:,} decisions, {report.record_count:,} records at the gate, "
            f"{sum(report.row_counts.values()):,} rows of marts compared, {len(report.differences)} differences"
        )
    assert report.differences == []
    assert (
        report.decision_count
        == lake.scan(DECISION).filter(pl.col("valid_to").is_null()).select(pl.len()).collect().item()
    )
    assert set(report.row_counts) == {key for key, purpose in load_company_register().items() if purpose.columns}


CLOCKS = [(0, -2), (-2, 0), (-30, -30), (-400, 0), (400, 400)]


@pytest.mark.parametrize(("as_of", "known_at"), CLOCKS)
def test_decisions_for_other_clocks(sample, as_of, known_at):
    last = find_last_night(sample.lake.path)
    clocks = last + timedelta(days=as_of), last + timedelta(days=known_at)
    report = verify_decisions(sample.lake.path, COMPANY, *clocks, decide_lake(sample.lake, *clocks).to_dicts())
    assert report.differences == []
    assert report.decision_count > 10_000


@pytest.mark.slow
def test_decisions_of_anytown_for_other_clocks(anytown, capsys):
    last = find_last_night(anytown.lake.path)
    clocks = last - timedelta(days=120), last - timedelta(days=60)
    report = verify_decisions(anytown.lake.path, COMPANY, *clocks, decide_lake(anytown.lake, *clocks).to_dicts())
    with capsys.disabled():
        print(
            f"\nanytown as of {clocks[0]:%Y-%m-%d}, known {clocks[1]:%Y-%m-%d}: {report.decision_count:,} decisions, 0 differences"
        )
    assert report.differences == []


def change_row(lake, table, condition, **columns):
    """Change one row of a table; returns the row as it was."""
    rows = lake.read(table).with_row_index("n")
    row = rows.filter(condition).row(0, named=True)
    changed = [
        pl.when(pl.col("n") == row["n"]).then(value).otherwise(name).alias(name) for name, value in columns.items()
    ]
    lake.replace(table, rows.with_columns(changed).drop("n"))
    return row


@pytest.fixture
def copy(sample, tmp_path):
    shutil.copytree(sample.lake.path, tmp_path / "lake", ignore=shutil.ignore_patterns(".dagster", "reports"))
    return Lake(tmp_path / "lake")


def test_a_wrong_decision_is_found(copy):
    condition = (pl.col("purpose") == "sms_marketing") & ~pl.col("is_allowed") & pl.col("valid_to").is_null()
    row = change_row(copy, DECISION, condition, is_allowed=pl.lit(True), reason=pl.lit("allowed"))
    found = verify_lake(copy.path, COMPANY, ("payment",)).differences
    assert found == [
        f"{row['customer_id']} sms_marketing: allowed, by brute force {row['reason']} (is_allowed, reason)"
    ]


def test_a_wrong_merge_gate_is_found(copy):
    row = change_row(copy, CROSSWALK, ~pl.col("is_profiled"), is_profiled=pl.lit(True))
    record = f"{row['channel']}:{row['source_record_id']}"
    assert verify_lake(copy.path, COMPANY, ("payment",)).differences == [
        f"{record}: is_profiled True, by brute force False"
    ]


def test_a_wrong_value_an_extra_row_and_a_missing_row_are_found(copy):
    table = build_mart_table(load_company_register()["order_fulfilment"])
    known = find_holders(copy.scan(table), copy.scan(CROSSWALK), mart_key(copy.path, "order_fulfilment")).collect()
    names = dict(known.select("subject_key", "customer_id").iter_rows())
    row = change_row(copy, table, pl.col("order_count") > 0, order_count=pl.lit(99, pl.Int64))
    rows = copy.read(table)
    planted = rows.tail(1).with_columns(subject_key=pl.lit("f" * 64))
    missing = next(key for key in rows["subject_key"] if key != row["subject_key"])
    copy.replace(table, pl.concat([rows.filter(pl.col("subject_key") != missing), planted]))
    done = CliRunner().invoke(app, ["verify", "marts", "--lake", str(copy.path), "--purpose", "order_fulfilment"])
    assert done.exit_code == 1
    assert "3 differences" in " ".join(done.output.split())
    for problem in (
        f"{names[row['subject_key']]} differs in order_count",
        f"{names[missing]} is missing",
        f"{'f' * 64} has a row without a right",
    ):
        assert f"mart/order_fulfilment: {problem}" in " ".join(done.output.split())


def test_a_value_of_too_small_a_group_is_found(copy):
    table = build_mart_table(load_company_register()["service_security"])
    change_row(copy, table, pl.col("events").is_null(), events=pl.lit("77"))
    (found,) = verify_lake(copy.path, COMPANY, ("service_security",)).differences
    assert found.endswith("differs in events")


# (change to the cells of an aggregate, problem that the brute force reports)
CELLS = [
    pytest.param(lambda rows: rows.with_columns(pl.col("people") + 1), "has a wrong count", id="another_number"),
    pytest.param(lambda rows: rows.with_columns(pl.col("event_count") + 1), "has a wrong sum of event_count", id="another_sum"),
    pytest.param(lambda rows: rows.with_columns(pl.col("people").fill_null(1)), "shows a group that is too small", id="small_cell_published"),
    pytest.param(lambda rows: rows.with_columns(pl.col("visit_count").fill_null(1)), "is suppressed but shows a sum", id="sum_of_a_suppressed_cell"),
    pytest.param(lambda rows: rows.filter(pl.col("events") != "all"), "cells are missing or should not exist", id="cells_missing"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "problem"), CELLS)
def test_a_wrong_aggregate_is_found(copy, change, problem):
    table = build_mart_table(load_company_register()["analytics"])
    copy.replace(table, change(copy.read(table)))
    found = verify_lake(copy.path, COMPANY, ("analytics",)).differences
    assert found
    assert any(problem in line for line in found)


def test_an_undeclared_column_is_found(copy):
    table = build_mart_table(load_company_register()["payment"])
    pl.read_delta(str(copy.location(table.name))).with_columns(shoe_size=pl.lit(44)).write_delta(
        str(copy.location(table.name)), mode="overwrite", delta_write_options={"schema_mode": "overwrite"}
    )
    assert verify_lake(copy.path, COMPANY, ("payment",)).differences == [
        "mart/payment: its columns are not the declared ones"
    ]


def test_an_unknown_mart_is_refused(sample):
    done = CliRunner().invoke(app, ["verify", "marts", "--lake", str(sample.lake.path), "--purpose", "nothing"])
    assert done.exit_code == 2
    assert "there is no mart 'nothing'" in done.stderr
