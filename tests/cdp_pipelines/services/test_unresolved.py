"""Opt-outs in odd forms on a whole night: each person leaves the marts, or the record is listed until it is resolved."""

import csv
import json
import shutil

import polars as pl
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.schema import UNRESOLVED
from cdp_pipelines.services.declarations import load_company_register
from tests.conftest import copy_lake

# Forms of an address that are read, and forms of which nobody can be certain.
READABLE = [
    "mailto:{0}", "<{0}>", '"Ann B." <{0}>', "Ann <mailto:{0}>", "\u200b{0}", "{0}\u00a0", "{0}.", "{0};", "{0},",
    "({0})", "[{0}]", "'{0}'", "{0} (home)", "{upper}", "\ufeff{0}", "e-mail: {0}", "{0}?subject=stop", "{local} @ {domain}",
    "{local}\uff20{domain}", "\u201c{0}\u201d", "*{0}*", "{0}\t", "&lt;{0}&gt;", "{local}%40{domain}",
]  # fmt: skip
UNREADABLE = [
    "{local} at {domain}", "{local}(at){domain}", "{local}#{domain}", "{local}@@{domain}", "{local}", "{local}@",
]  # fmt: skip


def ask(lake, *words):
    return CliRunner().invoke(app, ["consent", *words, "--lake", str(lake.path)])


def emails_of(lake):
    return set(
        lake.scan(build_mart_table(load_company_register()["email_marketing"]))
        .select("email")
        .collect()["email"]
        .drop_nulls()
    )


@pytest.fixture(scope="module")
def planted(sample, sample_first_night, run, tmp_path_factory):
    """The first night of the sample, and a night that brings one unsubscription in each form; who wrote each."""
    folder = tmp_path_factory.mktemp("unresolved")
    lake = copy_lake(sample_first_night, folder / "lake")
    drops = folder / "drops"
    first, second = sorted(path.name for path in sample.drops.iterdir() if path.is_dir())[:2]
    shutil.copytree(sample.drops / first, drops / first)
    people = sorted(emails_of(lake))
    forms = (READABLE + UNREADABLE)[: len(people)]
    (drops / second).mkdir()
    texts = {}
    with (drops / second / "unsubscribes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "contact", "list", "reason", "ts"])
        for number, (form, email) in enumerate(zip(forms, people, strict=False)):
            local, domain = email.split("@")
            text = form.format(email, upper=email.upper(), local=local, domain=domain)
            texts[f"odd-{number}"] = (email, form)
            out.writerow([f"odd-{number}", text, "email", "unsubscribe link", f"{second} 08:00:00"])
    assert run(drops, lake.path) == 0
    return lake, drops, texts


def test_every_odd_opt_out_is_obeyed_or_listed(planted):
    lake, _, texts = planted
    left, listed = emails_of(lake), set(lake.read(UNRESOLVED)["source_record_id"])
    assert len(texts) >= 10
    silent = {form for record, (email, form) in texts.items() if email in left and record not in listed}
    assert silent == set()
    readable = {form for record, (_, form) in texts.items() if record in listed and form in READABLE}
    assert readable == set()


def test_a_clerk_lists_and_resolves_a_record(planted, run):
    lake, drops, texts = planted
    answer = ask(lake, "unresolved", "--format", "json", "--output", "-")
    assert answer.exit_code == 0, answer.output
    facts = json.loads(answer.output)
    rows = lake.read(UNRESOLVED)
    assert sum(row["record_count"] for row in facts["counts"]) == rows.height > 0
    person = min(emails_of(lake))
    row = rows.filter(pl.col("source_record_id").is_in(list(texts))).row(0, named=True)
    record = f"{row['channel']}:{row['source_record_id']}"
    why = ("--by", "carl", "--because", "listened to the call")
    assert ask(lake, "resolve", f"{row['channel']}:nothing", person, *why).exit_code == 2
    assert ask(lake, "resolve", record, "no address@", *why).exit_code == 2
    assert ask(lake, "resolve", record, *why).exit_code == 2
    assert ask(lake, "resolve", record, person, "--by", "carl").exit_code == 2
    assert ask(lake, "resolve", record, f"<{person.upper()}>", *why).exit_code == 0
    assert run(drops, lake.path) == 0
    assert person not in emails_of(lake)
    assert row["source_record_id"] not in set(lake.read(UNRESOLVED)["source_record_id"])
