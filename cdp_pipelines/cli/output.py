"""Where answers of commands go: one console, and one way each to show a document, rows, a page or a file.

Here belongs everything that knows the console or a file of an answer. How text is drawn is in `cli.text`.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cdp_pipelines.cli.text import clean, draw_rows, print_document
from cdp_pipelines.errors import CdpError
from cdp_pipelines.services.document import Document, Section, make_plain
from warehouse.atomic_file import write_atomically

console = Console()
error_console = Console(stderr=True)

# Characters of a line in a file; a terminal has its own width.
FILE_WIDTH = 120
STDOUT = Path("-")
# How a formula begins in a spreadsheet (OWASP, "CSV Injection"); digits alone calculate nothing that matters.
_FORMULA = re.compile(r"\s*[=@\uff1d\uff20]|[\t\r\n]|\s*[+\-\uff0b\uff0d](?![\d\s().,/-]*\Z)")


def show_document(
    document: Document, format_: str, output: Path | None, lake: Path, name: str, *, is_personal: bool = False
) -> None:
    """Print a document as text or JSON, or write its page; `output` wins over these defaults.

    `name` is the stem of the page under LAKE/reports/. A page about people lies in LAKE/reports/personal/, under a name
    that holds a digest in place of an identifier.
    """
    text: str | None = None
    if format_ == "html":
        from cdp_pipelines.reports.document import render_document

        text = render_document(document)
    elif format_ == "json":
        text = format_json(document.with_seal())
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


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], *, keep_formulas: bool = False) -> str:
    """CSV (RFC 4180) with a header; several values of a cell are separated by a semicolon.

    A spreadsheet runs a text as a formula where it begins like one, so such a text gets an apostrophe in front, which
    spreadsheets do not show. Numbers, also those of phones, stay as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    for row in (columns, *rows):
        cells = ["; ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell for cell in row]
        is_formula = [isinstance(cell, str) and not keep_formulas and bool(_FORMULA.match(cell)) for cell in cells]
        writer.writerow(f"'{cell}" if found else cell for cell, found in zip(cells, is_formula, strict=True))
    return text.getvalue()


def draw_text(document: Document) -> str:
    """The document as the terminal has it, in lines of `FILE_WIDTH`."""
    text = io.StringIO()
    print_document(document, Console(file=text, width=FILE_WIDTH))
    return text.getvalue()


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], output: Path | None) -> None:
    """Print rows under columns of any names, in a table or as cards; or write them to a file."""
    section = Section("rows", [dict(zip(columns, row, strict=True)) for row in rows])
    labels = dict(zip(columns, columns, strict=True))
    if output is None or output == STDOUT:
        console.print(draw_rows(section, console.width, labels) if rows else "no rows")
        return
    text = io.StringIO()
    Console(file=text, width=FILE_WIDTH).print(draw_rows(section, FILE_WIDTH, labels) if rows else "no rows")
    show_text(text.getvalue(), output, f"{len(rows):,} rows")
