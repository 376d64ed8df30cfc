"""Where answers go: programs get JSON and CSV, files are written whole, a page has a place of its own."""

import pytest

from cdp_pipelines.cli.output import choose_page, format_csv, format_json, show_text
from cdp_pipelines.errors import CdpError


def test_json_and_csv_keep_numbers_and_lists():
    assert format_json({"count": 1234, "shares": (0.5, None)}) == (
        '{\n  "count": 1234,\n  "shares": [\n    0.5,\n    null\n  ]\n}\n'
    )
    assert format_csv(["a", "b"], [[1, ("x", "y")]]) == "a,b\r\n1,x; y\r\n"


def test_a_page_lies_in_the_reports_of_its_lake(tmp_path):
    assert choose_page(tmp_path, "lineage_golden/customer") == tmp_path / "reports" / "lineage_golden_customer.html"
    assert choose_page(tmp_path, "why", is_personal=True) == tmp_path / "reports" / "personal" / "why.html"


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(CdpError, match="cannot be written: No such file or directory"):
        show_text("text", tmp_path / "missing" / "file", "title")
