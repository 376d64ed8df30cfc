"""Records of raw drop files, read by brute force: CSV, JSON and Parquet, plain or gzip.

An independent checker: it shares no code with the readers of the pipeline, so that a record which they lose is found.
What a record states about consent belongs in `warehouse.verify.statements`.
"""

import csv
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

LONGEST_FIELD = (1 << 31) - 1
BLOCK = 4096
# Signs of windows-1252 at the places of control characters in Latin-1.
WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
NEXT_OBJECT = re.compile(r",\s*(?={)")


@dataclass(frozen=True)
class DropRecord:
    """One record of a drop file. `values`: source field to text, nested fields as parent.child; blank ones are absent.

    `number`: its row from 1. `line`: the line on which it begins, None for Parquet and JSON arrays. `problem`: why it
    cannot be read; its values may be missing then.
    """

    channel: str
    drop_date: date
    file: str
    sha256: str
    number: int
    line: int | None
    values: dict[str, str]
    problem: str = ""

    @property
    def place(self) -> str:
        """Where it stands, for people; never a value."""
        return f"{self.drop_date}/{self.file}, " + (f"row {self.number}" if self.line is None else f"line {self.line}")


# Line, values and problem of a record.
Found = tuple[int | None, dict[str, str], str]


def read_drops(drops: Path, channels: dict[str, dict]) -> Iterator[DropRecord]:
    """Every record of the channels in the folders of the nights, by night, file and row. `channels`: declarations."""
    for folder in sorted(drops.iterdir()):
        if not (re.fullmatch(r"\d{4}-\d{2}-\d{2}", folder.name) and folder.is_dir()):
            continue
        for path in sorted(folder.iterdir()):
            for name, channel in channels.items():
                if path.is_file() and fnmatchcase(path.name, channel["files"]):
                    data = path.read_bytes()
                    digest = hashlib.sha256(data).hexdigest()
                    night = date.fromisoformat(folder.name)
                    for number, (line, values, problem) in enumerate(read_file(data, channel), 1):
                        yield DropRecord(name, night, path.name, digest, number, line, values, problem)


def read_file(data: bytes, channel: dict) -> Iterator[Found]:
    """The records of one file, in its rows: elements of lists where the channel declares `one_row_per`."""
    if channel.get("compression") == "gzip" and data:
        data, problem = unpack(data)
        if problem and not data:
            yield None, {}, problem
            return
    lists = re.findall(r"[^\[\]]+\[\]", channel.get("one_row_per") or "")
    for line, content, problem in find_records(data, channel):
        rows = split_lists(content, [part.lstrip(".") for part in lists]) if lists and not problem else [(content, "")]
        for number, (row, prefix) in enumerate(rows, 1):
            values = flatten(row)
            if lists and not problem and "[]" not in channel["key"] and channel["key"] in values:
                values[channel["key"]] += f"#{number if prefix else 0}"
            yield line, values, problem


def unpack(data: bytes) -> tuple[bytes, str]:
    """The content of a gzip file, of a damaged one up to the damage, and the problem."""
    try:
        return gzip.decompress(data), ""
    except (OSError, EOFError, zlib.error):
        pass
    content, rest = b"", data
    while rest.strip(b"\0"):
        member = zlib.decompressobj(31)
        try:
            # Byte by byte: zlib drops the output of the call in which it finds the damage.
            parts = (rest[position : position + 1] for position in range(len(rest)))
            for part in parts:
                content += member.decompress(part)
                if member.eof:
                    break
        except zlib.error:
            return content, "is damaged gzip"
        if not member.eof:
            return content, "ends within its gzip stream"
        rest = member.unused_data + b"".join(parts)
    return content, "is damaged gzip"


