"""`cdp audit`: what is held and why, in or out on a day, sealed; asked as a user asks."""

import json
import shutil
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from assets.runtime.lake import end_of
from cdp_pipelines.benchmarks import audit as bench_audit
from cdp_pipelines.cli import app
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.sample import benchmark_lake as census
from cdp_pipelines.schema import CLUSTER, DECISION, LEDGER, MEMBERSHIP, PARTY, RUN, VERSION
from cdp_pipelines.schema.duration import end_of_retention
from cdp_pipelines.services import signed_report as dossier
from cdp_pipelines.services.access_report import build_access_report
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.document import MANY, Document, Section, render_html
from cdp_pipelines.services.marts import find_by_mart_key, find_people, read_published
from warehouse.code_version import code_version
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.verify import ledger as verify_ledger
from warehouse.verify.protection import compute_digest


def ask(*words):
    return CliRunner().invoke(app, ["audit", *map(str, words)])


@pytest.fixture(scope="module")
def sample(sample, tmp_path_factory):
    """The company with a lake of its own: every answer is noted in it."""
    path = tmp_path_factory.mktemp("audited") / "lake"
    shutil.copytree(sample.lake.path, path)
    return replace(sample, lake=Lake(path))


@pytest.fixture(scope="module")
def member(sample):
    """Somebody who is in the newsletter's mart, and the e-mail by which they are found."""
    records = sample.lake.read(CLUSTER).join(sample.lake.read(PARTY), on=["channel", "source_record_id"])
    alone = records.drop_nulls("email").group_by("email").agg(pl.col("customer_id").n_unique().alias("n"))
    ids = sample.lake.read(MEMBERSHIP).filter(purpose="email_marketing")["customer_id"]
    mine = records.join(alone.filter(n=1), on="email", how="semi").filter(pl.col("customer_id").is_in(ids.implode()))
    return mine.sort("customer_id").select("customer_id", "email").row(0)


def test_a_customer_by_id_and_by_email_is_one_answer(sample, member):
    customer_id, email = member
    by_id, by_email = (ask("customer", who, "--lake", sample.lake.path, "--format", "json") for who in member)
    assert by_id.exit_code == 0, by_id.output
    assert by_email.output == by_id.output
    told = json.loads(by_id.output)
    records = sample.lake.read(CLUSTER).filter(customer_id=customer_id)
    assert sum(row["records"] for row in told["Held, by channel"]) == records.height
    assert email in {row["value"] for row in told["Identifiers"]}
    assert {row["purpose"] for row in told["Purposes"]} == set(load_company_register())
    assert "email_marketing" in {row["mart"] for row in told["Marts and recipients"]}
    granted = [row for row in told["Wills"] if row["status"] == "granted" and row["purpose"] == "email_marketing"]
    let_in = next(row["let in by"] for row in told["Marts and recipients"] if row["mart"] == "email_marketing")
    assert set(let_in) <= {row["event_id"] for row in granted}


def test_the_answer_is_sealed(sample, member):
    told = json.loads(ask("customer", member[0], "--lake", sample.lake.path, "--format", "json").output)
    seal = told.pop("seal")
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = sha256(canonical)
    assert seal["sha256"] == digest.hexdigest()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["public key"]))
    public.verify(bytes.fromhex(seal["ed25519 signature of the digest"]), digest.digest())


