"""A document of facts, as text, JSON or a page: what commands answer to auditors and customers."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cdp_pipelines.errors import CdpError

STYLE = Path(__file__).with_name("document.css")
# So many columns may be wrapped to fit a terminal and still be read.
FEW = 6
# More columns than these are no table on paper: each row is a card of its own.
MANY = 8
Row = Mapping[str, object]


@dataclass(frozen=True)
class Section:
    """A heading, what it means in a line, and rows of one kind; where there is none, `empty` says so.

    `picture` is SVG that a page shows above the rows.
    """

    title: str
    rows: Sequence[Row]
    about: str = ""
    empty: str = "none"
    picture: str = ""


@dataclass(frozen=True)
class Document:
    """What was asked, the answer in short, and the evidence; `seal` is added by who signs it."""

    title: str
    answer: str
    sections: Sequence[Section]
    seal: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Title, answer and sections as JSON takes them: dates in ISO 8601, instants in UTC."""
        return {
            "title": self.title,
            "answer": self.answer,
            **{each.title: [{name: _plain(value) for name, value in row.items()} for row in each.rows]
               for each in self.sections},
        }  # fmt: skip

    def canonical(self) -> bytes:
        """The facts as bytes that are the same for the same facts: JSON, keys sorted, no blanks, UTF-8."""
        return json.dumps(self.facts(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def print_document(document: Document, format_: str, output: Path | None, out: Console) -> None:
    """Print a document, or write it to a file; `format_`: text, json or html."""
    if format_ == "text" and output is None:
        _print(document, out)
        return
    if format_ == "text":
        drawn = Console(file=io.StringIO(), width=140)
        _print(document, drawn)
        text = drawn.file.getvalue()
    else:
        text = {"json": render_json, "html": render_html}[format_](document)
    if output is None:
        out.file.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CdpError(f"{output} cannot be written: {error.strerror}") from None
    out.print(f"{document.title}: {output}", highlight=False, soft_wrap=True)


def render_json(document: Document) -> str:
    """The facts and their seal."""
    return json.dumps(document.facts() | {"seal": dict(document.seal)}, ensure_ascii=False, indent=2) + "\n"


def render_html(document: Document) -> str:
    """One page without anything from elsewhere, for a phone, a screen and paper."""
    body = "".join(_section(n, each) for n, each in enumerate(document.sections))
    contents = "".join(
        f"<li><a href='#s{n}'>{_text(each.title)}</a> <span>{len(each.rows) or ''}</span></li>"
        for n, each in enumerate(document.sections)
    )
    seal = "".join(
        f"<dt>{_text(name)}</dt><dd><code>{_text(value)}</code></dd>" for name, value in document.seal.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(document.title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f"<header><h1>{_text(document.title)}</h1><p>{_text(document.answer)}</p></header>"
        f"{f'<nav><ol>{contents}</ol></nav>' if len(document.sections) > FEW else ''}<main>{body}</main>"
        f"{f'<footer><h2>Seal</h2><dl>{seal}</dl></footer>' if seal else ''}</body></html>\n"
    )


def _section(n: int, section: Section) -> str:
    about = f"<p>{_text(section.about)}</p>" if section.about else ""
    if section.rows:
        rows = (_as_cards if len(section.rows[0]) > MANY else _as_table)(section.rows)
    else:
        rows = f"<p class='none'>{_text(section.empty)}</p>"
    return f"<section id='s{n}'><h2>{_text(section.title)}</h2>{about}{section.picture}{rows}</section>"


def _as_table(rows: Sequence[Row]) -> str:
    names = list(rows[0])
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-name="{_text(name)}"{_whole(row[name])}>{_text(_cell(row[name]))}</td>' for name in names)
        + "</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _as_cards(rows: Sequence[Row]) -> str:
    """What a row does not say is left out of its card."""
    cards = (
        "".join(
            f"<div><dt>{_text(name)}</dt><dd>{_text(_cell(value))}</dd></div>"
            for name, value in row.items()
            if _cell(value)
        )
        for row in rows
    )
    return "".join(f"<dl class='card'>{card}</dl>" for card in cards)


def _whole(value: object) -> str:
    """Numbers and times are not broken over lines."""
    return " class='whole'" if isinstance(value, int | float | date) else ""


def _print(document: Document, out: Console) -> None:
    out.print(f"[bold]{document.title}[/]", highlight=False)
    out.print(document.answer, highlight=False)
    for section in document.sections:
        out.print(f"\n[bold]{section.title}[/]", highlight=False)
        if not section.rows:
            out.print(section.empty, highlight=False)
            continue
        cells = [{name: _cell(value) for name, value in row.items()} for row in section.rows]
        widths = [max(len(name), *(len(row[name]) for row in cells)) + 2 for name in section.rows[0]]
        fits = sum(widths) <= out.width or (len(widths) <= FEW and sum(widths) <= 1.5 * out.width)
        out.print(_table(cells) if fits else _cards(cells), highlight=False)
    for name, value in document.seal.items():
        out.print(f"{name}: {value}", highlight=False, soft_wrap=True)


def _table(rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    return table


def _cards(rows: Sequence[Mapping[str, str]]) -> Table:
    """A row below another, for what is wider than the terminal: nothing is cut off."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in row.items():
            if value:
                table.add_row(name, value)
        table.add_row("", "")
    return table


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    plain = _plain(value)
    if plain is None:
        return ""
    return ", ".join(map(str, plain)) if isinstance(plain, list) else str(plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _text(value: object) -> str:
    return html.escape(str(value))
