"""JSON files (RFC 8259) to records: one object a line (NDJSON), or arrays of objects.

Here belong the syntax and the flattening of nested objects into declared fields. The meaning of the values is in
`channels.field_value`.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from cdp_pipelines.channels.formats.encoding import escape_undecodable, replace_surrogates
from cdp_pipelines.channels.formats.file_records import RecordCollector

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

_NOT_AN_OBJECT = ("broken_json", None, "is JSON, but not an object")
_TOO_DEEP = ("broken_json", None, "is nested too deeply")
# Beyond so many digits a number is no longer what the file says once it is a float or 64 bits.
_LONG_NUMBER = re.compile(r"[0-9]{16}")
# Where reading goes on behind a broken element of an array.
_NEXT_OBJECT = re.compile(r",\s*(?=\{)")
# Each broken element may be read up to the end of the file; more of them would take time in the square of its size.
_MOST_BROKEN = 1_000
# Declared fields are a few objects deep; deeper ones are undeclared.
_MOST_LEVELS = 64


class _TooDeepError(ValueError):
    """A value of a declared field is nested too deeply; never leaves this module."""


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


# Digits of whole numbers stay as they are; NaN and Infinity are not JSON.
_DECODER = json.JSONDecoder(parse_int=str, parse_constant=_refuse_constant)


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
            value = _DECODER.decode(record) if _LONG_NUMBER.search(record) else orjson.loads(record)
            if isinstance(value, dict):
                values = flattener.flatten(value)
            else:
                fault = fault or _NOT_AN_OBJECT
        except json.JSONDecodeError as error:
            fault = fault or ("broken_json", None, f"is not valid JSON from character {error.colno} on")
        except (_TooDeepError, RecursionError):
            fault = fault or _TOO_DEEP
        except ValueError:
            fault = fault or ("broken_json", None, "is not valid JSON: NaN and Infinity are not numbers")
        collector.add(record, number, values or flattener.recover_key(record), fault)
    flattener.warn(collector)
    return collector


def read_json_array(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with JSON arrays of objects, one behind the other; faults: `broken_json`, and encoding.

    A broken element is refused up to the next object; of an array that breaks off, the complete elements are records.
    Text that follows the last array is one refused record.
    """
    collector = RecordCollector()
    flattener = _Flattener(contract)
    # Position up to which line ends are counted, so that no element counts them from the start again.
    line, counted, broken_count = 1, 0, 0
    position = _skip_blanks(text, 0)
    is_inside = False
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        if not is_inside:
            if text[position] != "[":
                reason = "follows the end of the array" if collector.records else "is not a JSON array"
                collector.add(escape_undecodable(text[position:])[0], line, [], ("broken_json", None, reason))
                collector.warnings.append(f"broken_json: text that {reason} was refused")
                break
            position, is_inside = _skip_blanks(text, position + 1), True
            continue
        if text[position] == "]":
            position, is_inside = _skip_blanks(text, position + 1), False
            continue
        value, end, fault = _read_element(text, position)
        if fault is not None:
            broken_count += 1
            end, fault = _resume(text, position, fault, may_search=broken_count < _MOST_BROKEN)
            if end == len(text):
                collector.warnings.append("broken_json: the array breaks off; its complete elements were taken in")
        _add_element(collector, flattener, text[position:end], line, value, fault)
        position = _skip_blanks(text, end)
        if text[position : position + 1] == ",":
            position = _skip_blanks(text, position + 1)
    flattener.warn(collector)
    return collector


def _resume(text: str, position: int, fault: Fault, *, may_search: bool) -> tuple[int, Fault]:
    """Where the broken element that begins here ends, and its fault: at the next object, or at the end of the text."""
    following = _NEXT_OBJECT.search(text, position + 1) if may_search else None
    if following is None:
        return len(text), ("broken_json", None, "the array breaks off here")
    return following.start(), fault


def _add_element(
    collector: RecordCollector, flattener: _Flattener, element: str, line: int, value: object, fault: Fault | None
) -> None:
    record, undecodable = escape_undecodable(element)
    values: list[str | None] = []
    if isinstance(value, dict):
        try:
            values = flattener.flatten(value)
        except (_TooDeepError, RecursionError):
            fault = _TOO_DEEP
    elif fault is None:
        fault = _NOT_AN_OBJECT
    collector.add(record, line, values or flattener.recover_key(record), undecodable or fault)


def _read_element(text: str, position: int) -> tuple[object, int, Fault | None]:
    """(value, end, fault) of the element that begins here."""
    try:
        return *_DECODER.raw_decode(text, position), None
    except RecursionError:
        return None, position, _TOO_DEEP
    except ValueError:
        return None, position, ("broken_json", None, "is not valid JSON")


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


class _Flattener:
    """Turns nested objects into the texts of the declared fields, and collects what the contract does not declare.

    `unknown`: undeclared paths; `lists`: declared paths of objects under which a list was delivered.
    """

    def __init__(self, contract: ChannelContract) -> None:
        self.unknown: set[str] = set()
        self.lists: set[str] = set()
        self._position = {name: index for index, name in enumerate(contract.fields)}
        self._key = contract.key
        # An object that is null where its fields are declared is a known field, not an unknown one.
        self._parents = {name[:at] for name in contract.fields for at, sign in enumerate(name) if sign == "."}

    def flatten(self, value: dict[str, Any]) -> list[str | None]:
        texts: list[str | None] = [None] * len(self._position)
        self._fill(value, "", texts, 1)
        return texts

    def _fill(self, value: dict[str, Any], prefix: str, texts: list[str | None], level: int) -> None:
        for name, item in value.items():
            path = prefix + name
            position = self._position.get(path)
            if position is not None:
                texts[position] = _to_text(item)
            elif isinstance(item, dict) and level < _MOST_LEVELS:
                self._fill(item, path + ".", texts, level + 1)
            elif path not in self._parents:
                self.unknown.add(path)
            elif isinstance(item, list):
                self.lists.add(path)

    def warn(self, collector: RecordCollector) -> None:
        """Add warnings about undeclared fields, and about lists in place of objects."""
        collector.warn_unknown_fields(self.unknown)
        for path in sorted(self.lists):
            collector.warnings.append(
                f"list_for_object: {path} is a list where an object is declared: kept in the record, not read"
            )

    def recover_key(self, record: str) -> list[str | None]:
        """Of a broken object its key, if that is before the break; all other fields are null."""
        texts: list[str | None] = [None] * len(self._position)
        at = record.find(f'"{self._key}"')
        if at >= 0:
            after = record[at + len(self._key) + 2 :].lstrip()
            with contextlib.suppress(ValueError, RecursionError):
                value, _ = _DECODER.raw_decode(after.removeprefix(":").lstrip())
                texts[self._position[self._key]] = _to_text(value)
        return texts


def _to_text(value: object) -> str | None:
    if isinstance(value, str):
        return replace_surrogates(value) or None
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Half of a pair of surrogates, or a value that is nested beyond what orjson writes.
        pass
    try:
        return replace_surrogates(json.dumps(_limit_depth(value), ensure_ascii=False, separators=(",", ":")))
    except RecursionError:
        raise _TooDeepError from None


def _limit_depth(value: object) -> object:
    """The value itself; `_TooDeepError` where it is nested deeper than `_MOST_LEVELS`."""
    level: list[object] = [value]
    for _ in range(_MOST_LEVELS):
        children = (
            each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)
        )
        level = [child for each in children for child in each]
        if not level:
            return value
    raise _TooDeepError
