"""An answer as data: a title, a short answer, sections of rows, and a seal.

Here belongs what an answer holds and how a value and a key read for people. How it is printed or drawn does not: the
terminal is `cdp_pipelines.cli.output`, pages are `cdp_pipelines.reports.document`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

Row = Mapping[str, object]


@dataclass(frozen=True)
class Section:
    """Rows of one kind under a key in snake_case; `empty` is the text where there is no row.

    `title` is made from the key where none is given. `bar` names a column of numbers that people also see as bars;
    `is_waterfall` marks rows (comparison, level, weight, total) whose weights add up to the totals.
    """

    key: str
    rows: Sequence[Row]
    description: str = ""
    empty: str = "none"
    title: str = ""
    bar: str = ""
    is_waterfall: bool = False

    @property
    def heading(self) -> str:
        """The title for people."""
        return self.title or make_label(self.key).capitalize()


@dataclass(frozen=True)
class Document:
    """The title of an answer, the answer in short, and the evidence; `sign_report` adds the seal.

    Keys of sections are unique and none is `title`, `answer` or `seal`.
    """

    title: str
    answer: str
    sections: Sequence[Section]
    seal: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Keys `title`, `answer` and one list of rows per section: dates in ISO 8601, instants in UTC."""
        return {
            "title": self.title,
            "answer": self.answer,
            **{each.key: [make_plain(row) for row in each.rows] for each in self.sections},
        }

    def canonical(self) -> bytes:
        """The facts as bytes that are equal for equal facts: JSON, sorted keys, no blanks, UTF-8."""
        return json.dumps(self.facts(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def with_seal(self) -> dict[str, object]:
        """The facts, and under `seal` the seal where there is one."""
        return self.facts() | ({"seal": dict(self.seal)} if self.seal else {})


def make_label(key: str) -> str:
    """A key in snake_case as words: `is_allowed` is "allowed", `source_record_id` is "source record id"."""
    return key.removeprefix("is_").replace("_", " ")


def make_plain(value: object) -> object:
    """A value as JSON takes it: dates in ISO 8601, instants in UTC, tuples as lists; numbers stay numbers."""
    match value:
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(name): make_plain(each) for name, each in value.items()}
        case list() | tuple():
            return [make_plain(each) for each in value]
        case _:
            return value


def format_value(value: object) -> str:
    """A value for people: 12,345; 0.9987; yes; 2011-12-31 18:00:00; several values by commas; nothing for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(format_value(each) for each in value)
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004  from here on it is a count
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)