@pytest.mark.long
def test_the_ledger_takes_in_what_was_answered(sample, member, run, tmp_path, capsys):
    """The digest alone, once however often it is asked, sealed like every will, and without effect on any decision."""
    first = json.loads(ask("customer", member[0], "--lake", sample.lake.path, "--format", "json").output)["seal"]
    again = json.loads(ask("customer", member[0], "--lake", sample.lake.path, "--format", "json").output)["seal"]
    purpose = json.loads(ask("purpose", "payment", "--lake", sample.lake.path, "--format", "json").output)["seal"]
    assert again == first
    before = sample.lake.read(DECISION)
    noted_before = sample.lake.read(LEDGER)
    for _ in range(2):
        assert run(sample.drops, sample.lake.path) == 0
    new = sample.lake.read(LEDGER).join(noted_before, on="event_id", how="anti")
    assert set(new["status"]) == {"answered"}
    told = {row["subject_value"]: row["method"] for row in new.iter_rows(named=True)}
    assert (told[first["sha256"]], told[purpose["sha256"]]) == ("customer", "purpose")
    # Answers of this module alone: each digest is one event.
    assert new["subject_value"].is_unique().all()
    assert sample.lake.read(DECISION).drop("ledger_position").equals(before.drop("ledger_position"))
    proof = tmp_path / "proof.json"
    event_id = first["in the ledger as"].split(",")[0]
    assert verify_ledger.run_check(sample.lake.path, None, None, event_id, proof, None) == 0
    assert verify_ledger.run_check(sample.lake.path, None, None, None, None, proof) == 0
    assert verify_ledger.run_check(sample.lake.path, None, None, None, None, None) == 0


def test_an_answer_that_cannot_be_noted_is_not_given(sample, member, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "answers")

    monkeypatch.setattr(dossier, "store_receipt", full)
    done = ask("customer", member[0], "--lake", sample.lake.path)
    assert done.exit_code != 0
    assert "No space left on device" in (done.output + str(done.exception))


def test_in_or_out_on_a_day_with_the_evidence(sample, member):
    last = list_drop_dates(sample.drops)[-1]
    done = ask(
        "mart", "email_marketing", "--on", last, "--customer", member[0], "--lake", sample.lake.path, "--format", "json"
    )
    told = json.loads(done.output)
    assert told["answer"].startswith(f"In, as of the night of {last}")
    assert {row["status"] for row in told["Wills that decided"]} == {"granted"}
    assert told["Run"][0]["as_of"] == end_of(last).strftime("%Y-%m-%dT%H:%M:%SZ")
    out = ask("mart", "life_threatening_alert", "--on", last, "--customer", member[0], "--lake", sample.lake.path)
    assert "Out, as of the night of" in out.output
    assert "no_case" in out.output


def test_the_answer_has_all_that_art_15_asks_for(sample, member):
    """Statement 8 of the auditors, part by part, each beside the tables that it must agree with."""
    customer_id, _ = member
    told = json.loads(ask("customer", customer_id, "--lake", sample.lake.path, "--format", "json").output)
    records = sample.lake.read(CLUSTER).filter(customer_id=customer_id)
    # (a) purposes, (c) recipients, (d) retention with its end, Art. 6 bases.
    allowed = {row["purpose"]: row for row in told["Purposes"] if row["allowed"] == "yes"}
    for key, row in allowed.items():
        assert row["basis"] == load_company_register()[key].lawful_basis
        assert row["recipients"] == list(load_company_register()[key].recipients)
        assert row["at the latest until"] > row["since"]
    # (b) categories, (g) sources, (d) retention of each channel.
    for row in told["Held, by channel"]:
        contract = load_all_contracts()[row["channel"]]
        assert set(row["categories"]) == {each.category for each in contract.fields.values()}
        assert (
            row["last kept until"]
            == f"{end_of_retention(contract.retention, datetime.fromisoformat(row['last'])):%Y-%m-%dT%H:%M:%SZ}"
        )
        assert row["owner"] == contract.owner
    # (e), (f) rights and whom to turn to; (h) how the profile came about.
    assert {"erasure", "complaint"} <= {row["right"] for row in told["Rights"]}
    assert {row["rule"] for row in told["How the records were joined"]}
    # (3) a copy: each raw row of the records, verbatim, and no other.
    for (channel,), mine in records.group_by("channel"):
        raw = sample.lake.read(load_all_contracts()[channel].raw).join(mine, on="source_record_id", how="semi")
        copy = told[f"Copy of {channel}"]
        assert sorted(row["verbatim"] for row in copy) == raw["record"].sort().to_list()
        fields = {field: row[field] for row in copy for field in load_all_contracts()[channel].fields if row.get(field)}
        assert set(fields.values()) <= set(
            raw.select(pl.exclude(pl.Date, pl.Datetime)).cast(pl.String).unpivot()["value"]
        )
    # What each mart holds of them, derived scores included.
    keys = {row["purpose"]: row["value"] for row in told["In the marts now"] if row["from"] == "subject.key"}
    now = {row["mart"] for row in told["Marts and recipients"] if row["to"] is None}
    assert set(keys) == {key for key in now if not load_company_register()[key].aggregate}
    for key, name in keys.items():
        assert name == compute_digest(mart_key(sample.lake.path, key).encode(), customer_id)


