"""The access report: everything about a customer, agreeing with the tables it comes from."""

import json
import shutil
from datetime import datetime

import polars as pl

from cdp_pipelines.benchmarks import audit as bench_audit
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.sample import benchmark_customers, benchmark_lake
from cdp_pipelines.schema import CLUSTER
from cdp_pipelines.schema.duration import end_of_retention
from cdp_pipelines.services.access_report import build_access_report
from cdp_pipelines.services.declarations import (
    load_all_contracts,
    load_company_controller,
    load_company_register,
)
from cdp_pipelines.services.marts import find_by_mart_key
from tests.commands import read_answer, run_command
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.verify.protection import compute_digest


def test_a_customer_by_id_and_by_email_is_one_answer(audited, member):
    customer_id, email = member
    by_id, by_email = (
        run_command("audit", "customer", who, "--lake", audited.lake.path, "--format", "json") for who in member
    )
    assert by_id.exit_code == 0, by_id.output
    assert by_email.output == by_id.output
    answer = json.loads(by_id.output)
    records = audited.lake.read(CLUSTER).filter(customer_id=customer_id)
    assert sum(row["record_count"] for row in answer["channels"]) == records.height
    assert email in {row["value"] for row in answer["identifiers"]}
    assert {row["purpose"] for row in answer["purposes"]} == set(load_company_register())
    assert "email_marketing" in {row["mart"] for row in answer["marts"]}
    granted = [
        row for row in answer["consent_events"] if row["status"] == "granted" and row["purpose"] == "email_marketing"
    ]
    let_in = next(row["evidence"] for row in answer["marts"] if row["mart"] == "email_marketing")
    assert set(let_in) <= {row["event_id"] for row in granted}


def test_the_answer_has_all_that_art_15_asks_for(audited, member):
    """Statement 8 of the auditors, part by part, each beside the tables that it must agree with."""
    customer_id, _ = member
    answer = read_answer("audit", "customer", customer_id, "--lake", audited.lake.path)
    records = audited.lake.read(CLUSTER).filter(customer_id=customer_id)
    # (a) purposes, (c) recipients, (d) retention with its end, Art. 6 bases.
    allowed = {row["purpose"]: row for row in answer["purposes"] if row["is_allowed"]}
    for key, row in allowed.items():
        assert row["lawful_basis"] == load_company_register()[key].lawful_basis
        assert row["recipients"] == list(load_company_register()[key].recipients)
        assert row["expires_at"] > row["since_at"]
    # (b) categories, (g) sources, (d) retention of each channel.
    for row in answer["channels"]:
        contract = load_all_contracts()[row["channel"]]
        assert set(row["data_categories"]) == {each.category for each in contract.fields.values()}
        assert (
            row["last_expires_at"]
            == f"{end_of_retention(contract.retention, datetime.fromisoformat(row['last_observed_at'])):%Y-%m-%dT%H:%M:%SZ}"
        )
        assert row["owner"] == contract.owner
    # (e), (f) rights and whom to turn to; (h) how the profile came about.
    contacts = {row["right"]: row["contact"] for row in answer["rights"]}
    controller = load_company_controller()
    assert contacts["erasure"] == controller.data_protection_officer
    assert contacts["complaint"] == controller.supervisory_authority
    assert {row["rule"] for row in answer["joined_records"]}
    # (3) a copy: each raw row of the records, verbatim, and no other.
    for (channel,), mine in records.group_by("channel"):
        raw = audited.lake.read(load_all_contracts()[channel].raw).join(mine, on="source_record_id", how="semi")
        copy = answer[f"copy_{channel}"]
        assert sorted(row["record"] for row in copy) == raw["record"].sort().to_list()
        fields = {
            field: row[field]
            for row in copy
            for field in load_all_contracts()[channel].columns.values()
            if row.get(field)
        }
        assert set(fields.values()) <= set(
            raw.select(pl.exclude(pl.Date, pl.Datetime)).cast(pl.String).unpivot()["value"]
        )
    # What each mart holds of them, derived scores included.
    keys = {row["purpose"]: row["value"] for row in answer["mart_rows"] if row["source"] == "subject.key"}
    now = {row["mart"] for row in answer["marts"] if row["valid_to"] is None}
    assert set(keys) == {key for key in now if not load_company_register()[key].aggregate}
    for key, name in keys.items():
        assert name == compute_digest(mart_key(audited.lake.path, key).encode(), customer_id)


