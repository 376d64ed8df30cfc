"""How answers are drawn for a terminal: whole words, no markup of values, no control characters."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cdp_pipelines.cli.text import clean, fit_columns, print_document
from cdp_pipelines.services.document import Document, Section


def draw(document, width=80):
    out = Console(file=io.StringIO(), width=width)
    print_document(document, out)
    return out.file.getvalue()


CELL = st.lists(st.integers(0, 12), max_size=3).map(lambda sizes: " ".join("x" * size for size in sizes))


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=6))
def test_no_column_is_narrower_than_its_longest_word(columns):
    widths = fit_columns(columns, 80)
    longest = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    if widths is None:
        assert sum(longest) + 2 * (len(columns) - 1) > 80
    else:
        assert all(width >= least for width, least in zip(widths, longest, strict=True))
        assert sum(widths) + 2 * (len(columns) - 1) <= 80


def test_rows_too_wide_for_a_table_are_cards_and_nothing_is_cut_off():
    row = {f"column_{n}": "x" * 20 for n in range(6)} | {"empty": None}
    text = draw(Document("t", "a", [Section("rows", [row])]))
    assert text.count("x" * 20) == 6
    assert "column 5" in text
    assert "empty" not in text


def test_a_value_that_all_rows_share_stands_above_a_table_that_is_too_wide():
    rows = [{"shared": "s" * 60, "name": "n" * 20 + str(n)} for n in range(3)]
    assert draw(Document("t", "a", [Section("rows", rows)])).count("s" * 60) == 1


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        pytest.param("[red]x[/]", "[red]x[/]", id="markup"),
        pytest.param("a\x1b[31mb", r"a\x1b[31mb", id="escape_sequence"),
        pytest.param("a\nb", r"a\nb", id="line_break"),
        pytest.param("a\u202eb", r"a\u202eb", id="writing_direction"),
        pytest.param("Zoë 東京", "Zoë 東京", id="letters"),
    ],
)
def test_values_are_printed_as_they_are_without_effect(value, printed):
    assert clean(value) == printed
    document = Document(value, value, [Section("rows", [{"name": value}], empty=value)], {"sha256": value})
    assert draw(document).count(printed) == 4


def test_counts_are_drawn_as_bars():
    rows = [{"reason": "allowed", "customer_count": 10}, {"reason": "denied", "customer_count": 5}]
    lines = draw(Document("t", "a", [Section("rows", rows, bar="customer_count")])).splitlines()
    assert [line.count("█") for line in lines[-2:]] == [20, 10]
