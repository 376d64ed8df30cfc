"""How commands print: one console, and one way each for documents, tables, JSON, CSV and pages.

Here belongs everything that knows a terminal or a file of an answer. What an answer says comes from a service.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cdp_pipelines.errors import CdpError
from cdp_pipelines.services.document import Document, Section, format_value, make_label, make_plain
from warehouse.atomic_file import write_atomically

console = Console()
error_console = Console(stderr=True)

# Characters of a line in a file; a terminal has its own width.
FILE_WIDTH = 120
BAR_WIDTH = 20
_GAP = 2
# Characters that move the cursor, change colours or turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
STDOUT = Path("-")


def show_document(
    document: Document, format_: str, output: Path | None, lake: Path, name: str, *, is_personal: bool = False
) -> None:
    """Print a document as text or JSON, or write its page; `output` wins over these defaults.

    `name` is the stem of the page under LAKE/reports/. A page about people lies in LAKE/reports/personal/, under a name
    that holds a digest in place of an identifier.
    """
    match format_:
        case "html":
            from cdp_pipelines.reports.document import render_document

            text = render_document(document)
        case "json":
            text = format_json(document.with_seal())
        case _:
            text = None
    if output is None and format_ == "html":
        output = choose_page(lake, f"{name}_{sha256(document.canonical()).hexdigest()[:12]}" if is_personal else name,
                             is_personal=is_personal)  # fmt: skip
    if text is not None:
        show_text(text, output, document.title)
    elif output in {None, STDOUT}:
        print_document(document, console)
    else:
        show_text(draw_text(document), output, document.title)


def show_text(text: str, output: Path | None, title: str) -> None:
    """Print a text as it is, or write it to a file whole or not at all and print where it is."""
    if output is None or output == STDOUT:
        console.file.write(text)
        return
    write_file(text, output)
    print_line(f"{title}: {output}")


def write_file(text: str, output: Path) -> None:
    """Write a file whole or not at all; `CdpError` where it cannot be written."""
    try:
        write_atomically(output, text)
    except OSError as error:
        raise CdpError(f"{output} cannot be written: {error.strerror}") from None


def choose_page(lake: Path, name: str, *, is_personal: bool = False) -> Path:
    """The file of a page in the lake's own folder of reports; `CdpError` where there is no such lake."""
    if not lake.is_dir():
        raise CdpError(f"there is no lake {lake} to write the page into; name a file with --output FILE")
    folder = lake / "reports" / "personal" if is_personal else lake / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}.html"


@contextmanager
def show_progress(description: str) -> Iterator[Callable[..., None]]:
    """A line that shows the current step while it lasts; call it with the step, its number and the count of steps."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<34}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_console, transient=True) as progress:
        task = progress.add_task(description, total=None)

        def step(name: str, number: int | None = None, count: int | None = None) -> None:
            progress.update(task, description=name, completed=number, total=count)

        yield step


def print_line(*texts: str) -> None:
    """A line of text as it is: no markup, no wrapping, no control characters."""
    console.print(Text(clean(" ".join(texts))), soft_wrap=True)


def print_error(message: str) -> None:
    """One line to stderr for each line of the message."""
    for line in message.splitlines():
        error_console.print(Text.assemble(("error", "bold red"), " ", clean(line)), soft_wrap=True)


def format_json(value: object) -> str:
    """JSON for programs: numbers as numbers, dates in ISO 8601."""
    return json.dumps(make_plain(value), ensure_ascii=False, indent=2, default=str) + "\n"


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV (RFC 4180) with a header; several values of a cell are separated by a semicolon."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow("; ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell for cell in row)
    return text.getvalue()


def draw_text(document: Document) -> str:
    """The document as the terminal has it, in lines of `FILE_WIDTH`."""
    drawn = Console(file=io.StringIO(), width=FILE_WIDTH)
    print_document(document, drawn)
    return drawn.file.getvalue()  # type: ignore[attr-defined]


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


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], output: Path | None) -> None:
    """Print rows under columns of any names, in a table or as cards; or write them to a file."""
    out = console if output in {None, STDOUT} else Console(file=io.StringIO(), width=FILE_WIDTH)
    section = Section("rows", [dict(zip(columns, row, strict=True)) for row in rows])
    if rows:
        out.print(draw_rows(section, out.width, dict(zip(columns, columns, strict=True))))
    else:
        out.print("no rows")
    if out is not console:
        show_text(out.file.getvalue(), output, f"{len(rows):,} rows")  # type: ignore[attr-defined]


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

    counts = [int(str(row[section.bar])) for row in section.rows]
    return [draw_bar(count, max(counts), BAR_WIDTH) for count in counts]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
