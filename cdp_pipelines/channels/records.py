"""From a file's bytes to its records: every record whole, with its place, and split into the declared fields.

Nothing raises on bad input and nothing is lost: a record that cannot be split is a record with a fault, and a fault
of the whole file is a fault of each of its records. Which *values* are acceptable is `rules`.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import fnmatch
import io
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdp_pipelines.channels.contract import ChannelContract

# A record's fault is a rule's name, the field it concerns (or None) and the reason, always without values.
Fault = tuple[str, str | None, str]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class FileRecords:
    """Records of one file.

    `frame` has `record` (text as it came), `row_number` (from 1), `line_number` (from 1, null where the format has no
    lines), `rule`, `field`, `reason` (all null where the record is sound so far) and one text column per declared
    field. `warnings` are for people: what is odd about the file, without values.
    """

    frame: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Split:
    """Records being collected, column-wise."""

    records: list[str] = field(default_factory=list)
    lines: list[int | None] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    values: list[list[str | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, record: str, line: int | None, values: list[str | None], fault: Fault | None = None) -> None:
        self.records.append(record)
        self.lines.append(line)
        self.values.append(values)
        self.faults.append(fault)


def matches_channel(contract: ChannelContract, file: str) -> bool:
    """Whether the channel claims a file of this name."""
    return fnmatch.fnmatchcase(file, contract.files)


def read_records(data: bytes, contract: ChannelContract) -> FileRecords:
    """Split a file into records.

    Faults it can find: `unreadable_file`, `truncated_file`, `wrong_encoding`, `missing_column`, `broken_csv`,
    `wrong_field_count`, `broken_json`. Sources: RFC 4180 (CSV), RFC 8259 (JSON), RFC 1952 (gzip).
    """
    whole: Fault | None = None
    warnings: list[str] = []
    is_cut = False
    if contract.compression == "gzip":
        plain, is_cut = _gunzip(data)
        if plain is None:
            return _unreadable(data, contract, "is declared gzip and does not begin as one")
        data = plain
    if contract.format == "parquet":
        return _parquet(data, contract)
    text, whole = _decode(data, contract.encoding)
    split = {"csv": _csv, "ndjson": _ndjson, "json_array": _json_array}[contract.format](text, contract)
    if is_cut:
        reason = "the file ends in the middle of its gzip stream; its complete records were taken in"
        warnings.append(f"truncated_file: {reason}")
        if split.faults and not text.endswith("\n"):
            split.faults[-1] = ("truncated_file", None, "the file ends within this record")
    if whole is not None:
        warnings.append(f"{whole[0]}: {whole[2]}")
        split.faults = [whole] * len(split.faults)
    return _frame(split, contract, warnings)


def _frame(split: _Split, contract: ChannelContract, warnings: list[str]) -> FileRecords:
    columns = list(contract.columns.values())
    blank = [None] * len(columns)
    by_column = (
        zip(*(values or blank for values in split.values), strict=True) if split.values else ([] for _ in columns)
    )
    frame = pl.DataFrame(
        {
            "record": pl.Series(split.records, dtype=pl.String),
            "row_number": pl.int_range(1, len(split.records) + 1, dtype=pl.Int64, eager=True),
            "line_number": pl.Series(split.lines, dtype=pl.Int64),
            **{
                name: pl.Series([fault and fault[index] for fault in split.faults], dtype=pl.String)
                for index, name in enumerate(("rule", "field", "reason"))
            },
            **{name: pl.Series(values, dtype=pl.String) for name, values in zip(columns, by_column, strict=True)},
        }
    )
    return FileRecords(frame, warnings + split.warnings)


def _gunzip(data: bytes) -> tuple[bytes | None, bool]:
    """What can be unpacked, and whether the stream breaks off or is damaged before its end."""
    if data[:2] != b"\x1f\x8b":
        return (b"", False) if not data else (None, False)
    plain = bytearray()
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            for start in range(0, len(data), 1 << 16):
                plain += member.decompress(data[start : start + (1 << 16)])
                if member.eof:
                    data = member.unused_data + data[start + (1 << 16) :]
                    break
            else:
                return bytes(plain + member.flush()), True
        except zlib.error:
            return bytes(plain), True
    return bytes(plain), False


def _decode(data: bytes, encoding: str) -> tuple[str, Fault | None]:
    """The text, and a fault of the whole file if it is not in the declared encoding.

    Single bytes that are not UTF-8 in a UTF-8 file stay as surrogates, so that only their own records are refused.
    """
    if data[:2] in _UTF16:
        return data.decode("utf-16", "replace"), ("wrong_encoding", None, f"the file is UTF-16; declared is {encoding}")
    if encoding == "utf-8":
        return data.removeprefix(_UTF8_BOM).decode("utf-8", "surrogateescape"), None
    if not data.isascii():
        # Latin-1 decodes anything; what is also valid UTF-8 beyond ASCII is UTF-8, save by absurd chance.
        try:
            return data.removeprefix(_UTF8_BOM).decode("utf-8"), (
                "wrong_encoding",
                None,
                f"the file is UTF-8; declared is {encoding}",
            )
        except UnicodeDecodeError:
            pass
    return data.decode("latin-1"), None


def _encodable(text: str) -> tuple[str, Fault | None]:
    """The text, with bytes that are not UTF-8 shown by their hexadecimal codes, and the fault if there were any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return shown, ("wrong_encoding", None, "has bytes that are not UTF-8")
    return text, None


