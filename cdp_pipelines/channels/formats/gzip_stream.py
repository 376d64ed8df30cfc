"""Decompression of gzip files (RFC 1952), of damaged ones as far as they can be read.

Only bytes are handled here: text and records follow in the other modules of this package.
"""

from __future__ import annotations

import zlib

MAGIC = b"\x1f\x8b"
BLOCK = 1 << 16


def decompress(data: bytes) -> tuple[bytes | None, bool]:
    """(decompressed bytes, whether the stream ends early or is damaged); None where it does not begin as gzip.

    A file may have several gzip members, one after the other. An empty file decompresses to no bytes.
    """
    if data[:2] != MAGIC:
        return (b"", False) if not data else (None, False)
    content = bytearray()
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            for start in range(0, len(data), BLOCK):
                content += member.decompress(data[start : start + BLOCK])
                if member.eof:
                    data = member.unused_data + data[start + BLOCK :]
                    break
            else:
                return bytes(content + member.flush()), True
        except zlib.error:
            return bytes(content), True
    return bytes(content), False