def decode(data: bytes, encoding: str) -> str:
    """The text; bytes that are not in the encoding become surrogates."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace")
    if encoding == "latin-1":
        return data.decode("latin-1").translate(WINDOWS_1252)
    return data.decode("utf-8-sig", "surrogateescape")


def find_records(data: bytes, channel: dict) -> Iterator[tuple[int | None, dict, str]]:
    """The records of unpacked bytes: line, content and problem."""
    if channel["format"] == "parquet":
        try:
            rows = parquet.read_table(pa.BufferReader(data)).to_pylist()
        except (pa.ArrowException, OSError, ValueError):
            yield None, {}, "is damaged Parquet"
            return
        yield from ((None, row, "") for row in rows)
        return
    text = decode(data, channel.get("encoding", "utf-8"))
    readers = {"csv": find_csv_records, "ndjson": find_json_lines, "json_array": find_json_elements}
    yield from readers[channel["format"]](text, channel)


def find_csv_records(text: str, channel: dict) -> Iterator[tuple[int | None, dict, str]]:
    """Records of delimited text. A record ends at the first line end outside of quotes.

    Where there is none, or it does not give the width of the header, a quote is out of place: then the line is a
    record.
    """
    csv.field_size_limit(LONGEST_FIELD)
    lines = re.findall(r"[^\r\n]*(?:\r\n|\n|\r|$)", text)[:-1] or []
    delimiter, header, start = channel.get("delimiter", ","), None, 0
    while start < len(lines):
        end, quotes = start + 1, lines[start].count('"')
        while quotes % 2 and end < len(lines):
            quotes += lines[end].count('"')
            end += 1
        values = parse_line("".join(lines[start:end]), delimiter)
        if end > start + 1 and header is not None and (quotes % 2 or len(values) != len(header)):
            end, values = start + 1, parse_line(lines[start], delimiter)
        is_blank = not "".join(lines[start:end]).strip("\r\n")
        if header is None and not is_blank:
            header = [name.strip() for name in values]
        elif header is not None and not is_blank:
            problem = "" if len(values) == len(header) else f"has {len(values)} fields; the header has {len(header)}"
            yield start + 1, dict(zip(header, values, strict=False)), problem
        start = end


def parse_line(text: str, delimiter: str) -> list[str]:
    """The values of one record, quotes out of place included."""
    lines = text.splitlines(keepends=True)
    return [value for row in csv.reader(lines, delimiter=delimiter) for value in row]


def find_json_lines(text: str, _: dict) -> Iterator[tuple[int | None, dict, str]]:
    """One JSON object on each line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, *load_object(line)


def load_object(text: str) -> tuple[dict, str]:
    """The object, and the problem where it is none."""
    try:
        content = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return {}, "is not valid JSON"
    return (content, "") if isinstance(content, dict) else ({}, "is not a JSON object")


def find_json_elements(text: str, _: dict) -> Iterator[tuple[int | None, dict, str]]:
    """The objects of one or more JSON arrays; a broken one ends where the next object begins.

    They have no line: many stand on one.
    """
    decoder, position = json.JSONDecoder(parse_int=str, parse_float=str), 0
    while position < len(text):
        if text[position] in " \t\r\n,[]":
            position += 1
            continue
        try:
            content, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            following = NEXT_OBJECT.search(text, position + 1)
            yield None, {}, "is not valid JSON"
            position = following.start() if following else len(text)
            continue
        yield None, *((content, "") if isinstance(content, dict) else ({}, "is not a JSON object"))


def split_lists(content: dict, lists: list[str], prefix: str = "") -> list[tuple[dict, str]]:
    """One row for each element of nested lists: all outer fields, and those of the element under its path.

    Returns each row with the path of its elements, empty where the record has no list.
    """
    *parents, last = lists[0].removesuffix("[]").split(".")
    around = content
    for name in parents:
        around = around.get(name) if isinstance(around, dict) else None
    elements = around.get(last) if isinstance(around, dict) else None
    if elements in (None, "", []):
        return [(content, "")]
    path, rows = prefix + lists[0], []
    for element in elements if isinstance(elements, list) else [elements]:
        inner = split_lists(element, lists[1:], f"{path}.") if lists[1:] and isinstance(element, dict) else []
        for row, own in inner or [({}, "")]:
            rows.append(({**content, path: element, **{key: row[key] for key in row if own and "[]" in key}}, path))
    return rows


def flatten(content: dict) -> dict[str, str]:
    """Dotted names to texts; an object in a field of its own is also there as its JSON."""
    values: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            values |= {f"{name}.{key}": text for key, text in flatten(value).items()}
            values[name] = json.dumps(value, default=str)
        elif isinstance(value, list):
            values[name] = json.dumps(value, default=str)
        elif value is not None and str(value).strip():
            values[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return values