def _csv(text: str, contract: ChannelContract) -> _Split:
    split = _Split()
    lines = io.StringIO(text, newline="").readlines()
    if not lines:
        return split
    records = _csv_records(lines, contract.delimiter)
    _, _, header, _ = next(records, (0, 1, [], None))
    names = [_encodable(name)[0].strip() for name in header]
    columns, missing = _header(names, contract, split)
    # The position beyond the last value stands for a column that the file does not have.
    places = [names.index(name) if name in columns else len(names) for name in contract.fields]
    for start, end, values, broken in records:
        record, undecodable = _encodable("".join(lines[start:end]).rstrip("\r\n"))
        fault = undecodable or missing or broken
        if fault is None and len(values) != len(names):
            fault = ("wrong_field_count", None, f"has {len(values)} fields; the header has {len(names)}")
        split.add(record, start + 1, _pick(values, places, fault), fault)
    return split


def _pick(values: list[str], places: list[int], fault: Fault | None) -> list[str | None]:
    """The declared fields; an empty text is no value. Of a faulty record what can be told of them."""
    padded = [*(value or None for value in values), *([None] * (max(places, default=0) + 1 - len(values)))]
    picked = [padded[place] for place in places]
    return picked if fault is None else [value and _encodable(value)[0] for value in picked]


def _header(names: list[str], contract: ChannelContract, split: _Split) -> tuple[set[str], Fault | None]:
    """Declared columns that the header has, and the fault of every record where a needed one is missing."""
    columns = set(names) & set(contract.fields)
    absent = [name for name in contract.fields if name not in columns]
    needed = [
        name for name in absent if contract.fields[name].required or name in (contract.key, *contract.event_time.fields)
    ]
    _warn_unknown(set(names) - set(contract.fields), split)
    if absent and not needed:
        split.warnings.append(f"missing_column: {', '.join(absent)}")
    if not needed:
        return columns, None
    fault = ("missing_column", needed[0], f"the file has no column {needed[0]!r}")
    split.warnings.append(f"missing_column: {', '.join(needed)}: every record refused")
    return columns, fault


def _warn_unknown(names: set[str], split: _Split) -> None:
    if names:
        split.warnings.append(
            f"unknown_column: {', '.join(sorted(names))}: kept in the record, not read until declared"
        )


def _csv_records(lines: list[str], delimiter: str) -> Iterator[tuple[int, int, list[str], Fault | None]]:
    """(first line, line after the last, values, fault) of each record, lines from 0; blank lines are skipped.

    A quote that is never closed would swallow what follows: then its first line alone is refused and reading goes on
    with the next line.
    """
    base, width = 0, None
    while base < len(lines):
        reader = csv.reader(iter(lines[base:]), delimiter=delimiter, strict=True)
        while True:
            start = base + reader.line_num
            try:
                values = next(reader, None)
            except csv.Error:
                yield (
                    start,
                    start + 1,
                    [lines[start].split(delimiter)[0]],
                    ("broken_csv", None, "has a quote out of place"),
                )
                base = start + 1
                break
            if values is None:
                return
            end = base + reader.line_num
            if width is not None and len(values) != width and end > start + 1:
                yield (
                    start,
                    start + 1,
                    [lines[start].split(delimiter)[0]],
                    ("broken_csv", None, "has an unclosed quote"),
                )
                base = start + 1
                break
            if values:
                width = width or len(values)
                yield start, end, values, None


