"""`cdp link`: a pair explained, the pairs to review, and a decision that takes effect in the next run."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.identity import ResolutionInput, resolve
from cdp_pipelines.schema import CLUSTER, PARTY, REVIEW
from cdp_pipelines.services.declarations import load_identity_policy
from warehouse.delta.lake import Lake

SEEN = datetime(2024, 1, 1, tzinfo=UTC)
ANN = {"first_name": "Ann", "last_name": "Ervin", "street": "5 oak st", "phone": "+12065550101"}


@pytest.fixture
def lake(tmp_path):
    """A lake of three records: one person twice, and somebody of her household."""
    base = dict.fromkeys(PARTY.schema) | {"channel": "crm", "drop_date": date(2024, 1, 1), "observed_at": SEEN,
                                          "ingested_at": SEEN, "defects": []}  # fmt: skip
    people = [ANN, {**ANN, "first_name": "Anne"}, {**ANN, "first_name": "Bob"}]
    rows = [base | {"source_record_id": f"r{at}"} | each for at, each in enumerate(people)]
    store = Lake(tmp_path / "lake")
    store.replace(PARTY, pl.DataFrame(rows, schema=PARTY.schema))
    store.replace(CLUSTER, resolve(ResolutionInput(store.read(PARTY), load_identity_policy())).cluster)
    return store


def ask(lake, *words):
    return CliRunner().invoke(app, ["link", *words, "--lake", str(lake.path)])


@pytest.mark.parametrize("format_", ["text", "json", "html"])
def test_explain_in_every_form(lake, format_):
    answer = ask(lake, "explain", "crm:r0", "crm:r1", "--format", format_, "--output", "-")
    assert answer.exit_code == 0, answer.output
    assert "first_name" in answer.output
    assert "one customer" in " ".join(answer.output.split())
    assert ("<svg" in answer.output) == (format_ == "html")
    assert "Ervin" not in answer.output


def test_a_decision_is_kept_and_obeyed(lake):
    before = resolve(ResolutionInput(lake.read(PARTY), load_identity_policy(), lake.read(REVIEW))).cluster
    assert before["customer_id"].n_unique() == 2
    assert ask(lake, "review", "crm:r0", "crm:r1", "different", "--by", "clerk").exit_code == 0
    assert ask(lake, "review", "crm:r1", "crm:r2", "same", "--by", "clerk").exit_code == 0
    after = resolve(ResolutionInput(lake.read(PARTY), load_identity_policy(), lake.read(REVIEW))).cluster
    customer = dict(after.select("source_record_id", "customer_id").iter_rows())
    assert customer["r1"] == customer["r2"] != customer["r0"]
    assert ask(lake, "review", "crm:r1", "crm:r0", "same", "--by", "boss").exit_code == 0
    kept = lake.read(REVIEW).sort("left_source_record_id")
    assert kept.select("left_source_record_id", "is_same", "decided_by").rows() == [
        ("r0", True, "boss"), ("r1", True, "clerk"),
    ]  # fmt: skip


def test_review_lists_as_json(lake):
    answer = ask(lake, "review", "--format", "json")
    assert answer.exit_code == 0, answer.output
    assert {row["right_record"] for row in json.loads(answer.output)["pairs"]} <= {"crm:r1", "crm:r2"}


WRONG = [
    pytest.param(["explain", "crm", "crm:r1"], "'crm' is not a record", id="no_record_id"),
    pytest.param(["explain", "crm:r9", "crm:r1"], "no record crm:r9", id="unknown_record"),
    pytest.param(["explain", "crn:r0", "crm:r1"], "Did you mean 'crm'?", id="mistyped_channel"),
    pytest.param(["review", "crm:r0", "crm:r1", "same", "--by", ""], "missing --by NAME", id="nobody"),
    pytest.param(["review", "crm:r0", "crm:r1", "perhaps"], "a decision is", id="neither_same_nor_different"),
    pytest.param(["review", "crm:r0", "crm:r9", "same", "--by", "x"], "no record crm:r9", id="unknown_in_review"),
    pytest.param(["review", "crm:r0", "crm:r0", "same", "--by", "x"], "not compared with itself", id="with_itself"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_a_wrong_question_is_told_what_is_wrong(lake, words, message):
    answer = ask(lake, *words)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_report_is_about_all_records(lake):
    answer = ask(lake, "report", "--format", "json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert {row["max_record_count"]: row["customer_count"] for row in found["cluster_sizes"]} == {1: 1, 2: 1}
    assert {row["rule"]: row["pairs"] for row in found["blocking"]}["phone"] == 3
    assert {row["field"] for row in found["model"]} == {*load_identity_policy().comparisons}
    page = ask(lake, "report", "--format", "html", "--output", "-")
    assert "Ervin" not in page.output
    assert "Match weights" in page.output
