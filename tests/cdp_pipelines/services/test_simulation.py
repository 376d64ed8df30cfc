"""`cdp funnel` and `cdp simulate`, as a user calls them; nothing in the lake changes."""

import json
from itertools import pairwise

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from cdp_pipelines.cli import app
from cdp_pipelines.schema import DECISION, MEMBERSHIP, RUN
from cdp_pipelines.schema.interval import current, valid_at
from cdp_pipelines.services.declarations import COMPANY, load_company_register
from cdp_pipelines.services.marts import find_people

MAIL = COMPANY / "purposes" / "email_marketing" / "defs.yaml"


def ask(lake, *words):
    before = lake.tables()
    done = CliRunner().invoke(app, [*map(str, words), "--lake", str(lake.path)])
    assert lake.tables() == before
    return done


def allowed(lake):
    decisions = current(lake.scan(DECISION)).filter(pl.col("purpose") == "email_marketing", "is_allowed").collect()
    return decisions["customer_id"].n_unique()


def read_funnel(lake, *words) -> dict[str, int]:
    """Customers left by step."""
    steps = json.loads(ask(lake, "funnel", *words, "--format", "json").output)["steps"]
    assert all(before["customer_count"] - row["dropped_count"] == row["customer_count"]
               for before, row in pairwise(steps))  # fmt: skip
    return {row["step"]: row["customer_count"] for row in steps}


def test_the_funnel_of_every_purpose_ends_with_the_rows_of_its_mart(sample):
    compared_count = 0
    for key, purpose in load_company_register().items():
        steps = read_funnel(sample.lake, key)
        if purpose.columns:
            people = find_people(sample.lake, purpose).height
            assert steps["in the mart"] == people, key
            compared_count += people
        else:
            assert list(steps)[-1] == "required purposes allowed"
    assert compared_count > 1000
    steps = read_funnel(sample.lake, "email_marketing")
    assert steps["required purposes allowed"] == allowed(sample.lake)
    assert "█" in ask(sample.lake, "funnel", "email_marketing").output


def test_the_funnel_of_an_earlier_night_ends_with_its_mart(sample):
    first = min(sample.lake.read(RUN)["as_of"])
    steps = read_funnel(sample.lake, "email_marketing", "--as-of", f"{first:%Y-%m-%d}")
    members = valid_at(sample.lake.scan(MEMBERSHIP).filter(purpose="email_marketing"), first).collect()
    assert steps["in the mart"] == members.height


def test_the_funnel_of_the_future_leaves_out_what_expires_until_then(sample):
    now, then = (read_funnel(sample.lake, "email_marketing", *words) for words in ((), ("--as-of", "2064-07-01")))
    assert "in the mart" not in then
    assert then["not expired"] < now["not expired"] or then["basis holds"] < now["basis holds"]
    assert list(then.values())[-1] < list(now.values())[-1]


def test_a_newer_notice_drops_those_who_saw_the_older_one(sample, tmp_path):
    ids = tmp_path / "ids.csv"
    words = ("simulate", "notice", "email_marketing", "2011-06", "--format", "json", "--ids", ids)
    answer = json.loads(ask(sample.lake, *words).output)
    (row,) = answer["changes"]
    assert (row["effect"], row["reason_after"]) == ("drops out", "notice_outdated")
    listed = pl.read_csv(ids)
    assert listed["customer_id"].n_unique() == row["customer_count"]
    assert 0 < row["customer_count"] < allowed(sample.lake)


def test_the_register_as_it_is_changes_nothing(sample, tmp_path):
    file = tmp_path / "email_marketing.yaml"
    file.write_text(MAIL.read_text())
    assert "no decision would change" in ask(sample.lake, "simulate", "purpose", file).output


def test_another_basis_lets_others_in(sample, tmp_path):
    declared = yaml.safe_load(MAIL.read_text())
    declared["attributes"] |= {
        "lawful_basis": "legitimate_interests",
        "assessment": "LIA",
        "interest": {"contacts": ["record"]},
    }
    del declared["attributes"]["jurisdictions"]
    file = tmp_path / "email_marketing.yaml"
    file.write_text(yaml.safe_dump(declared))
    answer = json.loads(ask(sample.lake, "simulate", "purpose", file, "--format", "json").output)
    assert {row["reason_before"] for row in answer["changes"] if row["effect"] == "comes in"} >= {"no_consent"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["funnel", "nothing"], "there is no purpose 'nothing'", id="funnel"),
        pytest.param(
            ["funnel", "payment", "--as-of", "1999-01-01"], "there are no decisions as of 1999-01-01", id="early"
        ),
        pytest.param(["simulate", "notice", "payment", "2011-06"], "no purpose with a notice 'payment'", id="basis"),
        pytest.param(
            ["simulate", "notice", "email_marketing", "2011-07"],
            "no version of the notice of email_marketing '2011-07'. Did you mean '2011-06'",
            id="undeclared_version",
        ),
        pytest.param(["simulate", "purpose", "/nowhere/x.yaml"], "there is no file", id="file"),
    ],
)
def test_what_cannot_be_asked_says_why(sample, words, message):
    done = ask(sample.lake, *words)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)
