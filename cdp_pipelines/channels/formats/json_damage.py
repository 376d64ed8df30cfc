"""Where a broken element of a JSON array ends, so that reading goes on behind it.

Here belongs the reading of brackets and quotes alone, in time linear in the text. Values are read in `json_records`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|["{}\[\]\\]', re.DOTALL)
# Where reading goes on behind an element whose end is unknown.
_NEXT_OBJECT = re.compile(r",[ \t\r\n]*+(?=\{)")
# An element that begins with neither a bracket nor a quote.
_BARE = re.compile(r'[^][{}",]++')
_OPENING = {"}": "{", "]": "["}


@dataclass(slots=True)
class _Reading:
    """The brackets from a position on: where each closes, or None; `stop` is where they no longer match.

    `doubtful`: brackets around a quoted text that has an object in it, perhaps because a quote was lost. `error`:
    where reading a value failed last.
    """

    ends: dict[int, int | None]
    doubtful: set[int]
    stop: int
    error: int = -1


class DamageReader:
    """Finds the ends of the broken elements of one text, which its caller names in order of their positions.

    Each position is read at most twice: once as quoted text and once as unquoted. Two readings never become one,
    because a reading stops at a backslash outside of quotes, which is never JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._readings: list[_Reading] = []
        self._next_object = -1

    def is_broken(self, position: int) -> bool:
        """Whether the element that begins here is known to be broken, because another one was read into it."""
        reading = self._find_reading(position)
        if reading is None:
            return False
        end = reading.ends[position]
        return end is None or position < reading.error < end

    def find_end(self, position: int, error: int | None) -> int:
        """The end of the broken element that begins here; at a comma, the element is empty.

        `error`: where reading its value failed; None where it is nested too deeply. The end is where its brackets
        close. Where they do not match, or a quote may have been lost, it is the next object in the text.
        """
        text = self._text
        if bare := _BARE.match(text, position):
            return bare.end()
        if text[position] in ",}":
            return position + (text[position] == "}")
        end = self._match_quotes(position) if text[position] == '"' else self._match_brackets(position, error)
        if end is not None:
            return end
        if self._next_object <= position:
            following = _NEXT_OBJECT.search(text, position + 1)
            self._next_object = len(text) if following is None else following.start()
        return self._next_object

    def _match_quotes(self, position: int) -> int | None:
        token = _TOKEN.match(self._text, position)
        if token is None or token.end() == position + 1 or _NEXT_OBJECT.search(self._text, position, token.end()):
            return None
        return token.end()

    def _match_brackets(self, position: int, error: int | None) -> int | None:
        reading = self._find_reading(position)
        if reading is None:
            reading = _read_brackets(self._text, position)
            self._readings = [*(other for other in self._readings if other.stop > position), reading]
        if error is None:
            # Taken as closed, so that none of its thousand levels is read again.
            return reading.ends[position]
        reading.error = max(reading.error, error)
        return None if position in reading.doubtful else reading.ends[position]

    def _find_reading(self, position: int) -> _Reading | None:
        return next((reading for reading in self._readings if position in reading.ends), None)


def _read_brackets(text: str, start: int) -> _Reading:
    """The ends of the bracket that begins here and of those within it."""
    ends: dict[int, int | None] = {}
    doubtful: set[int] = set()
    # Position of an open bracket, and how many quoted texts before it have an object in them.
    unclosed: list[tuple[int, int]] = []
    quoted_count, stop = 0, len(text)
    for token in _TOKEN.finditer(text, start):
        sign, stop = text[token.start()], token.end()
        if sign == '"' and stop > token.start() + 1:
            quoted_count += _NEXT_OBJECT.search(text, token.start(), stop) is not None
        elif sign in "{[":
            unclosed.append((token.start(), quoted_count))
        elif sign in _OPENING and text[unclosed[-1][0]] == _OPENING[sign]:
            opening, earlier_count = unclosed.pop()
            ends[opening] = stop
            if quoted_count > earlier_count:
                doubtful.add(opening)
            if not unclosed:
                break
        else:
            break
    ends.update((opening, None) for opening, _ in unclosed)
    return _Reading(ends, doubtful, stop)
