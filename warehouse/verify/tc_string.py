"""Vendors and publishers in TC strings of TCF v2, read as plain bits; an independent checker, for `statements`.

IAB Tech Lab, "Consent string and vendor list formats v2". A segment that is missing or unreadable permits nothing.
"""

import base64
from collections.abc import Callable, Iterator

# First bit behind the fields of fixed length, and numbers of segments and of restriction types.
VENDORS_START = 213
DISCLOSED, PUBLISHER = 1, 3
REQUIRES_CONSENT, REQUIRES_INTEREST = 1, 2
TCF_PURPOSES = 24


def to_bits(text: str) -> str:
    """The bits of base64url, padded to whole bytes; none where the text is something else."""
    try:
        data = base64.b64decode(text.strip() + "A" * (-len(text.strip()) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return ""
    return "".join(f"{byte:08b}" for byte in data)


def permits(text: str, mapping: dict, name: str, *, is_interest: bool) -> bool:
    """Whether a TC string permits all that the mapping needs for a purpose of the company, but for its own bits.

    `is_interest`: whether it rests on legitimate interests. That is: each of its vendors, no restriction against one of
    them, each of them disclosed where the string lists those, and the publisher's purposes.
    """
    core, *others = text.split(".")
    segments = {bits[:3]: bits for bits in map(to_bits, others)}

    def list_needed(key: str) -> set[int]:
        return {int(number) for number, names in mapping.get(key, {}).items() if name in names}

    purposes = list_needed("legitimate_interests" if is_interest else "purposes")
    vendors = list_needed("vendors")
    try:
        if vendors and not vendors <= find_permitted_vendors(to_bits(core), purposes, is_interest=is_interest):
            return False
        listed = segments.get(f"{DISCLOSED:03b}")
        if vendors and listed is not None and not vendors <= set(read_vendors(take_bits(listed, 3))):
            return False
        return permits_publisher(segments.get(f"{PUBLISHER:03b}", ""), list_needed, is_interest=is_interest)
    except StopIteration:
        return False


def take_bits(bits: str, start: int) -> Callable[[int], int]:
    """A reader of numbers from a bit on; it raises `StopIteration` behind the last."""
    rest = iter(bits[start:])
    return lambda count: int("0" + "".join([next(rest) for _ in range(count)]), 2)


def read_vendors(take: Callable[[int], int]) -> list[int]:
    """A list of vendors: the largest id, then a bit for each, or ranges."""
    largest = take(16)
    return list(read_ranges(take)) if take(1) else [number for number in range(1, largest + 1) if take(1)]


def read_ranges(take: Callable[[int], int]) -> Iterator[int]:
    """Ranges of vendors."""
    for _ in range(take(12)):
        is_range, first = take(1), take(16)
        yield from range(first, (take(16) if is_range else first) + 1)


def find_permitted_vendors(core: str, purposes: set[int], *, is_interest: bool) -> set[int]:
    """Vendors with their own bit and without a restriction on one of the purposes."""
    take = take_bits(core, VENDORS_START)
    consents, interests = set(read_vendors(take)), set(read_vendors(take))
    permitted = interests if is_interest else consents
    harmless = REQUIRES_INTEREST if is_interest else REQUIRES_CONSENT
    for _ in range(take(12)):
        purpose, kind = take(6), take(2)
        restricted = set(read_ranges(take))
        if purpose in purposes and kind != harmless:
            permitted -= restricted
    return permitted


def permits_publisher(segment: str, list_needed: Callable[[str], set[int]], *, is_interest: bool) -> bool:
    """Whether the publisher's segment has all bits that the mapping needs."""
    needed = list_needed("publisher_legitimate_interests" if is_interest else "publisher_purposes")
    custom = set() if is_interest else list_needed("publisher_custom_purposes")
    if not needed | custom:
        return True
    take = take_bits(segment, 3)
    fields = [{n for n in range(1, TCF_PURPOSES + 1) if take(1)} for _ in range(2)]
    own = {n for n in range(1, take(6) + 1) if take(1)}
    return needed <= fields[is_interest] and custom <= own
