"""`cdp audit`: what is held and why, in or out on a day, sealed; asked as a user asks."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer.testing import CliRunner

from assets.cli import app, dossier
from assets.cli.document import Document, Section, as_html
from assets.lake import end_of
from assets.marts import published
from assets.policies import register
from cdp_pipelines.tables import CLUSTER, DECISION, LEDGER, MEMBERSHIP, PARTY, RUN
from warehouse import verify_ledger
from warehouse.drops import drop_dates
from warehouse.lake import Lake


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
    assert {row["purpose"] for row in told["Purposes"]} == set(register())
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
    assert verify_ledger.check(sample.lake.path, None, None, event_id, proof, None) == 0
    assert verify_ledger.check(sample.lake.path, None, None, None, None, proof) == 0
    assert verify_ledger.check(sample.lake.path, None, None, None, None, None) == 0


def test_an_answer_that_cannot_be_noted_is_not_given(sample, member, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "answers")

    monkeypatch.setattr(dossier, "note", full)
    done = ask("customer", member[0], "--lake", sample.lake.path)
    assert done.exit_code != 0
    assert "No space left on device" in (done.output + str(done.exception))


def test_in_or_out_on_a_day_with_the_evidence(sample, member):
    last = drop_dates(sample.drops)[-1]
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


def test_a_row_of_a_mart_leads_back_to_its_decision_and_in_another_mart_to_nobody(sample, member):
    last = drop_dates(sample.drops)[-1]
    row = published(sample.lake, register()["email_marketing"]).filter(customer_id=member[0]).row(0, named=True)
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
    page = as_html(Document("<b>", "a & b", [Section("S", [{"x": "<script>"}]), Section("E", [], empty="nothing")]))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "nothing" in page
    assert "http" not in page


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
    wills = {row["event_id"]: row for row in told["Wills that reach the customer"]}
    assert verdict
    assert {wills[row["evidence"]]["heard"] for row in verdict} == {"counts"}
    assert {row["holder"] for row in told["Identity"]} >= {member[0]}


def test_why_before_the_grant_was_recorded_says_no_consent(sample, member):
    words = (member[0], "email_marketing", "--lake", sample.lake.path, "--format", "json", "--known-at", "2001-01-01")
    told = json.loads(asked_why(*words).output)
    denied = {row["check"] for row in told["Checks, in order"] if row["outcome"] == "denied"}
    assert denied <= {"no_consent", "no_contact_point"}
    assert denied
    heard = {row["heard"] for row in told["Wills that reach the customer"]}
    assert heard <= {"was recorded later than what was known", "is about another contact point alone"}


@pytest.mark.parametrize("format_", ["text", "html"])
def test_why_for_people(sample, member, format_):
    done = asked_why(member[0], "email_marketing", "--lake", sample.lake.path, "--format", format_)
    assert done.exit_code == 0
    assert "allowed" in done.output
    assert "Wills that reach the customer" in done.output
