"""The result of reading a file: its records, their faults, and warnings about the file as a whole.

Here belong the shapes that all formats share, and what they do with declared and undeclared fields. Each format fills
them in a module of its own.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from cdp_pipelines.channels.contract import ChannelContract

# A fault of a record: name of the rule, field concerned (or None) and reason, always without values.
Fault = tuple[str, str | None, str]
_MOST_NAMES = 10
FAULT_COLUMNS = ("rule", "field", "reason")


@dataclass(slots=True)
class FileRecords:
    """Records of one file.

    `frame` has `record` (text as delivered), `row_number` (from 1), `line_number` (from 1, null where the format has
    no lines), `rule`, `field`, `reason` (all null where the record has no fault so far) and one text column for each
    declared field; `channels.records` adds `source_record_id`. `warnings` describe peculiarities of the file to
    people, without values.
    """

    frame: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RecordCollector:
    """Records of a file while they are read, column by column."""

    records: list[str] = field(default_factory=list)
    lines: list[int | None] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    values: list[list[str | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, record: str, line: int | None, values: list[str | None], fault: Fault | None = None) -> None:
        """Add a record; `values` are those of the declared fields, or none where the record could not be split."""
        self.records.append(record)
        self.lines.append(line)
        self.values.append(values)
        self.faults.append(fault)

    def warn_unknown_fields(self, names: AbstractSet[str]) -> None:
        """Add a warning about fields that the contract does not declare.

        Their names are masked: in a file without a header they are the first person's values.
        """
        if names:
            masked = sorted(f"{name[:1]}\u2026 ({len(name)} characters)" for name in names)
            more = f" and {len(masked) - _MOST_NAMES} more" if len(masked) > _MOST_NAMES else ""
            self.warnings.append(
                f"unknown_column: {', '.join(masked[:_MOST_NAMES])}{more}: kept in the record, not read until declared"
            )

    def match_columns(self, names: list[str], contract: ChannelContract) -> tuple[set[str], Fault | None]:
        """Declared columns of the file, and the fault of every record where a needed column is missing.

        Adds warnings about missing and undeclared columns. Needed are required fields, the key and the event time.
        """
        columns = set(names) & set(contract.fields)
        missing = [name for name in contract.fields if name not in columns]
        needed = [
            name
            for name in missing
            if contract.fields[name].required or name in (contract.key, *contract.event_time.fields)
        ]
        self.warn_unknown_fields(set(names) - set(contract.fields))
        if missing and not needed:
            self.warnings.append(f"missing_column: {', '.join(missing)}")
        if not needed:
            return columns, None
        self.warnings.append(f"missing_column: {', '.join(needed)}: every record refused")
        return columns, ("missing_column", needed[0], f"the file has no column {needed[0]!r}")

    def to_file_records(self, contract: ChannelContract) -> FileRecords:
        """The records as a frame."""
        columns = list(contract.columns.values())
        blank: list[str | None] = [None] * len(columns)
        by_column = zip(*(values or blank for values in self.values), strict=True) if self.values else ()
        values_of = dict(zip(columns, by_column, strict=True)) if self.values else dict.fromkeys(columns, ())
        frame = pl.DataFrame(
            {
                "record": pl.Series(self.records, dtype=pl.String),
                "row_number": pl.int_range(1, len(self.records) + 1, dtype=pl.Int64, eager=True),
                "line_number": pl.Series(self.lines, dtype=pl.Int64),
                **{
                    name: pl.Series([fault and fault[index] for fault in self.faults], dtype=pl.String)
                    for index, name in enumerate(FAULT_COLUMNS)
                },
                **{name: pl.Series(values, dtype=pl.String) for name, values in values_of.items()},
            }
        )
        return FileRecords(frame, self.warnings)


def refuse_file(data: bytes, contract: ChannelContract, reason: str) -> FileRecords:
    """The file as one refused record, its bytes in base64."""
    collector = RecordCollector(warnings=[f"unreadable_file: {reason}"])
    record = "base64:" + base64.b64encode(data).decode()
    collector.add(record, None, [], ("unreadable_file", None, f"the file {reason}"))
    return collector.to_file_records(contract)
