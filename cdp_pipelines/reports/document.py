"""A document as one page for a phone, a screen and paper.

Here belongs the HTML of documents of any kind. What a document says is made by a service.
"""

from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path

from cdp_pipelines.reports.page import render_page
from cdp_pipelines.reports.waterfall import draw_waterfall
from cdp_pipelines.services.document import Document, Row, Section, format_value, make_label

STYLE = Path(__file__).with_name("document.css")
# A page with more sections than these begins with a table of contents.
MAX_UNLISTED_SECTIONS = 6
# A row with more columns than these is a card of its own: paper has no room for such a table.
MAX_TABLE_COLUMNS = 8


def render_document(document: Document) -> str:
    """The page; equal documents give an equal page."""
    contents = "".join(
        f'<li><a href="#{_text(each.key)}">{_text(each.heading)}</a> <span>{len(each.rows) or ""}</span></li>'
        for each in document.sections
    )
    navigation = f'<nav aria-label="Sections"><ol>{contents}</ol></nav>'
    seal = "".join(
        f"<dt>{_text(make_label(name))}</dt><dd><code>{_text(value)}</code></dd>"
        for name, value in document.seal.items()
    )
    body = (
        f"<header><h1>{_text(document.title)}</h1><p>{_text(document.answer)}</p></header>"
        f"{navigation if len(document.sections) > MAX_UNLISTED_SECTIONS else ''}"
        f"<main>{''.join(_section(each) for each in document.sections)}</main>"
        f"{f'<footer><h2>Seal</h2><dl>{seal}</dl></footer>' if seal else ''}"
    )
    return render_page(document.title, body, (STYLE,))


def _section(section: Section) -> str:
    description = f"<p>{_text(section.description)}</p>" if section.description else ""
    picture = draw_waterfall(section.rows) if section.is_waterfall and section.rows else ""
    if not section.rows:
        rows = f'<p class="none">{_text(section.empty)}</p>'
    elif len(section.rows[0]) > MAX_TABLE_COLUMNS:
        rows = _cards(section.rows)
    else:
        rows = _table(section)
    return f'<section id="{_text(section.key)}"><h2>{_text(section.heading)}</h2>{description}{picture}{rows}</section>'


def _table(section: Section) -> str:
    names = list(section.rows[0])
    most = max((_number(row[section.bar]) for row in section.rows), default=0.0) if section.bar else 0.0
    numeric = {name for name in names if any(_is_number(row[name]) for row in section.rows)}
    head = "".join(
        f'<th scope="col"{" class=number" if name in numeric else ""}>{_text(make_label(name))}</th>' for name in names
    )
    body = "".join(
        f"<tr>{''.join(_cell(name, row[name]) for name in names)}"
        f"{_bar(_number(row[section.bar]), most) if section.bar else ''}</tr>"
        for row in section.rows
    )
    head += '<td aria-hidden="true"></td>' if section.bar else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{_text(section.heading)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(name: str, value: object) -> str:
    # Numbers and times are not broken over lines.
    kind = ' class="number"' if _is_number(value) else ' class="whole"' if isinstance(value, date) else ""
    return f'<td data-name="{_text(make_label(name))}"{kind}>{_text(format_value(value))}</td>'


def _bar(count: float, most: float) -> str:
    width = 100 * count / most if most else 0.0
    return (
        '<td class="bar" aria-hidden="true"><svg viewBox="0 0 100 8" preserveAspectRatio="none">'
        f'<rect width="{width:.2f}" height="8"/></svg></td>'
    )


def _cards(rows: Sequence[Row]) -> str:
    """A card for each row, without the fields that are empty."""
    cards = (
        "".join(
            f"<div><dt>{_text(make_label(name))}</dt><dd>{_text(format_value(value))}</dd></div>"
            for name, value in row.items()
            if format_value(value)
        )
        for row in rows
    )
    return "".join(f'<dl class="card">{card}</dl>' for card in cards)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: object) -> str:
    return escape(str(value))
