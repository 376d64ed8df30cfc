"""JSON files (RFC 8259) to records: one object a line (NDJSON), or one array of objects.

Here belong the syntax and the flattening of nested objects into declared fields. The meaning of the values is in
`channels.field_value`.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import orjson

from cdp_pipelines.channels.formats.encoding import escape_undecodable
from cdp_pipelines.channels.formats.file_records import RecordCollector

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract

_NOT_AN_OBJECT = ("broken_json", None, "is JSON, but not an object")


def read_ndjson(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with one JSON object a line; faults: `broken_json`, and encoding."""
    collector = RecordCollector()
    flattener = _Flattener(contract)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        record, fault = escape_undecodable(line.rstrip("\r"))
        values: list[str | None] = []
        try:
            value = orjson.loads(record)
        except orjson.JSONDecodeError as error:
            fault = fault or ("broken_json", None, f"is not valid JSON from character {error.colno} on")
        else:
            if isinstance(value, dict):
                values = flattener.flatten(value)
            else:
                fault = fault or _NOT_AN_OBJECT
        collector.add(record, number, values or flattener.recover_key(record), fault)
    collector.warn_unknown_fields(flattener.unknown)
    return collector


def read_json_array(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with one JSON array of objects; faults: `broken_json`, and encoding.

    Of an array that breaks off, the complete elements are records.
    """
    collector = RecordCollector()
    flattener = _Flattener(contract)
    decoder = json.JSONDecoder()
    # Position up to which line ends are counted, so that no element counts them from the start again.
    line, counted = 1, 0
    position = _skip_blanks(text, 0)
    if text[position : position + 1] != "[":
        if text.strip():
            collector.add(escape_undecodable(text)[0], 1, [], ("broken_json", None, "is not a JSON array"))
        return collector
    position = _skip_blanks(text, position + 1)
    while position < len(text) and text[position] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            record = escape_undecodable(text[position:])[0]
            fault = ("broken_json", None, "the array breaks off here")
            collector.add(record, line, flattener.recover_key(record), fault)
            collector.warnings.append("broken_json: the array breaks off; its complete elements were taken in")
            break
        record, undecodable = escape_undecodable(text[position:end])
        if isinstance(value, dict):
            collector.add(record, line, flattener.flatten(value), undecodable)
        else:
            collector.add(record, line, [], undecodable or _NOT_AN_OBJECT)
        position = _skip_blanks(text, end)
        if text[position : position + 1] == ",":
            position = _skip_blanks(text, position + 1)
    collector.warn_unknown_fields(flattener.unknown)
    return collector


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


class _Flattener:
    """Turns nested objects into the texts of the declared fields; `unknown` collects undeclared paths."""

    def __init__(self, contract: ChannelContract) -> None:
        self.unknown: set[str] = set()
        self._position = {name: index for index, name in enumerate(contract.fields)}
        self._key = contract.key
        # An object that is null where its fields are declared is a known field, not an unknown one.
        self._parents = {name[:at] for name in contract.fields for at, sign in enumerate(name) if sign == "."}

    def flatten(self, value: dict[str, Any]) -> list[str | None]:
        texts: list[str | None] = [None] * len(self._position)
        self._fill(value, "", texts)
        return texts

    def _fill(self, value: dict[str, Any], prefix: str, texts: list[str | None]) -> None:
        for name, item in value.items():
            path = prefix + name
            position = self._position.get(path)
            if position is not None:
                texts[position] = _to_text(item)
            elif isinstance(item, dict):
                self._fill(item, path + ".", texts)
            elif path not in self._parents:
                self.unknown.add(path)

    def recover_key(self, record: str) -> list[str | None]:
        """Of a broken object its key, if that is before the break; all other fields are null."""
        texts: list[str | None] = [None] * len(self._position)
        at = record.find(f'"{self._key}"')
        if at >= 0:
            after = record[at + len(self._key) + 2 :].lstrip()
            with contextlib.suppress(json.JSONDecodeError):
                value, _ = json.JSONDecoder().raw_decode(after.removeprefix(":").lstrip())
                texts[self._position[self._key]] = _to_text(value)
        return texts


def _to_text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    return orjson.dumps(value).decode()
