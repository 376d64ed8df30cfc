"""Read public test suites of JSON, CSV and Parquet through admission: no exception, every row accounted for.

    python -m tests.read_public_suites --json FOLDER --csv FOLDER --parquet FOLDER

The folders are copies of github.com/nst/JSONTestSuite, max-mapper/csv-spectrum and apache/parquet-testing; they are not
in this repository. Each expected count comes from another reader: Python's `json`, the JSON twins of csv-spectrum, and
pyarrow. `tests/test_read_public_suites.py` runs the checks on small files of its own.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow.parquet as pq

from cdp_pipelines.channels.contract import ChannelContract, load_contract
from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.records import read_records
from tests.fuzz_readers import account

FORMS = ("array", "lines", "value_in_array", "value_in_line")
AT = {"fields": ["at"], "formats": ["%Y-%m-%d"]}
DECLARED = {
    "title": "T", "owner": "team:t", "system": "t", "region": "US", "files": "t.*", "key": "id", "event_time": AT,
    "collected_for": ["analytics"], "retention": "P1Y",
}  # fmt: skip
# Documents that are read in another way than their names say: the values of a name differ, and two arrays are read.
DECIDED = {"y_object_duplicated_key.json", "n_structure_double_array.json"}
# Where the JSON twin of a file states another value than the file.
ERRATA = {"location_coordinates": {"Contact Phone Number": "2095257564"}}


class Expectation(NamedTuple):
    """What another reader says of a file; None where it does not say."""

    row_count: int | None = None
    accepted: bool | None = None
    values: list[dict[str, str | None]] | None = None


@dataclass
class Tally:
    """Counts of a suite; `problems` and `notes` name the files."""

    name: str
    counts: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, label: str, data: bytes, contract: ChannelContract, expected: Expectation) -> None:
        """Admit a file and compare it with what is expected."""
        before = self.counts.copy()
        try:
            frame = account(data, contract, self.counts)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  a panic of Rust is no Exception, and is to be counted
            self.counts["uncaught exceptions"] += 1
            self.problems.append(f"{label}: {type(error).__name__}")
            return
        whole = frame.filter(pl.col("rule") == "unreadable_file")
        self.counts["refused as files"] += whole.height
        self.counts["read without a fault"] += frame["rule"].null_count()
        self.reasons.update(whole["reason"])
        accepted = self.counts["accepted"] - before["accepted"]
        if expected.row_count is not None and not whole.height and frame.height != expected.row_count:
            self.counts["unaccounted rows"] += abs(frame.height - expected.row_count)
            self.problems.append(f"{label}: {frame.height} rows, expected {expected.row_count}")
        # What is not JSON may be followed or preceded by a sound object, but not be taken in without a refusal.
        if expected.accepted is not None and expected.accepted != (accepted == frame.height > 0):
            self.problems.append(f"{label}: {accepted} rows accepted, {frame.height} read")
        if expected.values is not None:
            found = [{name: row[column] for name, column in contract.columns.items()} for row in frame.to_dicts()]
            if found != expected.values or accepted != len(found):
                self.problems.append(f"{label}: other values than expected")

    def report(self) -> str:
        """The counts, reasons and problems as text."""
        names = (
            "files",
            "received",
            "read without a fault",
            "accepted",
            "refused",
            "refused as files",
            "uncaught exceptions",
        )
        lines = [f"{self.name}: " + ", ".join(f"{self.counts[name]:,} {name}" for name in (*names, "unaccounted rows"))]
        lines += [f"  {count:,} times: {reason}" for reason, count in sorted(self.reasons.items())]
        return "\n".join(
            [
                *lines,
                *(f"  note: {note}" for note in self.notes),
                *(f"  PROBLEM: {problem}" for problem in self.problems),
            ]
        )


def declare(fields: list[str], **declared: Any) -> ChannelContract:
    """A channel with these fields."""
    described = {name: {"description": name or "empty"} for name in fields}
    return load_contract("t", {**DECLARED, "fields": described, **declared}, "t/defs.yaml")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def parse(data: bytes) -> Any:
    """The value by Python's `json`, without NaN; `ValueError` where there is none."""
    return json.loads(data.decode(), parse_constant=_refuse_constant)


def read_json_suite(folder: Path) -> Iterator[Tally]:
    """Each document as an array, as lines, and as the value of a field in an array and in a line."""
    for form in FORMS:
        tally = Tally(f"JSONTestSuite as {form}")
        contract = declare(["id", "at", "note"], format="json_array" if "array" in form else "ndjson")
        for file in sorted((folder / "test_parsing").glob("*.json")):
            data = file.read_bytes()
            if form.startswith("value"):
                data = b'{"id":"1","at":"2024-05-01","note":' + data + b"}"
            if form == "value_in_array":
                data = b"[" + data + b"]"
            tally.read(f"{form} {file.name}", data, contract, expect_json(file.name, data, form))
            if form == "array" and file.name.startswith("n_") and file.name not in DECIDED:
                tally.problems += expect_message(file.name, data, contract)
        yield tally


