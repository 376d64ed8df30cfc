"""The record of processing activities (GDPR Art. 30(1)) as one page for a phone, a screen and paper.

Here belongs the HTML of the record. The record itself is `cdp_pipelines.services.processing_record`.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from cdp_pipelines.purposes.record_of_processing import PARTS, Activity
from cdp_pipelines.reports.page import render_page
from cdp_pipelines.services.document import make_label
from cdp_pipelines.services.processing_record import ProcessingRecord

STYLE = Path(__file__).with_name("record_of_processing.css")


def render_record(record: ProcessingRecord) -> str:
    """The page; what all purposes share stands once, at the top."""
    activities = record.activities
    shared = [each for each in activities[0].security if all(each in other.security for other in activities)]
    contents = "".join(f'<li><a href="#{each.key}">{_label(each.key)}</a></li>' for each in activities)
    everywhere = _list([("a", PARTS["controller"][1], activities[0].controller), ("g", PARTS["security"][1], shared)])
    return render_page(
        f"Record of processing activities, {record.day}",
        f"<header><h1>Record of processing activities</h1><p>GDPR Art. 30(1), as in force on {record.day}: "
        f'{len(activities)} purposes.</p></header><nav aria-label="Purposes"><ol>{contents}</ol></nav>'
        f'<main><section id="all"><h2>For all purposes</h2>{everywhere}</section>'
        f"{''.join(_section(each, shared) for each in activities)}</main>",
        (STYLE,),
    )


def _section(activity: Activity, shared: Sequence[str]) -> str:
    rows: list[tuple[str, str, str | Sequence[str]]] = [
        ("", "Lawful basis", f"{activity.lawful_basis}: {activity.basis_reference}")
    ]
    rows += [(letter, title, getattr(activity, name)) for name, (letter, title) in PARTS.items() if letter not in "ag"]
    rows.append(("a", PARTS["controller"][1], f"{activity.controller[0]}, as for all purposes"))
    own = [measure for measure in activity.security if measure not in shared]
    rows.append(("g", PARTS["security"][1], ["the measures for all purposes", *own]))
    rows.append(("", "People in its mart", activity.mart))
    rows.append(("", "Version", f"{activity.version}, in force from {activity.effective_from}"))
    return f'<section id="{activity.key}"><h2>{_label(activity.key)}</h2>{_list(rows)}</section>'


def _list(rows: Iterable[tuple[str, str, str | Sequence[str]]]) -> str:
    """A description list of (letter of Art. 30(1), title, text or texts)."""
    items = "".join(
        f"<dt>{_letter(letter)}{escape(title)}</dt><dd>{_texts(value)}</dd>" for letter, title, value in rows
    )
    return f"<dl>{items}</dl>"


def _letter(letter: str) -> str:
    return f"<span>({letter})</span> " if letter else ""


def _texts(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return escape(value)
    if len(value) == 1:
        return escape(value[0])
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in value) + "</ul>"


def _label(key: str) -> str:
    return escape(make_label(key).capitalize())
