"""JSON (RFC 8259) to records: one object a line (NDJSON).

Here belong the syntax and the flattening of nested objects into declared fields, also for `json_array`. The meaning of
the values is in `channels.field_value`.
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

_BLANKS = " \t\r\n"
NOT_A_NUMBER = ("broken_json", None, "is not valid JSON: NaN and Infinity are not numbers")
NOT_AN_OBJECT = ("broken_json", None, "is JSON, but not an object")
TOO_DEEP = ("broken_json", None, "is nested too deeply")
# Beyond so many digits a number is no longer what the file says once it is a float or 64 bits.
_LONG_NUMBER = re.compile(r"[0-9]{16}")
# Declared fields are a few objects deep; deeper ones are undeclared.
_MOST_LEVELS = 64


class TooDeepError(ValueError):
    """A value of a declared field is nested too deeply; never leaves the readers."""


class RepeatedNameError(ValueError):
    """A value has several values under one name; never leaves the readers."""


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


class _SeveralValues:
    """Stands for the values of a name that an object has more than once, with different values."""


def _join_members(members: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these members; different values of one name become `_SeveralValues`."""
    value = dict(members)
    if len(value) < len(members):
        for name, item in members:
            if not _is_same(item, value[name]):
                value[name] = _SeveralValues()
    return value


def _is_same(one: object, other: object) -> bool:
    try:
        return orjson.dumps(one) == orjson.dumps(other)
    except TypeError:
        return one is other


# Digits of whole numbers stay as they are; NaN and Infinity are not JSON.
DECODER = json.JSONDecoder(parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=_join_members)
# As orjson, which keeps the last value of a repeated name without a word.
_MEMBER_DECODER = json.JSONDecoder(object_pairs_hook=_join_members)
# A name that ends in another way than `":` cannot be counted quickly.
_UNCOUNTABLE = ('" ', '"\t', '"\r', "\\u00")


def read_ndjson(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with one JSON object a line; faults: `broken_json`, those of `Flattener`, and encoding."""
    collector = RecordCollector()
    flattener = Flattener.of_channel(contract)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip(_BLANKS):
            continue
        record, fault = escape_undecodable(line.rstrip("\r"))
        values: list[str | None] = []
        try:
            value = DECODER.decode(record) if _LONG_NUMBER.search(record) else _decode_line(record)
            if isinstance(value, dict):
                values, misplaced = flattener.flatten(value)
                fault = fault or misplaced
            else:
                fault = fault or NOT_AN_OBJECT
        except json.JSONDecodeError as error:
            fault = fault or ("broken_json", None, f"is not valid JSON from character {error.colno} on")
        except (TooDeepError, RecursionError):
            fault = fault or TOO_DEEP
        except ValueError:
            fault = fault or NOT_A_NUMBER
        collector.add(record, number, values or flattener.recover_key(record), fault)
    flattener.warn(collector)
    return collector


def _decode_line(record: str) -> object:
    """The value of a line; where names may be repeated, read again with each of their values."""
    value = orjson.loads(record)
    # orjson writes fewer levels than it reads.
    with contextlib.suppress(TypeError):
        is_countable = not any(sign in record for sign in _UNCOUNTABLE)
        if is_countable and record.count('":') == orjson.dumps(value).count(b'":'):
            return value
    return _MEMBER_DECODER.decode(record)


def skip_blanks(text: str, position: int) -> int:
    """The position of the next sign that JSON does not skip."""
    while position < len(text) and text[position] in _BLANKS:
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
        """The texts of the fields in their order, and a fault or None.

        Faults: `list_for_object` and `value_for_object` where an object with consent fields is something else;
        `repeated_name` where a declared field, or an object around one, has several different values.
        """
        texts: list[str | None] = [None] * len(self._position)
        return texts, self._fill(value, "", texts, 1)

    def _fill(self, value: dict[str, Any], prefix: str, texts: list[str | None], level: int) -> Fault | None:
        fault = None
        for name, item in value.items():
            path = prefix + name
            position = self._position.get(path)
            if position is not None:
                try:
                    texts[position] = to_text(item)
                except RepeatedNameError:
                    fault = _fault_of_repeated(path)
            elif isinstance(item, _SeveralValues):
                fault = _fault_of_repeated(path) if path in self._parents else fault
                self.unknown |= {path} - self._parents
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


def _fault_of_repeated(path: str) -> Fault:
    return "repeated_name", path, "has different values under one name"


def _rule_of_misplaced(*, is_list: bool) -> str:
    return "list_for_object" if is_list else "value_for_object"


def to_text(value: object) -> str | None:
    """The text of a JSON value: of a string its content, of anything else its JSON; null of an empty string.

    `TooDeepError` and `RepeatedNameError` where it has no text.
    """
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
        text = json.dumps(_limit_depth(value), ensure_ascii=False, separators=(",", ":"), default=_refuse_several)
    except RecursionError:
        raise TooDeepError from None
    return replace_surrogates(text)


def _refuse_several(_: object) -> str:
    raise RepeatedNameError


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
