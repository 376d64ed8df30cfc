"""Bits of the advertising industry's strings: web-safe base64, numbers, bit fields, and sets of vendors.

Here belong the field types that several strings share; the order of fields in a string belongs in `tc_string` and
`privacy_string`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

MAX_VENDOR = (1 << 16) - 1
_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_SEXTETS = {ord(sign): f"{value:06b}" for value, sign in enumerate(_ALPHABET)}
_BASE64_URL = re.compile(r"[A-Za-z0-9_-]+")
# Encoders fill a string with zeros to whole bytes and whole characters; the coarsest fills to 24 bits.
_PADDING = 24


class MalformedError(ValueError):
    """The text is not a string of this kind; never leaves the decoders."""


class VendorSet(AbstractSet[int]):
    """Ids of vendors from 0 to `MAX_VENDOR`, as the bits of one number: a string may name tens of thousands."""

    __slots__ = ("mask",)

    def __init__(self, mask: int = 0) -> None:
        self.mask = mask

    def __contains__(self, vendor: object) -> bool:
        return isinstance(vendor, int) and vendor >= 0 and bool(self.mask >> vendor & 1)

    def __iter__(self) -> Iterator[int]:
        return (vendor for vendor in range(self.mask.bit_length()) if self.mask >> vendor & 1)

    def __len__(self) -> int:
        return self.mask.bit_count()

    @property
    def greatest(self) -> int:
        """The greatest id; 0 where there is none."""
        return max(self.mask.bit_length() - 1, 0)

    def add_range(self, first: int, last: int) -> None:
        """Add the ids from `first` to `last`, both included."""
        self.mask |= ((1 << (last - first + 1)) - 1) << first

    def union(self, other: VendorSet) -> VendorSet:
        """The ids of both."""
        return VendorSet(self.mask | other.mask)

    def up_to(self, greatest: int) -> VendorSet:
        """The ids that are not greater than `greatest`."""
        return VendorSet(self.mask & ((1 << (greatest + 1)) - 1))


class Bits:
    """Reads web-safe base64 bit by bit, most significant first; `MalformedError` where it ends early."""

    def __init__(self, text: str) -> None:
        if not _BASE64_URL.fullmatch(text):
            raise MalformedError
        self._bits = text.translate(_SEXTETS)
        self._at = 0

    def __len__(self) -> int:
        return len(self._bits)

    def take(self, n: int) -> str:
        """The next `n` bits."""
        start, self._at = self._at, self._at + n
        if self._at > len(self._bits):
            raise MalformedError
        return self._bits[start : self._at]

    def integer(self, n: int) -> int:
        """A number of `n` bits."""
        return int(self.take(n), 2)

    def instant(self) -> datetime:
        """Tenths of a second since 1970 in 36 bits."""
        return datetime.fromtimestamp(self.integer(36) / 10, UTC)

    def ids(self, n: int) -> frozenset[int]:
        """A bit field: the positions, from 1, of the bits that are set."""
        return frozenset(position for position, bit in enumerate(self.take(n), 1) if bit == "1")

    def fibonacci(self) -> int:
        """A number from 1 in Fibonacci coding: its code word ends with the first two ones in a row."""
        number, (weight, following) = 0, (1, 2)
        is_set = False
        while True:
            bit = self.take(1) == "1"
            if bit and is_set:
                return number
            number += weight * bit
            weight, following, is_set = following, weight + following, bit

    def check_padding(self) -> None:
        """`MalformedError` where more than padding follows."""
        rest = self._bits[self._at :]
        if "1" in rest or len(rest) >= _PADDING:
            raise MalformedError

    def vendors(self, *, is_fibonacci: bool = False) -> VendorSet:
        """The greatest id 16, IsRangeEncoding 1, then a bit field of that length, or ranges.

        A range counts up to the greatest id. In Fibonacci coding it must end there: two codings of ranges are in use,
        and only that tells them apart.
        """
        greatest, is_range = self.integer(16), self.integer(1)
        if not is_range:
            field = self.take(greatest)
            return VendorSet(int(field[::-1] or "0", 2) << 1)
        vendors = self.fibonacci_ranges() if is_fibonacci else self.ranges()
        if is_fibonacci and vendors.greatest != greatest:
            raise MalformedError
        return vendors.up_to(greatest)

    def ranges(self) -> VendorSet:
        """NumEntries 12; each: IsARange 1, the vendor or the first of the range 16, the last of the range 16."""
        vendors = VendorSet()
        for _ in range(self.integer(12)):
            is_range = self.integer(1)
            first = self.integer(16)
            last = self.integer(16) if is_range else first
            if last < first:
                raise MalformedError
            vendors.add_range(first, last)
        return vendors

    def fibonacci_ranges(self) -> VendorSet:
        """Number of items 12; each: whether it is a range 1, the distance from the id before, and to its last id."""
        vendors, last = VendorSet(), 0
        for _ in range(self.integer(12)):
            is_range = self.integer(1)
            first = last + self.fibonacci()
            last = first + self.fibonacci() if is_range else first
            # Checked before the range is expanded: a few bits can announce billions of ids.
            if last > MAX_VENDOR:
                raise MalformedError
            vendors.add_range(first, last)
        return vendors
