"""Decompression of gzip files (RFC 1952), of damaged ones as far as they can be read.

Only bytes are handled here: text and records follow in the other modules of this package.
"""

from __future__ import annotations

import contextlib
import zlib

MAGIC = b"\x1f\x8b"
BLOCK = 1 << 16
# Checksum and length, 4 bytes each.
TRAILER = 8
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


def decompress(data: bytes, most_bytes: int) -> tuple[bytes | None, str | None]:
    """(decompressed bytes, problem); no bytes where the file is not gzip or expands beyond `most_bytes`.

    A file may have several gzip members, one after the other; zero bytes behind the last one are padding. A problem
    with bytes is a damage: a stream that ends early, a wrong checksum, or a member that is not gzip. What stands before
    it is given. An empty file decompresses to no bytes.
    """
    if data[:2] != MAGIC:
        return (b"", None) if not data else (None, "is declared as gzip, but does not begin as gzip")
    content = bytearray()
    position = 0
    while position < len(data):
        if not data[position] and not data[position:].strip(b"\0"):
            break
        end, problem = _read_member(data, position, content, most_bytes)
        if len(content) > most_bytes:
            return None, f"expands to more than {most_bytes:,} bytes"
        if problem is not None:
            return bytes(content), problem
        position = end
    return bytes(content), None


def _read_member(data: bytes, position: int, content: bytearray, most_bytes: int) -> tuple[int, str | None]:
    """Add the content of the member that begins here; (position behind it, problem)."""
    start = _skip_header(data, position)
    if start is None:
        return position, "has bytes that are not gzip"
    position = start
    # Without header and trailer, because zlib drops the last bytes of a member whose checksum is wrong.
    member = zlib.decompressobj(wbits=-15)
    checksum = 0
    try:
        while not member.eof and position < len(data) and len(content) <= most_bytes:
            before = member.copy()
            chunk = member.decompress(data[position : position + BLOCK])
            checksum = zlib.crc32(chunk, checksum)
            content += chunk
            position += BLOCK
    except zlib.error:
        content += _read_up_to_damage(before, data[position : position + BLOCK])
        return position, "has a damaged gzip stream"
    position = min(position, len(data)) - len(member.unused_data)
    trailer = data[position : position + TRAILER]
    if not member.eof or len(trailer) < TRAILER:
        return position, "ends in the middle of its gzip stream"
    is_right = int.from_bytes(trailer[:4], "little") == checksum
    return position + TRAILER, None if is_right else "has a wrong checksum"


def _read_up_to_damage(member: zlib._Decompress, block: bytes) -> bytes:
    """What a damaged block holds before its damage; zlib drops the output of the call that meets it."""
    content = bytearray()
    with contextlib.suppress(zlib.error):
        for position in range(len(block)):
            content += member.decompress(block[position : position + 1])
    return bytes(content)


def _skip_header(data: bytes, position: int) -> int | None:
    """Position behind the header of the member that begins here; None where none begins."""
    if data[position : position + 3] != MAGIC + b"\x08" or position + 10 > len(data):
        return None
    flags, position = data[position + 3], position + 10
    if flags & _FEXTRA:
        position += 2 + int.from_bytes(data[position : position + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            end = data.find(b"\0", position)
            if end < 0:
                return None
            position = end + 1
    return position + 2 * bool(flags & _FHCRC)
