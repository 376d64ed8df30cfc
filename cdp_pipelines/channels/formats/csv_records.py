"""CSV files (RFC 4180) to records.

Here belong quoting, lines and headers of delimited text. The meaning of the values is in `channels.field_value`.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from cdp_pipelines.channels.formats.encoding import escape_undecodable
from cdp_pipelines.channels.formats.file_records import RecordCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

_MOST_CHARACTERS = (1 << 31) - 1
# First line, line after the last, values and fault of a record; lines count from 0.
CsvRecord = tuple[int, int, list[str], "Fault | None"]


def read_csv(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a CSV text with a header, in the declared dialect.

    Faults: `missing_column`, `broken_csv`, `wrong_field_count`, `field_too_long`, encoding.
    """
    # Of the whole process; the default of 131,072 characters is a limit that no contract declares.
    csv.field_size_limit(_MOST_CHARACTERS)
    collector = RecordCollector()
    lines = io.StringIO(text, newline="").readlines()
    if not lines:
        return collector
    records = _split_records(lines, contract)
    _, _, header, _ = next(records, (0, 1, [], None))
    names = [escape_undecodable(name)[0].strip() for name in header]
    columns, missing = collector.match_columns(names, contract)
    # The position beyond the last value stands for a column that the file does not have.
    positions = [names.index(name) if name in columns else len(names) for name in contract.fields]
    for start, end, values, broken in records:
        record, undecodable = escape_undecodable("".join(lines[start:end]).rstrip("\r\n"))
        fault = undecodable or missing or broken
        if fault is None and len(values) != len(names):
            fault = ("wrong_field_count", None, f"has {len(values)} fields; the header has {len(names)}")
        if fault is None and max(map(len, values)) > contract.longest_field:
            fault = ("field_too_long", None, f"has a field of more than {contract.longest_field:,} characters")
        if contract.null_tokens:
            values = ["" if value in contract.null_tokens else value for value in values]  # noqa: PLW2901
        collector.add(record, start + 1, _select_values(values, positions, fault), fault)
    return collector


def _select_values(values: list[str], positions: list[int], fault: Fault | None) -> list[str | None]:
    """Values of the declared fields, as far as a faulty record has them; an empty text is null."""
    padded = [*(value or None for value in values), *([None] * (max(positions, default=0) + 1 - len(values)))]
    selected = [padded[position] for position in positions]
    return selected if fault is None else [value and escape_undecodable(value)[0] for value in selected]


def _split_records(lines: list[str], contract: ChannelContract) -> Iterator[CsvRecord]:
    """The records of the lines; blank lines are skipped.

    An unclosed quote would swallow the following lines: then only its first line is refused, and reading goes on with
    the next line.
    """
    base, width = 0, None
    while base < len(lines):
        # A copy of the rest for each broken line would take time in the square of the file's size.
        reader = csv.reader(
            _lines_from(lines, base),
            delimiter=contract.delimiter,
            quotechar=contract.quote,
            quoting=csv.QUOTE_MINIMAL if contract.quote else csv.QUOTE_NONE,
            escapechar=contract.escape,
            skipinitialspace=contract.skip_initial_space,
            strict=True,
        )
        while True:
            start = base + reader.line_num
            try:
                values = next(reader, None)
            except csv.Error:
                yield _refuse_line(lines, start, contract.delimiter, "has a quote out of place")
                base = start + 1
                break
            if values is None:
                return
            end = base + reader.line_num
            if width is not None and len(values) != width and end > start + 1:
                yield _refuse_line(lines, start, contract.delimiter, "has an unclosed quote")
                base = start + 1
                break
            if values:
                width = width or len(values)
                yield start, end, values, None


def _lines_from(lines: list[str], base: int) -> Iterator[str]:
    return (lines[number] for number in range(base, len(lines)))


def _refuse_line(lines: list[str], line: int, delimiter: str, reason: str) -> CsvRecord:
    """One line as a record of its own, of which only the first value is known."""
    return line, line + 1, [lines[line].split(delimiter)[0]], ("broken_csv", None, reason)
