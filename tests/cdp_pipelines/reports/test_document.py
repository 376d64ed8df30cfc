"""Documents as pages: complete, escaped, and readable on paper."""

import re

from cdp_pipelines.reports.document import MAX_TABLE_COLUMNS, MAX_UNLISTED_SECTIONS, render_document
from cdp_pipelines.services.document import Document, Section


def test_a_page_has_everything_and_escapes_it():
    sections = [Section("first", [{"name": "<script>"}]), Section("second", [], empty="nothing")]
    page = render_document(Document("<b>", "a & b", sections))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "nothing" in page
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=[\"'](?!#)|@import|url\(|http:|https:", page) == []


def test_a_row_of_many_columns_is_a_card_that_no_paper_cuts_off():
    row = {f"column_{n}": f"<{n}>" for n in range(MAX_TABLE_COLUMNS + 1)} | {"silent": None}
    page = render_document(Document("t", "a", [Section("rows", [row])]))
    assert "<table" not in page
    assert all(f"<dt>{name.replace('_', ' ')}</dt><dd>&lt;" in page for name, value in row.items() if value)
    assert "silent" not in page


def test_numbers_are_for_people_and_counts_are_bars():
    rows = [{"is_allowed": True, "customer_count": 1234}, {"is_allowed": False, "customer_count": 617}]
    page = render_document(Document("t", "a", [Section("rows", rows, bar="customer_count")]))
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', page) == ["allowed", "customer count"]
    assert re.findall(r"<td data-name=[^>]+>([^<]+)</td>", page) == ["yes", "1,234", "no", "617"]
    assert re.findall(r'<rect width="([\d.]+)"', page) == ["100.00", "50.00"]


def test_weights_are_drawn_as_a_waterfall_with_the_numbers_below():
    rows = [
        {"comparison": "prior", "level": "", "weight": -10.0, "total": -10.0},
        {"comparison": "first_name", "level": "exact", "weight": 8.25, "total": -1.75},
    ]
    page = render_document(Document("t", "a", [Section("match_weight", rows, is_waterfall=True)]))
    assert re.findall(r'<rect class="(\w+)"', page) == ["takes", "adds"]
    assert 'role="img" aria-label="Match weight' in page
    assert ">8.25</td>" in page


def test_a_long_document_begins_with_its_contents():
    sections = [Section(f"section_{n}", []) for n in range(MAX_UNLISTED_SECTIONS + 1)]
    page = render_document(Document("t", "a", sections))
    assert re.findall(r'<a href="#(\w+)">', page) == [each.key for each in sections]
    assert [f'<section id="{each.key}">' in page for each in sections] == [True] * len(sections)
    assert "<nav" not in render_document(Document("t", "a", sections[:-1]))