def test_derived_values_are_told_with_how_and_what_for(sample):
    """Of somebody in the mart of profiling: each measure that is there, and none that is not derived."""
    purpose = load_company_register()["profiling"]
    rows = sample.lake.read(build_mart_table(purpose))
    mine = rows.drop_nulls("orders").filter(pl.col("orders") != "0").row(0, named=True)
    customer_id = find_by_mart_key(sample.lake, purpose, mine["subject_key"])
    told = json.loads(ask("customer", customer_id, "--lake", sample.lake.path, "--format", "json").output)
    derived = {row["value"] for row in told["Derived values"] if row["purpose"] == "profiling"}
    names = {each.name for each in load_company_register()["profiling"].columns if each.source.startswith("measure.")}
    assert {value.partition(" = ")[0] for value in derived} == {name for name in names if mine[name] is not None}
    assert f"orders = {mine['orders']}" in derived
    assert all("within P24M" in row["how"] for row in told["Derived values"] if row["purpose"] == "profiling")


def test_a_refused_record_that_names_them_is_theirs_and_no_other(sample, member, tmp_path):
    shutil.copytree(sample.lake.path, tmp_path / "lake")
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
    told = json.loads(ask("customer", customer_id, "--lake", lake.path, "--format", "json").output)
    assert {row["record"] for row in told["Refused records"]} - {mine[0][1], "4"} == set()
    assert mine[0][1] in {row["record"] for row in told["Refused records"]}


def test_rows_of_a_night_are_those_of_the_marts_own_version(sample, member, tmp_path):
    last, path = list_drop_dates(sample.drops)[-1], tmp_path / "ids.csv"
    words = ("rows", "email_marketing", "--on", last, "--lake", sample.lake.path, "--format", "json")
    told = json.loads(ask(*words, "--ids", path).output)
    purpose = load_company_register()["email_marketing"]
    held = find_people(sample.lake, purpose)["customer_id"].sort()
    assert "holds the same customers" in told["answer"]
    assert pl.read_csv(path)["customer_id"].to_list() == held.to_list()
    assert told["Customers"] == [
        {"file": "ids.csv", "customers": held.len(), "sha256": sha256(path.read_bytes()).hexdigest()}
    ]
    assert told["Night"][0]["code that wrote it"] == code_version()
    row = json.loads(ask(*words, "--customer", member[0]).output)
    assert {each["column"]: each["value"] for each in row["Row"]}["email"] == member[1]
    keys = {each["column"]: each["value"] for each in row["Row"]}
    assert ask(*words, "--customer", keys["subject_key"]).output == ask(*words, "--customer", member[0]).output
    out = json.loads(ask(*words[:1], "profiling", *words[2:], "--customer", held[0]).output)
    assert out["answer"].split(",")[0] in {"In", "Out"}


