"""`cdp register`: the record of processing activities (Art. 30(1)), as in force on a day."""

import csv
import html
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cdp_pipelines.errors import CdpError
from cdp_pipelines.purposes.record_of_processing import PARTS, Activity, build_record_of_processing
from cdp_pipelines.services.declarations import load_company_controller, load_company_register

STYLE = Path(__file__).with_name("register.css")

# What is to be had of people in a purpose's mart, in a word.
PEOPLE = {"identified": "named", "pseudonymous": "unnamed", "aggregate": "counted", "none": "none"}


def print_register(day: date | None, format_: str, output: Path | None, out: Console) -> None:
    """Print the record of a day (today in UTC), or write it to a file; a table is as wide as the terminal."""
    day = day or datetime.now(UTC).date()
    activities = build_record_of_processing(load_company_register(), load_company_controller(), day)
    if not activities:
        first = min(versions[0].effective_from for versions in load_company_register().versions.values())
        raise CdpError(f"no purpose is in force on {day}; the first is from {first}")
    if format_ == "table" and output is None:
        out.print(as_table(activities, day))
        return
    if format_ == "table":
        drawn = Console(file=io.StringIO(), width=160)
        drawn.print(as_table(activities, day))
        text = drawn.file.getvalue()
    else:
        text = {"csv": as_csv, "json": as_json, "html": as_html}[format_](activities, day)
    if output is None:
        out.file.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CdpError(f"{output} cannot be written: {error.strerror}") from None
    out.print(f"{len(activities)} purposes in force on {day}, in {output}", highlight=False, soft_wrap=True)


def as_table(activities: list[Activity], day: date) -> Table:
    """What fits a terminal: basis, data, what its mart has of people, retention and recipients of each purpose."""
    table = Table(title=f"Register of processing on {day}", title_justify="left", show_lines=True)
    table.add_column("purpose", no_wrap=True)
    for name in ("lawful basis", "data", "people", "erased after", "recipients"):
        table.add_column(name, overflow="fold")
    table.caption = f"{len(activities)} purposes in force; all of Art. 30(1)(a)-(g): --format html, csv or json"
    for each in activities:
        basis = each.lawful_basis.partition(", Art.")[0]
        data, recipients = ", ".join(each.data_categories), ", ".join(each.recipients)
        table.add_row(each.key, basis, data, PEOPLE[each.mart_kind], each.retention, recipients)
    return table


def as_csv(activities: list[Activity], day: date) -> str:
    """A row for each purpose (RFC 4180); several values of a cell are separated by a semicolon."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["as_of", *Activity.__dataclass_fields__])
    for each in activities:
        values = asdict(each).values()
        writer.writerow([day, *("; ".join(value) if isinstance(value, tuple) else value for value in values)])
    return text.getvalue()


def as_json(activities: list[Activity], day: date) -> str:
    """The day, what each part answers of Art. 30(1), and the purposes with lists as lists."""
    told = {
        "as_of": str(day),
        "article": {name: f"30(1)({letter})" for name, (letter, _) in PARTS.items()},
        "purposes": [asdict(each) for each in activities],
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def as_html(activities: list[Activity], day: date) -> str:
    """One page without anything from elsewhere, for a phone, a screen and paper; what all purposes share comes once."""
    shared = [each for each in activities[0].security if all(each in other.security for other in activities)]
    contents = "".join(f'<li><a href="#{each.key}">{_words(each.key)}</a></li>' for each in activities)
    everywhere = _list([("a", PARTS["controller"][1], activities[0].controller), ("g", PARTS["security"][1], shared)])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Record of processing activities, {day}</title><style>{STYLE.read_text(encoding='utf-8')}</style>"
        f"</head><body><header><h1>Record of processing activities</h1><p>Art. 30(1) GDPR, as in force on {day}: "
        f"{len(activities)} purposes.</p></header><nav aria-label='Purposes'><ol>{contents}</ol></nav>"
        f"<main><section id='all'><h2>For all purposes</h2>{everywhere}</section>"
        f"{''.join(_section(each, shared) for each in activities)}</main></body></html>\n"
    )


def _section(each: Activity, shared: list[str]) -> str:
    rows = [("", "Lawful basis", f"{each.lawful_basis}: {each.basis_reference}")]
    rows += [(letter, title, getattr(each, name)) for name, (letter, title) in PARTS.items() if letter not in "ag"]
    rows.append(("a", PARTS["controller"][1], f"{each.controller[0]}, as for all purposes"))
    own = [measure for measure in each.security if measure not in shared]
    rows.append(("g", PARTS["security"][1], ["those of all purposes", *own]))
    rows.append(("", "People in its mart", each.mart))
    rows.append(("", "Version", f"{each.version}, in force from {each.effective_from}"))
    return f'<section id="{each.key}"><h2>{_words(each.key)}</h2>{_list(rows)}</section>'


def _list(rows: Iterable[tuple[str, str, str | Sequence[str]]]) -> str:
    """A description list of (letter of Art. 30(1), title, text or texts)."""
    told = "".join(
        f"<dt>{_letter(each)}{html.escape(title)}</dt><dd>{_cell(value)}</dd>" for each, title, value in rows
    )
    return f"<dl>{told}</dl>"


def _letter(letter: str) -> str:
    return f"<span>({letter})</span> " if letter else ""


def _cell(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return html.escape(value)
    if len(value) == 1:
        return html.escape(value[0])
    return "<ul>" + "".join(f"<li>{html.escape(each)}</li>" for each in value) + "</ul>"


def _words(key: str) -> str:
    return html.escape(key.replace("_", " ").capitalize())
