"""State that steps store from one run to the next, in small files of the lake.

Here belong reading and writing such a file. Without it a step computes everything again, so an unreadable one is as
good as none.
"""

import io
import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.atomic_file import write_atomically

_FOLDER = ".state"
_DIGEST_BYTES = 32


def read_state(lake: Path, name: str) -> dict[str, Any] | None:
    """The state that is stored under this name; None where there is none, or where it cannot be read."""
    try:
        state = json.loads(_path(lake, name, "json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def read_frame_state(lake: Path, name: str) -> tuple[pl.DataFrame, dict[str, str]] | None:
    """The frame that is stored under this name, and the texts about it; None as in `read_state`."""
    try:
        stored = _path(lake, name, "frame").read_bytes()
    except OSError:
        return None
    # The reader of Parquet can panic on a damaged file.
    digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if sha256(content).digest() != digest:
        return None
    return pl.read_parquet(io.BytesIO(content)), pl.read_parquet_metadata(io.BytesIO(content))


def store_state(lake: Path, name: str, state: Mapping[str, object]) -> None:
    """Store a state under a name; values that JSON does not have become text."""
    _write(_path(lake, name, "json"), json.dumps(state, default=str).encode())


def store_frame_state(lake: Path, name: str, frame: pl.DataFrame, about: Mapping[str, str]) -> None:
    """Store a frame and texts about it under a name: one file of a SHA-256 and the Parquet that it is of."""
    file = io.BytesIO()
    frame.write_parquet(file, metadata=dict(about))
    content = file.getvalue()
    _write(_path(lake, name, "frame"), sha256(content).digest() + content)


def forget_states(lake: Path) -> None:
    """Remove every state of a lake."""
    shutil.rmtree(lake / _FOLDER, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, content)


def _path(lake: Path, name: str, suffix: str) -> Path:
    return lake / _FOLDER / f"{name.replace('/', '.')}.{suffix}"
