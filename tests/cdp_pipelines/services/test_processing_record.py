"""The record of processing activities: every part of Art. 30(1), in every format."""

import csv
import io
import json
import re

import pytest

from cdp_pipelines.purposes.record_of_processing import PARTS
from cdp_pipelines.services.declarations import load_company_register
from tests.commands import run_command


def export(*arguments):
    """What the command prints."""
    done = run_command("record-of-processing", "--output", "-", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_and_csv_answer_every_part_for_every_purpose():
    answer = json.loads(export("--format", "json", "--as-of", "2011-12-09"))
    rows = list(csv.DictReader(io.StringIO(export("--format", "csv", "--as-of", "2011-12-09"))))
    assert answer["as_of"] == rows[0]["as_of"] == "2011-12-09"
    assert sorted(answer["article"].values()) == sorted(f"30(1)({letter})" for letter, _ in PARTS.values())
    assert (
        [each["key"] for each in answer["purposes"]] == [row["key"] for row in rows] == sorted(load_company_register())
    )
    for each, row in zip(answer["purposes"], rows, strict=True):
        for name in PARTS:
            assert each[name], (each["key"], name)
            assert row[name] == (each[name] if isinstance(each[name], str) else "; ".join(each[name]))


def test_the_page_loads_nothing_and_reads_anywhere():
    page = export("--format", "html", "--as-of", "2011-12-09")
    assert re.findall(r"(?:src|href)=[\"'](?!#)", page) == []
    assert re.findall(r"@import|url\(", page) == []
    assert all(text in page for text in ("width=device-width", "@media print", '<html lang="en">', "2011-12-09"))
    sections = re.findall(r"<section id=\"(\w+)\">(.*?)</section>", page, re.DOTALL)
    assert [key for key, _ in sections] == ["all", *sorted(load_company_register())]
    for key, section in sections[1:]:
        letters = re.findall(r"<dt><span>\((\w)\)</span> [^<]+</dt><dd>(?!</dd>)", section)
        assert sorted(letters) == sorted(letter for letter, _ in PARTS.values()), key


def test_text_and_file(tmp_path):
    assert all(key in export() for key in load_company_register())
    file = tmp_path / "register.csv"
    assert str(file) in export("--format", "csv", "--output", str(file), "--as-of", "2011-12-09").replace("\n", "")
    assert file.read_text(encoding="utf-8") == export("--format", "csv", "--as-of", "2011-12-09")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--as-of", "2009-12-31"], "no purpose is in force on 2009-12-31; the first is from 2010-01-01", id="before"
        ),
        pytest.param(
            ["--output", "/nowhere/x", "--format", "json"], "/nowhere/x cannot be written", id="no_such_folder"
        ),
    ],
)
def test_refusals(arguments, message):
    done = run_command("record-of-processing", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