def test_rows_that_are_not_what_was_told_are_seen(sample, tmp_path):
    """A row that somebody put into the mart behind the history's back, and a version whose files are gone."""
    last, table = list_drop_dates(sample.drops)[-1], build_mart_table(load_company_register()["payment"])
    shutil.copytree(sample.lake.path, tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    words = ("rows", "payment", "--on", last, "--lake", lake.path)
    noted = lake.read(VERSION)
    planted = lake.read(table).head(1).with_columns(subject_key=pl.lit("0" * 64))
    lake.append(table, planted)
    moved = pl.when(pl.col("table_name") == table.name).then(pl.col("delta_version") + 1).otherwise("delta_version")
    lake.replace(VERSION, noted.with_columns(moved.alias("delta_version")))
    assert "holds others" in ask(*words).output.replace("\n", " ")
    for path in lake.location(table.name).glob("*.parquet"):
        path.unlink()
    assert "is not kept any more" in ask(*words).output.replace("\n", " ")


def test_a_night_notes_what_it_left_and_which_code_did(sample):
    told = sample.lake.read(VERSION)
    tables = {name: version for name, version in sample.lake.tables().items() if name != VERSION.name}
    assert dict(told.select("table_name", "delta_version").iter_rows()) == tables
    assert set(told["code_version"]) == {code_version()}
    for name, row_count in told.select("table_name", "row_count").iter_rows():
        assert pl.read_delta(str(sample.lake.location(name))).height == row_count, name


def test_a_census_is_laid_as_a_night_lays_it_and_asked_as_any_lake(tmp_path):
    lake, people = Lake(tmp_path), census.Census(60)
    written = {}
    for tables in (
        census.by_record(people, load_all_contracts()),
        census.by_customer(people, load_company_register(), dict.fromkeys(load_company_register(), "07" * 32)),
    ):
        for table, rows in tables:
            assert rows.equals(rows.sort(table.order, maintain_order=True)), table.name
            written.setdefault(table, []).append(rows)
    for table, parts in written.items():
        assert pl.concat(parts).select(table.key).is_unique().all(), table.name
    bench_audit.make(lake, 60)
    someone = people.ids(people.numbers(0))[13]
    told = build_access_report(lake, someone).facts()
    assert {row["purpose"] for row in told["Purposes"]} == set(load_company_register())
    assert sum(row["records"] for row in told["Held, by channel"]) == len(census.RECORDS)
    assert len(told["Wills"]) == len(census.WILLS)
    assert len(told["How the records were joined"]) == len(census.LINKS)
    assert all(len(told[f"Copy of {row['channel']}"]) == row["records"] for row in told["Held, by channel"])


def test_a_row_of_a_mart_leads_back_to_its_decision_and_in_another_mart_to_nobody(sample, member):
    last = list_drop_dates(sample.drops)[-1]
    row = (
        read_published(sample.lake, load_company_register()["email_marketing"])
        .filter(customer_id=member[0])
        .row(0, named=True)
    )
    names = (member[0], row["subject_key"], row["evidence_reference"])

    def asked(mart, who):
        return ask("mart", mart, "--on", last, "--customer", who, "--lake", sample.lake.path, "--format", "json")

    by_id, by_key, by_reference = (asked("email_marketing", name) for name in names)
    assert by_id.exit_code == 0, by_id.output
    assert by_key.output == by_reference.output == by_id.output
    assert json.loads(by_id.output)["Decision"][0]["reason"] == "allowed"
    elsewhere = asked("payment", row["subject_key"])
    assert "no customer has this id" in elsewhere.output + str(elsewhere.exception)


def test_a_purpose_tells_whom_it_may_process_and_why_not(sample):
    told = json.loads(ask("purpose", "email_marketing", "--lake", sample.lake.path, "--format", "json").output)
    assert told["Versions"][0]["lawful basis"] == "consent"
    assert {row["reason"] for row in told["Decisions that stand"]} > {"allowed", "no_consent", "withdrawn"}
    assert told["Night by night"][-1]["night"] == str(sample.lake.read(RUN)["night"].max())
    assert told["Night by night"][-1]["allowed"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["customer", "nobody@nowhere.example"], "no customer has this id", id="nobody"),
        pytest.param(["customer", "c_0000000000000000"], "no customer has this id", id="no_such_id"),
        pytest.param(["purpose", "world_domination"], "there is no purpose 'world_domination'", id="purpose"),
        pytest.param(
            ["mart", "consent_evidence", "--on", "2024-06-30", "--customer", "{id}"], "there is no mart", id="mart"
        ),
        pytest.param(["mart", "payment", "--on", "1999-01-01", "--customer", "{id}"], "knows no night", id="too_early"),
    ],
)
def test_what_cannot_be_answered_says_why(sample, member, words, told):
    done = ask(*(word.replace("{id}", member[0]) for word in words), "--lake", sample.lake.path)
    assert done.exit_code != 0
    assert told in (done.output + str(done.exception))


