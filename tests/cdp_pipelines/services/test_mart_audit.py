"""Who was in a mart on a day: in or out, the rows of a night, and the way back from a row."""

import json
import shutil
from datetime import timedelta
from hashlib import sha256

import polars as pl

from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.schema import DECISION, MEMBERSHIP, VERSION
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import find_people, read_published
from tests.commands import in_one_line, read_answer, run_command
from warehouse.code_version import code_version
from warehouse.delta.lake import Lake
from warehouse.sources.drop_folder import list_drop_dates


def test_in_or_out_on_a_day_with_the_evidence(audited, member):
    last = list_drop_dates(audited.drops)[-1]
    where = ("--on", last, "--customer", member[0], "--lake", audited.lake.path)
    answer = read_answer("audit", "mart", "email_marketing", *where)
    assert answer["answer"].startswith(f"In, as of the night of {last}")
    assert {row["status"] for row in answer["consent_events"]} == {"granted"}
    assert answer["run"][0]["as_of"] == end_of_night(last).strftime("%Y-%m-%dT%H:%M:%SZ")
    out = run_command("audit", "mart", "life_threatening_alert", *where)
    assert "Out, as of the night of" in out.output
    assert "no_case" in out.output


def test_somebody_who_is_allowed_and_out_has_no_usable_value(audited):
    last = list_drop_dates(audited.drops)[-1]
    allowed = current(audited.lake.scan(DECISION)).filter("is_allowed").select("customer_id", "purpose")
    members = current(audited.lake.scan(MEMBERSHIP)).select("customer_id", "purpose")
    with_mart = [key for key, purpose in load_company_register().items() if purpose.columns]
    out = allowed.filter(pl.col("purpose").is_in(with_mart)).join(members, on=["customer_id", "purpose"], how="anti")
    customer, mart = out.sort(pl.all()).first().collect().row(0)
    where = ("--on", last, "--customer", customer, "--lake", audited.lake.path)
    assert f"Out, as of the night of {last}: no_usable_value." in in_one_line(
        run_command("audit", "mart", mart, *where)
    )


def test_a_day_after_the_last_night_is_refused(audited, member):
    last = list_drop_dates(audited.drops)[-1]
    where = ("--on", last + timedelta(days=1), "--customer", member[0], "--lake", audited.lake.path)
    answer = run_command("audit", "mart", "email_marketing", *where)
    assert answer.exit_code != 0
    assert f"its last night is {last}" in in_one_line(answer) + str(answer.exception)


def test_rows_of_a_night_are_those_of_the_marts_own_version(audited, member, tmp_path):
    last, path = list_drop_dates(audited.drops)[-1], tmp_path / "ids.csv"
    where = ("--on", last, "--lake", audited.lake.path)
    answer = read_answer("audit", "rows", "email_marketing", *where, "--ids", path)
    purpose = load_company_register()["email_marketing"]
    members = find_people(audited.lake, purpose)["customer_id"].sort()
    assert "has the same customers" in answer["answer"]
    assert pl.read_csv(path)["customer_id"].to_list() == members.to_list()
    assert answer["customers"] == [
        {"file": "ids.csv", "customer_count": members.len(), "sha256": sha256(path.read_bytes()).hexdigest()}
    ]
    assert answer["night"][0]["code_version"] == code_version()
    by_email = read_answer("audit", "rows", "email_marketing", *where, "--customer", member[0])
    values = {each["column"]: each["value"] for each in by_email["row"]}
    assert values["email"] == member[1]
    by_key = read_answer("audit", "rows", "email_marketing", *where, "--customer", values["subject_key"])
    assert by_key == by_email
    out = read_answer("audit", "rows", "profiling", *where, "--customer", members[0])
    assert out["answer"].split(",")[0] in {"In", "Out"}


def test_rows_that_differ_from_the_history_are_reported(audited, tmp_path):
    """A row that was planted in the mart, and a version whose files are gone."""
    last, table = list_drop_dates(audited.drops)[-1], build_mart_table(load_company_register()["payment"])
    shutil.copytree(audited.lake.path, tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    words = ("rows", "payment", "--on", last, "--lake", lake.path)
    recorded = lake.read(VERSION)
    planted = lake.read(table).head(1).with_columns(subject_key=pl.lit("0" * 64))
    lake.append(table, planted)
    moved = pl.when(pl.col("table_name") == table.name).then(pl.col("delta_version") + 1).otherwise("delta_version")
    lake.replace(VERSION, recorded.with_columns(moved.alias("delta_version")))
    assert "has other customers" in in_one_line(run_command("audit", *words))
    for path in lake.location(table.name).glob("*.parquet"):
        path.unlink()
    assert "no longer has the mart's own version" in in_one_line(run_command("audit", *words))


def test_a_night_records_its_tables_and_its_code_version(audited):
    recorded = audited.lake.read(VERSION)
    tables = {name: version for name, version in audited.lake.tables().items() if name != VERSION.name}
    assert dict(recorded.select("table_name", "delta_version").iter_rows()) == tables
    assert set(recorded["code_version"]) == {code_version()}
    for name, row_count in recorded.select("table_name", "row_count").iter_rows():
        assert pl.read_delta(str(audited.lake.location(name))).height == row_count, name


def test_a_row_of_a_mart_leads_back_to_its_decision_and_in_another_mart_to_nobody(audited, member):
    last = list_drop_dates(audited.drops)[-1]
    row = (
        read_published(audited.lake, load_company_register()["email_marketing"])
        .filter(customer_id=member[0])
        .row(0, named=True)
    )
    names = (member[0], row["subject_key"], row["evidence_reference"])

    def ask(mart, customer):
        return run_command(
            "audit", "mart", mart, "--on", last, "--customer", customer, "--lake", audited.lake.path, "--format", "json"
        )

    by_id, by_key, by_reference = (ask("email_marketing", name) for name in names)
    assert by_id.exit_code == 0, by_id.output
    assert by_key.output == by_reference.output == by_id.output
    assert json.loads(by_id.output)["decisions"][0]["reason"] == "allowed"
    elsewhere = ask("payment", row["subject_key"])
    assert "no customer has this id" in elsewhere.stderr