def test_derived_values_are_told_with_how_and_what_for(audited):
    """Of somebody in the mart of profiling: each measure that is there, and none that is not derived."""
    purpose = load_company_register()["profiling"]
    rows = audited.lake.read(build_mart_table(purpose))
    mine = rows.drop_nulls("orders").filter(pl.col("orders") != "0").row(0, named=True)
    customer_id = find_by_mart_key(audited.lake, purpose, mine["subject_key"])
    answer = read_answer("audit", "customer", customer_id, "--lake", audited.lake.path)
    derived = {row["column"]: row["value"] for row in answer["derived_values"] if row["purpose"] == "profiling"}
    names = {each.name for each in load_company_register()["profiling"].columns if each.source.startswith("measure.")}
    assert {*derived} == {name for name in names if mine[name] is not None}
    assert derived["orders"] == mine["orders"]
    assert all("within P24M" in row["method"] for row in answer["derived_values"] if row["purpose"] == "profiling")


def test_a_refused_record_that_names_them_is_theirs_and_no_other(audited, member, tmp_path):
    shutil.copytree(audited.lake.path, tmp_path / "lake")
    lake, (customer_id, email) = Lake(tmp_path / "lake"), member
    table = load_all_contracts()["crm_west"].quarantine
    ids = lake.read(CLUSTER).filter(customer_id=customer_id, channel="crm_west")["source_record_id"]
    mine = [
        ("x1", f"1,ANN,{email.upper()},x"),
        ("x2", f"2,Bob,x{email}"),
        ("x3", "3,Eve"),
        *((id_, "4") for id_ in ids[:1]),
    ]
    lake.append(
        table,
        table.conform(
            pl.LazyFrame(mine, schema=["source_record_id", "record"], orient="row").with_columns(
                *(pl.lit(None).alias(name) for name in table.schema if name not in {"source_record_id", "record"})
            )
        ).collect(),
    )
    answer = read_answer("audit", "customer", customer_id, "--lake", lake.path)
    assert {row["record"] for row in answer["refused_records"]} - {mine[0][1], "4"} == set()
    assert mine[0][1] in {row["record"] for row in answer["refused_records"]}


def test_the_benchmark_lake_is_sorted_and_answers_like_any_lake(tmp_path):
    lake, people = Lake(tmp_path), benchmark_customers.BenchmarkCustomers(60)
    written = {}
    for tables in (
        benchmark_lake.build_record_tables(people, load_all_contracts()),
        benchmark_lake.build_customer_tables(
            people, load_company_register(), dict.fromkeys(load_company_register(), "07" * 32)
        ),
    ):
        for table, rows in tables:
            assert rows.equals(rows.sort(table.order, maintain_order=True)), table.name
            written.setdefault(table, []).append(rows)
    for table, parts in written.items():
        assert pl.concat(parts).select(table.key).is_unique().all(), table.name
    bench_audit.build_lake(lake, 60)
    someone = people.ids(people.numbers(0))[13]
    answer = build_access_report(lake, someone).facts()
    assert {row["purpose"] for row in answer["purposes"]} == set(load_company_register())
    assert sum(row["record_count"] for row in answer["channels"]) == len(benchmark_customers.RECORDS)
    assert len(answer["consent_events"]) == len(benchmark_customers.CONSENT_EVENTS)
    assert len(answer["joined_records"]) == len(benchmark_customers.LINKS)
    assert all(len(answer[f"copy_{row['channel']}"]) == row["record_count"] for row in answer["channels"])