def test_a_lake_that_is_none(tmp_path):
    done = ask("purpose", "payment", "--lake", tmp_path)
    assert "holds no decisions" in (done.output + str(done.exception))


def test_a_page_holds_everything_and_escapes_it():
    page = render_html(Document("<b>", "a & b", [Section("S", [{"x": "<script>"}]), Section("E", [], empty="nothing")]))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "nothing" in page
    assert "http" not in page


def test_a_row_of_many_columns_is_a_card_that_no_paper_cuts_off():
    row = {f"column {n}": f"<{n}>" for n in range(MANY + 1)} | {"silent": None}
    page = render_html(Document("t", "a", [Section("S", [row])]))
    assert "<table" not in page
    assert all(f"<dt>{name}</dt><dd>&lt;" in page for name, value in row.items() if value)
    assert "silent" not in page


def test_several_customers_of_one_identifier_are_named(sample):
    shared = (
        sample.lake.read(PARTY)
        .drop_nulls("phone")
        .join(sample.lake.read(CLUSTER), on=["channel", "source_record_id"])
        .group_by("phone")
        .agg(pl.col("customer_id").unique().sort())
        .filter(pl.col("customer_id").list.len() > 1)
        .sort("phone")
    )
    phone, ids = shared.row(0)
    done = ask("customer", phone, "--lake", sample.lake.path)
    assert done.exit_code != 0
    assert all(id_ in done.output + str(done.exception) for id_ in ids)


def asked_why(*words):
    return CliRunner().invoke(app, ["why", *map(str, words)])


def test_why_says_what_was_decided_and_shows_the_will_that_decided(sample, member):
    done = asked_why(*member[1:], "email_marketing", "--lake", sample.lake.path, "--format", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    verdict = [row for row in told["Checks, in order"] if row["check"] == "allowed"]
    wills = {row["event_id"]: row for row in told["Consent events that reach the customer"]}
    assert verdict
    assert {wills[row["evidence"]]["effect"] for row in verdict} == {"counts"}
    assert {row["holder"] for row in told["Identity"]} >= {member[0]}


def test_why_before_the_grant_was_recorded_says_no_consent(sample, member):
    words = (member[0], "email_marketing", "--lake", sample.lake.path, "--format", "json", "--known-at", "2001-01-01")
    told = json.loads(asked_why(*words).output)
    denied = {row["check"] for row in told["Checks, in order"] if row["outcome"] == "denied"}
    assert denied <= {"no_consent", "no_contact_point"}
    assert denied
    heard = {row["effect"] for row in told["Consent events that reach the customer"]}
    assert heard <= {"was recorded later than known_at", "is about another contact point"}


@pytest.mark.parametrize("format_", ["text", "html"])
def test_why_for_people(sample, member, format_):
    done = asked_why(member[0], "email_marketing", "--lake", sample.lake.path, "--format", format_)
    assert done.exit_code == 0
    assert "allowed" in done.output
    assert "Consent events that reach the customer" in done.output
