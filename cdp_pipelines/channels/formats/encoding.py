"""Bytes to text in the declared encoding (UTF-8 or Latin-1), and the faults of wrongly encoded text.

Compression is removed before (`gzip_stream`); the text is split into records by the reader of its format.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdp_pipelines.channels.formats.file_records import Fault

_C1_CONTROL = re.compile(r"[\x80-\x9f]")
_WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM = b"\xef\xbb\xbf"


def decode_text(data: bytes, encoding: str) -> tuple[str, Fault | None]:
    """The text, and a fault of the whole file if it is not in the declared encoding.

    In a UTF-8 file, bytes that are not UTF-8 become surrogates, so that only their own records are refused.
    """
    if data[:2] in _UTF16:
        return data.decode("utf-16", "replace"), ("wrong_encoding", None, f"the file is UTF-16; declared is {encoding}")
    if encoding == "utf-8":
        return data.removeprefix(_UTF8_BOM).decode("utf-8", "surrogateescape"), None
    if not data.isascii():
        # Latin-1 decodes any bytes; bytes beyond ASCII that are valid UTF-8 are hardly ever Latin-1.
        try:
            return data.removeprefix(_UTF8_BOM).decode("utf-8"), (
                "wrong_encoding",
                None,
                f"the file is UTF-8; declared is {encoding}",
            )
        except UnicodeDecodeError:
            pass
    # Bytes 0x80 to 0x9F are control characters in Latin-1; windows-1252 is meant, which has quotes there (WHATWG).
    text = data.decode("latin-1")
    return text.translate(_WINDOWS_1252) if _C1_CONTROL.search(text) else text, None


def escape_undecodable(text: str) -> tuple[str, Fault | None]:
    """The text, with bytes that are not UTF-8 as hexadecimal codes, and the fault if there were any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        escaped = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return escaped, ("wrong_encoding", None, "has bytes that are not UTF-8")
    return text, None


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which no encoding can write."""
    return _SURROGATES.sub("\ufffd", text)