def expect_json(name: str, data: bytes, form: str) -> Expectation:
    """What Python's `json` says: rows of an array or of lines; a value is accepted if, and only if, it is JSON."""
    kind = name[0]
    if form == "lines":
        return Expectation(sum(1 for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")))
    if form == "array":
        value = parse(data) if kind == "y" else None
        return Expectation(len(value) if isinstance(value, list) else 1 if kind == "y" else None)
    # A line ends where a document has a line end.
    accepted = (
        None
        if kind == "i" or name in DECIDED or (kind == "y" and form == "value_in_line" and b"\n" in data)
        else kind == "y"
    )
    return Expectation(accepted=accepted)


def expect_message(name: str, data: bytes, contract: ChannelContract) -> list[str]:
    """A problem where a document that is not JSON is read as an array without a refused row and without a warning."""
    found = read_records(data, contract)
    is_silent = not found.warnings and found.frame["rule"].null_count() == found.frame.height
    is_blank = not data.strip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf")
    return [f"array {name}: taken in without a message"] if is_silent and not is_blank else []


def read_csv_suite(folder: Path) -> Iterator[Tally]:
    """Each file with an id and a date before each row; its values compare with those of its JSON twin."""
    tally = Tally("csv-spectrum")
    for file in sorted((folder / "csvs").glob("*.csv")):
        content = json.loads((folder / "json" / f"{file.stem}.json").read_text())
        rows = [row | ERRATA.get(file.stem, {}) for row in (content if isinstance(content, list) else [content])]
        values = [
            {"id": str(number), "at": "2024-05-01"} | {name: value or None for name, value in row.items()}
            for number, row in enumerate(rows)
        ]
        contract = declare(list(values[0]), format="csv")
        tally.read(file.name, add_columns(file.read_bytes(), rows), contract, Expectation(len(rows), values=values))
    yield tally


def add_columns(data: bytes, rows: list[dict[str, str]]) -> bytes:
    """The file with the columns `id` and `at`; `rows` tell how many lines a record has."""
    lines = data.split(b"\n")
    lines[0] = b"id,at," + lines[0]
    line = 1
    for number, row in enumerate(rows):
        lines[line] = b"%d,2024-05-01," % number + lines[line]
        line += 1 + sum(value.count("\n") for value in row.values())
    return b"\n".join(lines)


def read_parquet_suite(folder: Path) -> Iterator[Tally]:
    """Each file with its own columns; the first is the key. Its rows are as many as pyarrow reads."""
    tally = Tally("parquet-testing")
    for file in sorted(folder.rglob("*.parquet*")):
        label = str(file.relative_to(folder))
        row_count, fields = count_by_pyarrow(file)
        contract = declare(fields, format="parquet", key=fields[0], event_time={**AT, "fields": fields[:1]})
        before = tally.counts["refused as files"]
        tally.read(label, file.read_bytes(), contract, Expectation(row_count))
        if row_count is not None and tally.counts["refused as files"] > before:
            tally.notes.append(f"{label}: refused, though pyarrow reads it")
        elif row_count is None and tally.counts["refused as files"] == before:
            tally.notes.append(f"{label}: read, though pyarrow does not read it")
    yield tally


def count_by_pyarrow(file: Path) -> tuple[int | None, list[str]]:
    """(rows, or None where pyarrow does not read the file; columns)."""
    try:
        table = pq.ParquetFile(file).read()
    except (OSError, ValueError, NotImplementedError):
        return None, ["id"]
    # Names that would be one column of a channel stand once.
    return table.num_rows, list({column_name(name): name for name in table.column_names}.values())


READERS: dict[str, Callable[[Path], Iterator[Tally]]] = {
    "json": read_json_suite,
    "csv": read_csv_suite,
    "parquet": read_parquet_suite,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the counts of each suite; 1 where a file has a problem, 2 where a folder has no file of its suite."""
    parser = argparse.ArgumentParser(description="Read public test suites through admission.")
    for name in READERS:
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    options = vars(parser.parse_args(arguments))
    if not any(options.values()):
        parser.error("name at least one folder")
    tallies = [tally for name, read in READERS.items() if options[name] for tally in read(options[name])]
    for tally in tallies:
        print(tally.report())
        if not tally.counts["files"] and not tally.problems:
            parser.error(f"{tally.name}: the folder has no file of this suite")
    return int(any(tally.problems for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
