"""JSON arrays of objects (RFC 8259) to records.

Here belong arrays, their elements and the commas between them. The end of a broken element is found in `json_damage`;
objects become values in `json_records`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cdp_pipelines.channels.formats.encoding import escape_undecodable
from cdp_pipelines.channels.formats.file_records import RecordCollector
from cdp_pipelines.channels.formats.json_damage import DamageReader
from cdp_pipelines.channels.formats.json_records import (
    DECODER,
    NOT_A_NUMBER,
    NOT_AN_OBJECT,
    TOO_DEEP,
    Flattener,
    TooDeepError,
    skip_blanks,
)

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

_NOT_JSON = ("broken_json", None, "is not valid JSON")
_BREAKS_OFF = ("broken_json", None, "the array breaks off here")
# Only to find the end of a value that has NaN or Infinity.
_LENIENT_DECODER = json.JSONDecoder()
_WINDOW = 1 << 16
# Signs before the end of a window in which an error may come of the end: `-Infinity`, a pair of \u escapes.
_MARGIN = 16


def read_json_array(text: str, contract: ChannelContract) -> RecordCollector:
    """Records of a text with JSON arrays of objects, one behind the other.

    Faults: `broken_json`, those of `Flattener`, and encoding. A broken element ends where its brackets close; where
    they do not match, at the next object. Of an array that breaks off, the complete elements are records. Text that
    follows the last array is one refused record. The time is linear in the text.
    """
    collector = RecordCollector()
    flattener = Flattener.of_channel(contract)
    elements = _ElementReader(text)
    warnings: set[str] = set()
    # Position up to which line ends are counted, so that no element counts them from the start again.
    line, counted = 1, 0
    position = skip_blanks(text, 0)
    is_inside, before = False, ""
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        if not is_inside:
            if text[position] != "[":
                reason = "follows the end of the array" if collector.records else "is not a JSON array"
                collector.add(escape_undecodable(text[position:])[0], line, [], ("broken_json", None, reason))
                warnings.add(f"broken_json: text that {reason} was refused")
                break
            position, is_inside, before = skip_blanks(text, position + 1), True, "["
            continue
        if text[position] == "]":
            if before == ",":
                warnings.add("broken_json: a comma stands before the end of an array")
            position, is_inside = skip_blanks(text, position + 1), False
            continue
        if not before:
            warnings.add("broken_json: no comma stands between two elements")
        value, end, fault = elements.read(position)
        _add_element(collector, flattener, text[position:end], line, value, fault)
        position = skip_blanks(text, end)
        before = "," if text.startswith(",", position) else ""
        position = skip_blanks(text, position + len(before))
    else:
        if is_inside:
            warnings.add("broken_json: the array breaks off; its complete elements were taken in")
    collector.warnings += sorted(warnings)
    flattener.warn(collector)
    return collector


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
        fault = NOT_AN_OBJECT
    collector.add(record, line, values or flattener.recover_key(record), undecodable or fault)


class _ElementReader:
    """Reads the elements of one text, in order of their positions."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._damage = DamageReader(text)
        self._base, self._window = 0, text[:_WINDOW]

    def read(self, position: int) -> tuple[object, int, Fault | None]:
        """(value, end, fault) of the element that begins here."""
        error: int | None = position
        fault: Fault = _NOT_JSON
        try:
            if not self._damage.is_broken(position):
                value, end, error = self._decode(DECODER, position)
                if error is None and not self._is_cut_text(value, end):
                    return value, end, None
        except RecursionError:
            error, fault = None, TOO_DEEP
        except ValueError:
            fault = NOT_A_NUMBER
            end, error = self._find_end_of_constants(position)
            if error is None:
                return None, end, fault
        end = self._damage.find_end(position, error)
        return None, end, fault if end < len(self._text) else _BREAKS_OFF

    def _is_cut_text(self, value: object, end: int) -> bool:
        """Whether a text has no comma or end of the array behind it: its quote may be that of another element."""
        return isinstance(value, str) and not self._text.startswith((",", "]"), skip_blanks(self._text, end))

    def _find_end_of_constants(self, position: int) -> tuple[int, int | None]:
        """(end, position of the error or None) of a value in which NaN and Infinity are allowed."""
        try:
            return self._decode(_LENIENT_DECODER, position)[1:]
        except (RecursionError, ValueError):
            return position, position

    def _decode(self, decoder: json.JSONDecoder, position: int) -> tuple[object, int, int | None]:
        """(value, end, position of the error or None) of the value that begins here.

        Reads in windows, because Python's error counts the lines from the start of the text it is given.
        """
        if position - self._base > _WINDOW // 2:
            self._base, self._window = position, self._text[position : position + _WINDOW]
        base, window = self._base, self._window
        while True:
            is_last = base + len(window) == len(self._text)
            try:
                value, end = decoder.raw_decode(window, position - base)
            except json.JSONDecodeError as error:
                is_cut = error.pos > len(window) - _MARGIN or error.msg.startswith("Unterminated")
                if is_last or not is_cut:
                    return None, position, base + error.pos
            else:
                if is_last or end < len(window):
                    return value, base + end, None
            base, window = position, self._text[position : position + 4 * len(window)]
