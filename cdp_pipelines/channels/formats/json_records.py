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
    from collections.abc import Collection

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

_NOT_AN_OBJECT = ("broken_json", None, "is JSON, but not an object")
TOO_DEEP = ("broken_json", None, "is nested too deeply")
# Beyond so many digits a number is no longer what the file says once it is a float or 64 bits.
_LONG_NUMBER = re.compile(r"[0-9]{16}")
# Where reading goes on behind a broken element of an array.
_NEXT_OBJECT = re.compile(r",\s*(?=\{)")
# Each broken element may be read up to the end of the file; more of them would take time in the square of its size.
_MOST_BROKEN = 1_000
# Declared fields are a few objects deep; deeper ones are undeclared.
_MOST_LEVELS = 64


class TooDeepError(ValueError):
    """A value of a declared field is nested too deeply; never leaves the readers."""


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


# Digits of whole numbers stay as they are; NaN and Infinity are not JSON.
DECODER = json.JSONDecoder(parse_int=str, parse_constant=_refuse_constant)


def read_ndjson(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with one JSON object a line; faults: `broken_json`, and encoding."""
    collector = RecordCollector()
    flattener = Flattener.of_channel(contract)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        record, fault = escape_undecodable(line.rstrip("\r"))
        values: list[str | None] = []
        try:
            value = DECODER.decode(record) if _LONG_NUMBER.search(record) else orjson.loads(record)
            if isinstance(value, dict):
                values, misplaced = flattener.flatten(value)
                fault = fault or misplaced
            else:
                fault = fault or _NOT_AN_OBJECT
        except json.JSONDecodeError as error:
            fault = fault or ("broken_json", None, f"is not valid JSON from character {error.colno} on")
        except (TooDeepError, RecursionError):
            fault = fault or TOO_DEEP
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
    flattener = Flattener.of_channel(contract)
    # Position up to which line ends are counted, so that no element counts them from the start again.
    line, counted, broken_count = 1, 0, 0
    position = skip_blanks(text, 0)
    is_inside = False
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        if not is_inside:
            if text[position] != "[":
                reason = "follows the end of the array" if collector.records else "is not a JSON array"
                collector.add(escape_undecodable(text[position:])[0], line, [], ("broken_json", None, reason))
                collector.warnings.append(f"broken_json: text that {reason} was refused")
                break
            position, is_inside = skip_blanks(text, position + 1), True
            continue
        if text[position] == "]":
            position, is_inside = skip_blanks(text, position + 1), False
            continue
        value, end, fault = _read_element(text, position)
        if fault is not None:
            broken_count += 1
            end, fault = _resume(text, position, fault, may_search=broken_count < _MOST_BROKEN)
            if end == len(text):
                collector.warnings.append("broken_json: the array breaks off; its complete elements were taken in")
        _add_element(collector, flattener, text[position:end], line, value, fault)
        position = skip_blanks(text, end)
        if text[position : position + 1] == ",":
            position = skip_blanks(text, position + 1)
    flattener.warn(collector)
    return collector


def _resume(text: str, position: int, fault: Fault, *, may_search: bool) -> tuple[int, Fault]:
    """Where the broken element that begins here ends, and its fault: at the next object, or at the end of the text."""
    following = _NEXT_OBJECT.search(text, position + 1) if may_search else None
    if following is None:
        return len(text), ("broken_json", None, "the array breaks off here")
    return following.start(), fault


def _add_element(
    collector: RecordCollector, flattener: Flattener, element: str, line: int, value: object, fault: Fault | None
) -> None:
    record, undecodable = escape_undecodable(element)
    values: list[str | None] = []
    if isinstance(value, dict):
        try:
            values, fault = flattener.flatten(value)
        except (TooDeepError, RecursionError):
            fault = TOO_DEEP
    elif fault is None:
        fault = _NOT_AN_OBJECT
    collector.add(record, line, values or flattener.recover_key(record), undecodable or fault)


def _read_element(text: str, position: int) -> tuple[object, int, Fault | None]:
    """(value, end, fault) of the element that begins here."""
    try:
        return *DECODER.raw_decode(text, position), None
    except RecursionError:
        return None, position, TOO_DEEP
    except ValueError:
        return None, position, ("broken_json", None, "is not valid JSON")


def skip_blanks(text: str, position: int) -> int:
    """The position of the next sign that JSON does not skip."""
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


class Flattener:
    """Turns nested objects into the texts of declared fields, and collects what does not have the declared form.

    `unknown`: undeclared paths; `misplaced`: paths of objects where something else was delivered, and whether a list.
    """

    def __init__(self, fields: Collection[str], key: str = "", consent_fields: Collection[str] = ()) -> None:
        """`consent_fields`: the fields whose loss would lose a consent event."""
        self.unknown: set[str] = set()
        self.misplaced: set[tuple[str, bool]] = set()
        self._position = {name: index for index, name in enumerate(fields)}
        self._key = key
        # An object that is null where its fields are declared is a known field, not an unknown one.
        self._parents = _list_parents(fields)
        self._consent_parents = _list_parents(consent_fields)

    @classmethod
    def of_channel(cls, contract: ChannelContract) -> Flattener:
        """For the records of a channel."""
        return cls(contract.fields, contract.key, contract.consent_fields)

    def flatten(self, value: dict[str, Any]) -> tuple[list[str | None], Fault | None]:
        """The texts of the fields in their order, and a fault where an object with consent fields is something else."""
        texts: list[str | None] = [None] * len(self._position)
        return texts, self._fill(value, "", texts, 1)

    def _fill(self, value: dict[str, Any], prefix: str, texts: list[str | None], level: int) -> Fault | None:
        fault = None
        for name, item in value.items():
            path = prefix + name
            position = self._position.get(path)
            if position is not None:
                texts[position] = to_text(item)
            elif isinstance(item, dict) and level < _MOST_LEVELS:
                fault = self._fill(item, path + ".", texts, level + 1) or fault
            elif path not in self._parents:
                self.unknown.add(path)
            elif item is not None and item != "":
                self.misplaced.add((path, isinstance(item, list)))
                # Some languages write an object without fields as an empty list.
                if path in self._consent_parents and item != []:
                    fault = (_rule_of_misplaced(is_list=isinstance(item, list)), path, "is not an object, as declared")
        return fault

    def warn(self, collector: RecordCollector) -> None:
        """Add warnings about undeclared fields, and about other values in place of objects."""
        collector.warn_unknown_fields(self.unknown)
        for path, is_list in sorted(self.misplaced):
            kind = "a list" if is_list else "one value"
            collector.warnings.append(
                f"{_rule_of_misplaced(is_list=is_list)}: {path} is {kind} where an object is declared: kept in the "
                "record, not read"
            )

    def recover_key(self, record: str) -> list[str | None]:
        """Of a broken object its key, if that is before the break; all other fields are null."""
        texts: list[str | None] = [None] * len(self._position)
        at = record.find(f'"{self._key}"')
        if at >= 0:
            after = record[at + len(self._key) + 2 :].lstrip()
            with contextlib.suppress(ValueError, RecursionError):
                value, _ = DECODER.raw_decode(after.removeprefix(":").lstrip())
                texts[self._position[self._key]] = to_text(value)
        return texts


def _list_parents(fields: Collection[str]) -> set[str]:
    """The paths of the objects around these fields."""
    return {name[:at] for name in fields for at, sign in enumerate(name) if sign == "."}


def _rule_of_misplaced(*, is_list: bool) -> str:
    return "list_for_object" if is_list else "value_for_object"


def to_text(value: object) -> str | None:
    """The text of a JSON value: of a string its content, of anything else its JSON; null of an empty string."""
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
        raise TooDeepError from None


def _limit_depth(value: object) -> object:
    """The value itself; `TooDeepError` where it is nested deeper than `_MOST_LEVELS`."""
    level: list[object] = [value]
    for _ in range(_MOST_LEVELS):
        children = (
            each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)
        )
        level = [child for each in children for child in each]
        if not level:
            return value
    raise TooDeepError
