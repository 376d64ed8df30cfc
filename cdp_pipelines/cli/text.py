"""Documents as text for a terminal: tables in which no word is broken, else cards; no markup, no control characters.

Here belongs the drawing. Where the text goes is in `cli.output`.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cdp_pipelines.services.document import Document, Section, format_value, make_label

BAR_WIDTH = 20
_GAP = 2
# Characters that move the cursor, change colours or turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_document(document: Document, out: Console) -> None:
    """Title, answer, each section as a table or cards, and the seal."""
    out.print(Text(clean(document.title), "bold"))
    out.print(Text(clean(document.answer)))
    for section in document.sections:
        out.print()
        out.print(Text(clean(section.heading), "bold"))
        if section.rows:
            out.print(draw_rows(section, out.width))
        else:
            out.print(Text(clean(section.empty)))
    if document.seal:
        out.print()
    for name, value in document.seal.items():
        out.print(Text(f"{make_label(name)}: {clean(value)}"), soft_wrap=True)


def draw_rows(section: Section, width: int, labels: Mapping[str, str] | None = None) -> Group:
    """The rows as a table where every word fits its column, else as cards; labels are made from the keys.

    Columns without any value are left out. Where rows need more than a line, a value that all share stands above them.
    """
    rows = [{name: clean(format_value(value)) for name, value in row.items()} for row in section.rows]
    labels = {name: (labels or {}).get(name, make_label(name)) for name in rows[0] if any(row[name] for row in rows)}
    shared: dict[str, str] = {}
    if section.bar:
        rows = [row | {"": bar} for row, bar in zip(rows, _bars(section), strict=True)]
        labels[""] = ""
    widths = _fit(rows, labels, width)
    if len(rows) > 1 and not _fits_lines(rows, labels, widths):
        shared = {name: rows[0][name] for name in labels if all(row[name] == rows[0][name] for row in rows)}
        shared = shared if len(shared) < len(labels) else {}
        labels = {name: label for name, label in labels.items() if name not in shared}
        widths = _fit(rows, labels, width)
    above = [Text(f"{make_label(name)}: {value}", "dim") for name, value in shared.items()]
    if widths is None:
        return Group(*above, _cards(rows, labels))
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for (name, label), column_width in zip(labels.items(), widths, strict=True):
        is_numeric = any(_is_number(row.get(name)) for row in section.rows)
        table.add_column(Text(label), width=column_width, overflow="fold", justify="right" if is_numeric else "left")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in labels))
    return Group(*above, table)


def _fit(rows: Sequence[Mapping[str, str]], labels: Mapping[str, str], width: int) -> list[int] | None:
    return fit_columns([[label, *(row[name] for row in rows)] for name, label in labels.items()], width)


def _fits_lines(rows: Sequence[Mapping[str, str]], labels: Mapping[str, str], widths: Sequence[int] | None) -> bool:
    return widths is not None and all(
        cell_len(row[name]) <= width for row in rows for name, width in zip(labels, widths, strict=True)
    )


def fit_columns(columns: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Widths of columns in which no word is broken; None where there is no room for every longest word."""
    least = [
        max(cell_len(word) for word in chain.from_iterable(cell.split() or [""] for cell in column))
        for column in columns
    ]
    wanted = [max(map(cell_len, column)) for column in columns]
    room = width - _GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    # The narrowest column gets what it wants first; the widest share what is left.
    widths, spare = list(least), room - sum(least)
    order = sorted(range(len(columns)), key=lambda index: wanted[index] - least[index])
    for place, index in enumerate(order):
        more = min(wanted[index] - least[index], spare // (len(order) - place))
        widths[index] += more
        spare -= more
    return widths


def clean(text: str) -> str:
    """A text that only prints: control characters are written as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _cards(rows: Sequence[Mapping[str, str]], labels: Mapping[str, str]) -> Table:
    """A row below another, for rows that are wider than the terminal: nothing is cut off."""
    table = Table.grid(padding=(0, _GAP))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            table.add_row("", "")
        for name, label in labels.items():
            if row[name]:
                table.add_row(Text(label), Text(row[name]))
    return table


def _bars(section: Section) -> list[str]:
    from cdp_pipelines.consent.audience_funnel import draw_bar

    numbers = [float(str(row[section.bar])) for row in section.rows]
    return [draw_bar(number, max(numbers), BAR_WIDTH) for number in numbers]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
