"""State that steps store from one run to the next, in small files of the lake.

Here belong reading and writing such a file. Without it a step computes everything again, so an unreadable one is as
good as none.
"""

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from warehouse.atomic_file import write_atomically

_FOLDER = ".state"


def read_state(lake: Path, name: str) -> dict[str, Any] | None:
    """The state that is stored under this name; None where there is none, or where it cannot be read."""
    try:
        state = json.loads(_path(lake, name, "json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def read_frame_state(lake: Path, name: str) -> tuple[pl.DataFrame, dict[str, str]] | None:
    """The frame that is stored under this name, and what was stored about it; None as in `read_state`."""
    try:
        file = io.BytesIO(_path(lake, name, "parquet").read_bytes())
        return pl.read_parquet(file), pl.read_parquet_metadata(file)
    except (OSError, PolarsError):
        return None


def store_state(lake: Path, name: str, state: Mapping[str, object]) -> None:
    """Store a state under a name; values that JSON does not have become text."""
    _write(_path(lake, name, "json"), json.dumps(state, default=str).encode())


def store_frame_state(lake: Path, name: str, frame: pl.DataFrame, about: Mapping[str, str]) -> None:
    """Store a frame and texts about it under a name, in one file."""
    file = io.BytesIO()
    frame.write_parquet(file, metadata=dict(about))
    _write(_path(lake, name, "parquet"), file.getvalue())


def forget_states(lake: Path) -> None:
    """Remove every state of a lake."""
    shutil.rmtree(lake / _FOLDER, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, content)


def _path(lake: Path, name: str, suffix: str) -> Path:
    return lake / _FOLDER / f"{name.replace('/', '.')}.{suffix}"
