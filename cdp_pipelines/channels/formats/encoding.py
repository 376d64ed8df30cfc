"""Bytes to text in the declared encoding, or in the one that a library finds, and the faults of wrongly encoded text.

Compression is removed before (`gzip_stream`); the text is split into records by the reader of its format.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cdp_pipelines.channels.formats.file_records import Fault

AUTO = "auto"
_C1_CONTROL = re.compile(r"[\x80-\x9f]")
_WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
# So much text tells its encoding; a library that reads all of a large file takes minutes.
_SAMPLE_BYTES = 1 << 16
_KEEP_BYTES = "cdp_keep_bytes"


class DecodedText(NamedTuple):
    """A text, the fault of the whole file if it is not in the declared encoding, and what people should know."""

    text: str
    fault: Fault | None = None
    notice: str | None = None


def is_text_encoding(name: str) -> bool:
    """Whether this is `auto`, or names an encoding of text that Python has."""
    if name == AUTO:
        return True
    try:
        b"a".decode(name, _KEEP_BYTES)
    except (LookupError, ValueError):
        return False
    return True


def decode_text(data: bytes, encoding: str) -> DecodedText:
    """The text, and a fault of the whole file if it is not in the declared encoding.

    Bytes that the encoding does not have become surrogates, so that only their own records are refused.
    """
    if encoding == AUTO:
        found = find_encoding(data)
        return DecodedText(_decode(data, found), notice=f"encoding: read as {found}")
    declared = codecs.lookup(encoding).name
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if mark in {"utf-16", "utf-32"} and not declared.startswith(mark):
        reason = f"the file is {mark.upper()}; declared is {encoding}"
        return DecodedText(data.decode(mark, "replace"), ("wrong_encoding", None, reason))
    if not declared.startswith("utf") and not data.isascii():
        # Bytes beyond ASCII that are valid UTF-8 are hardly ever meant in another encoding.
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        else:
            return DecodedText(text, ("wrong_encoding", None, f"the file is UTF-8; declared is {encoding}"))
    return DecodedText(_decode(data, declared))


def find_encoding(data: bytes) -> str:
    """The encoding of a text, by its mark, as UTF-8 where it is valid, or else by the library charset-normalizer."""
    if mark := next((name for mark, name in _MARKS if data.startswith(mark)), None):
        return mark
    try:
        data.decode()
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        lines = (line for line in data.splitlines(keepends=True) if not line.isascii())
        sample = b""
        while len(sample) < _SAMPLE_BYTES and (line := next(lines, None)) is not None:
            sample += line[:_SAMPLE_BYTES]
        found = from_bytes(sample).best()
        return found.encoding if found else "latin-1"
    return "utf-8"


def _decode(data: bytes, encoding: str) -> str:
    name = codecs.lookup(encoding).name
    if name == "utf-8":
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    text = data.decode(encoding, _KEEP_BYTES)
    # Bytes 0x80 to 0x9F are control characters in Latin-1; windows-1252 is meant, which has quotes there (WHATWG).
    return text.translate(_WINDOWS_1252) if name == "iso8859-1" and _C1_CONTROL.search(text) else text


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    """Bytes that an encoding does not have, as the surrogates that stand for bytes in Python."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    kept = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in kept), error.end


codecs.register_error(_KEEP_BYTES, _keep_bytes)


def escape_undecodable(text: str) -> tuple[str, Fault | None]:
    """The text, with bytes that are not in its encoding as hexadecimal codes, and the fault if there were any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        fault: Fault = ("wrong_encoding", None, "has bytes that are not in the encoding of the file")
        return _SURROGATES.sub(_write_code, text), fault
    return text, None


def _write_code(surrogate: re.Match[str]) -> str:
    """A byte, as the surrogate that stands for it, or half of a pair, which some encodings let pass."""
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC00 <= code <= 0xDCFF else f"\\u{code:04x}"  # noqa: PLR2004


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which no encoding can write."""
    return _SURROGATES.sub("\ufffd", text)
