"""State that steps store from one run to the next, in small files of the lake.

Here belong reading and writing such a file. Without it a step computes everything again, so an unreadable one is as
good as none.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warehouse.atomic_file import write_atomically

_FOLDER = ".state"


def read_state(lake: Path, name: str) -> dict[str, Any] | None:
    """The state that is stored under this name; None where there is none, or where it cannot be read."""
    try:
        state = json.loads(_path(lake, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def store_state(lake: Path, name: str, state: Mapping[str, object]) -> None:
    """Store a state under a name; values that JSON does not have become text."""
    path = _path(lake, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps(state, default=str))


def forget_states(lake: Path) -> None:
    """Remove every state of a lake."""
    shutil.rmtree(lake / _FOLDER, ignore_errors=True)


def _path(lake: Path, name: str) -> Path:
    return lake / _FOLDER / f"{name.replace('/', '.')}.json"