def _ndjson(text: str, contract: ChannelContract) -> _Split:
    split = _Split()
    unknown: set[str] = set()
    flatten = _Flattener(contract, unknown)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        record, fault = _encodable(line.rstrip("\r"))
        values: list[str | None] = []
        try:
            value = orjson.loads(record)
        except orjson.JSONDecodeError as error:
            fault = fault or ("broken_json", None, f"is no JSON from character {error.colno} on")
        else:
            if isinstance(value, dict):
                values = flatten(value)
            else:
                fault = fault or ("broken_json", None, "is JSON, but no object")
        split.add(record, number, values or flatten.told(record), fault)
    _warn_unknown(unknown, split)
    return split


def _json_array(text: str, contract: ChannelContract) -> _Split:
    split = _Split()
    unknown: set[str] = set()
    flatten = _Flattener(contract, unknown)
    decoder = json.JSONDecoder()
    # Places of the line ends, so that each element's line is told without counting from the start each time.
    line, counted = 1, 0
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        if text.strip():
            split.add(_encodable(text)[0], 1, [], ("broken_json", None, "is no JSON array"))
        return split
    position = _skip(text, position + 1)
    while position < len(text) and text[position] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            record = _encodable(text[position:])[0]
            split.add(record, line, flatten.told(record), ("broken_json", None, "the array breaks off here"))
            split.warnings.append("broken_json: the array breaks off; its complete elements were taken in")
            break
        record, fault = _encodable(text[position:end])
        if isinstance(value, dict):
            split.add(record, line, flatten(value), fault)
        else:
            split.add(record, line, [], fault or ("broken_json", None, "is JSON, but no object"))
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    _warn_unknown(unknown, split)
    return split


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


class _Flattener:
    """From a nested object to the texts of the declared fields; notes paths that nobody declared."""

    def __init__(self, contract: ChannelContract, unknown: set[str]) -> None:
        self._place = {name: index for index, name in enumerate(contract.fields)}
        self._key = contract.key
        # An object that is null where its fields are declared is a known field, not an unknown one.
        self._parents = {name[:at] for name in contract.fields for at, sign in enumerate(name) if sign == "."}
        self._unknown = unknown

    def __call__(self, value: dict) -> list[str | None]:
        texts: list[str | None] = [None] * len(self._place)
        self._fill(value, "", texts)
        return texts

    def _fill(self, value: dict, prefix: str, texts: list[str | None]) -> None:
        for name, item in value.items():
            path = prefix + name
            place = self._place.get(path)
            if place is not None:
                texts[place] = _text(item)
            elif isinstance(item, dict):
                self._fill(item, path + ".", texts)
            elif path not in self._parents:
                self._unknown.add(path)

    def told(self, record: str) -> list[str | None]:
        """Of a broken object what can be told: its key, if that stands before the break."""
        texts: list[str | None] = [None] * len(self._place)
        at = record.find(f'"{self._key}"')
        if at >= 0:
            after = record[at + len(self._key) + 2 :].lstrip()
            with contextlib.suppress(json.JSONDecodeError):
                texts[self._place[self._key]] = _text(
                    json.JSONDecoder().raw_decode(after.removeprefix(":").lstrip())[0]
                )
        return texts


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    return orjson.dumps(value).decode()


def _parquet(data: bytes, contract: ChannelContract) -> FileRecords:
    split = _Split()
    if not data:
        return _frame(split, contract, [])
    try:
        found = pl.read_parquet(io.BytesIO(data))
    except Exception:  # noqa: BLE001  a damaged file fails in many ways; none of them may stop the night
        return _unreadable(data, contract, "is no readable Parquet")
    columns, missing = _header(found.columns, contract, split)
    frame = found.select(
        pl.struct(pl.all()).struct.json_encode().alias("record"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"),
        pl.lit(None, pl.Int64).alias("line_number"),
        *(
            pl.lit(part, pl.String).alias(name)
            for name, part in zip(("rule", "field", "reason"), missing or (None,) * 3, strict=True)
        ),
        *(
            (pl.col(field).cast(pl.String) if field in columns else pl.lit(None, pl.String)).alias(column)
            for field, column in contract.columns.items()
        ),
    )
    return FileRecords(frame, split.warnings)


def _unreadable(data: bytes, contract: ChannelContract, reason: str) -> FileRecords:
    """The file as one refused record, its bytes in base64."""
    split = _Split()
    split.add("base64:" + base64.b64encode(data).decode(), None, [], ("unreadable_file", None, f"the file {reason}"))
    return _frame(split, contract, [f"unreadable_file: {reason}"])
