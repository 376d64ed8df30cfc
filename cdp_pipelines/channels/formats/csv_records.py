"""CSV files (RFC 4180) to records.

Here belong quoting, lines and headers of delimited text. The meaning of the values is in `channels.field_value`.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from cdp_pipelines.channels.formats.encoding import escape_undecodable
from cdp_pipelines.channels.formats.file_records import RecordCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

_MOST_CHARACTERS = (1 << 31) - 1
# A list of all lines would take thirty times the memory of a text with short ones.
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")
# Line (from 0), start and end in the text, values and fault of a record.
CsvRecord = tuple[int, int, int, list[str], "Fault | None"]


def read_csv(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a CSV text with a header, in the declared dialect.

    Faults: `missing_column`, `broken_csv`, `wrong_field_count`, `field_too_long`, encoding.
    """
    # Of the whole process; the default of 131,072 characters is a limit that no contract declares.
    csv.field_size_limit(_MOST_CHARACTERS)
    collector = RecordCollector()
    if not text:
        return collector
    records = _split_records(text, contract)
    *_, header, _ = next(records, (0, 0, 0, [], None))
    names = [escape_undecodable(name)[0].strip() for name in header]
    columns, missing = collector.match_columns(names, contract)
    # The position beyond the last value stands for a column that the file does not have.
    positions = [names.index(name) if name in columns else len(names) for name in contract.fields]
    for line, start, end, values, broken in records:
        record, undecodable = escape_undecodable(text[start:end].rstrip("\r\n"))
        fault = undecodable or missing or broken
        if fault is None and len(values) != len(names):
            fault = ("wrong_field_count", None, f"has {len(values)} fields; the header has {len(names)}")
        if fault is None and max(map(len, values)) > contract.longest_field:
            fault = ("field_too_long", None, f"has a field of more than {contract.longest_field:,} characters")
        if contract.null_tokens:
            values = ["" if value in contract.null_tokens else value for value in values]  # noqa: PLW2901
        collector.add(record, line + 1, _select_values(values, positions, fault), fault)
    return collector


def _select_values(values: list[str], positions: list[int], fault: Fault | None) -> list[str | None]:
    """Values of the declared fields, as far as a faulty record has them; an empty text is null."""
    padded = [*(value or None for value in values), *([None] * (max(positions, default=0) + 1 - len(values)))]
    selected = [padded[position] for position in positions]
    return selected if fault is None else [value and escape_undecodable(value)[0] for value in selected]


def _split_records(text: str, contract: ChannelContract) -> Iterator[CsvRecord]:
    """The records of the text; blank lines are skipped.

    An unclosed quote would swallow the following lines: then only its first line is refused, and reading goes on with
    the next line.
    """
    line, width = 0, None
    lines = _Lines(text)
    while lines.end < len(text):
        first = line
        reader = csv.reader(
            lines,
            delimiter=contract.delimiter,
            quotechar=contract.quote,
            quoting=csv.QUOTE_MINIMAL if contract.quote else csv.QUOTE_NONE,
            escapechar=contract.escape,
            skipinitialspace=contract.skip_initial_space,
            strict=True,
        )
        while True:
            line, start = first + reader.line_num, lines.end
            try:
                values = next(reader, None)
            except csv.Error:
                reason = "has a quote out of place"
                break
            if values is None:
                return
            if width is not None and len(values) != width and first + reader.line_num > line + 1:
                reason = "has an unclosed quote"
                break
            if values:
                width = width or len(values)
                yield line, start, lines.end, values, None
        lines = _Lines(text, start)
        # One line as a record of its own, of which only the first value is known.
        values = [next(lines).split(contract.delimiter)[0]]
        yield line, start, lines.end, values, ("broken_csv", None, reason)
        line += 1


class _Lines:
    """The lines of a text from a position on, with their ends; `end` is the end of the last one read."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.end = start
        self._matches = _LINE.finditer(text, start)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        match = next(self._matches)
        self.end = match.end()
        return match[0]
