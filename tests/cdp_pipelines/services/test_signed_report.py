"""What all answers have in common: the seal, the receipt in the ledger, and the refusals."""

import json
from hashlib import sha256

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cdp_pipelines.schema import CLUSTER, DECISION, LEDGER, PARTY
from cdp_pipelines.services import signed_report
from tests.commands import read_answer, run_command
from warehouse.verify import ledger as verify_ledger


def test_an_answer_is_signed(audited, member):
    answer = read_answer("audit", "customer", member[0], "--lake", audited.lake.path)
    seal = answer.pop("seal")
    canonical = json.dumps(answer, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = sha256(canonical)
    assert seal["sha256"] == digest.hexdigest()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["public_key"]))
    public.verify(bytes.fromhex(seal["ed25519_signature"]), digest.digest())


@pytest.mark.long
def test_the_next_night_adds_the_digest_of_an_answer_to_the_ledger(audited, member, run, tmp_path, capsys):
    """Only the digest, once for equal answers, sealed like every consent event, and without effect on any decision."""
    first = read_answer("audit", "customer", member[0], "--lake", audited.lake.path)["seal"]
    again = read_answer("audit", "customer", member[0], "--lake", audited.lake.path)["seal"]
    purpose = read_answer("audit", "purpose", "payment", "--lake", audited.lake.path)["seal"]
    assert again == first
    before = audited.lake.read(DECISION)
    ledger_before = audited.lake.read(LEDGER)
    for _ in range(2):
        assert run(audited.drops, audited.lake.path) == 0
    new = audited.lake.read(LEDGER).join(ledger_before, on="event_id", how="anti")
    assert set(new["status"]) == {"answered"}
    methods = {row["subject_value"]: row["method"] for row in new.iter_rows(named=True)}
    assert (methods[first["sha256"]], methods[purpose["sha256"]]) == ("customer", "purpose")
    # Answers of this module alone: each digest is one event.
    assert new["subject_value"].is_unique().all()
    assert audited.lake.read(DECISION).drop("ledger_position").equals(before.drop("ledger_position"))
    proof = tmp_path / "proof.json"
    event_id = first["ledger_event_id"]
    assert verify_ledger.run_check(audited.lake.path, None, None, event_id, proof, None) == 0
    assert verify_ledger.run_check(audited.lake.path, None, None, None, None, proof) == 0
    assert verify_ledger.run_check(audited.lake.path, None, None, None, None, None) == 0


def test_an_answer_without_a_receipt_is_not_printed(audited, member, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "answers")

    monkeypatch.setattr(signed_report, "store_receipt", full)
    done = run_command("audit", "customer", member[0], "--lake", audited.lake.path)
    assert done.exit_code == 2
    assert "No space left on device" in done.stderr
    assert done.stdout == ""


def test_several_customers_of_one_identifier_are_named(audited):
    shared = (
        audited.lake.read(PARTY)
        .drop_nulls("phone")
        .join(audited.lake.read(CLUSTER), on=["channel", "source_record_id"])
        .group_by("phone")
        .agg(pl.col("customer_id").unique().sort())
        .filter(pl.col("customer_id").list.len() > 1)
        .sort("phone")
    )
    phone, ids = shared.row(0)
    done = run_command("audit", "customer", phone, "--lake", audited.lake.path)
    assert done.exit_code == 2
    assert all(id_ in done.stderr for id_ in ids)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["customer", "nobody@nowhere.example"], "a phone is +12065550100", id="nobody"),
        pytest.param(["customer", "c_0000000000000000"], "no customer has this id", id="no_such_id"),
        pytest.param(["purpose", "world_domination"], "there is no purpose 'world_domination'", id="purpose"),
        pytest.param(["purpose", "paiment"], "Did you mean 'payment'?", id="mistyped_purpose"),
        pytest.param(
            ["mart", "consent_evidence", "--on", "2024-06-30", "--customer", "{id}"],
            "there is no mart 'consent_evidence'",
            id="mart",
        ),
        pytest.param(["mart", "payment", "--on", "1999-01-01", "--customer", "{id}"], "knows no night", id="too_early"),
    ],
)
def test_a_refusal_is_one_line_and_names_the_reason(audited, member, words, message):
    done = run_command("audit", *(word.replace("{id}", member[0]) for word in words), "--lake", audited.lake.path)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_not_a_lake_is_refused(tmp_path):
    done = run_command("audit", "purpose", "payment", "--lake", tmp_path)
    assert done.exit_code == 2
    assert "holds no decisions" in done.stderr
