"""Where a step left off: the versions of the tables that it has read and written, by which it finds what is new.

Here belongs storing that, and deciding whether it still holds. What a step does with it is the step's own concern.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cdp_pipelines.schema import Table
    from warehouse.delta.lake import Lake

# Folder of the lake with a file for each step, which has the name of its first table.
FOLDER = ".cursors"


@dataclass(frozen=True)
class Cursor:
    """A step after its last run. Versions are named as `Lake.name_version` does.

    `written`: versions of its tables, by full name. `read`: versions of the tables that it has seen to the end.
    `digests`: of what was declared about each of these. `as_of`: the instant as of which it ran.
    """

    written: Mapping[str, str]
    read: Mapping[str, str]
    digests: Mapping[str, str]
    as_of: datetime


def read_cursor(lake: Lake, step: str) -> Cursor | None:
    """The cursor of a step, where its tables are as it left them; else None, so that it computes all rows again."""
    path = _cursor_path(lake, step)
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    cursor = Cursor(**{**stored, "as_of": datetime.fromisoformat(stored["as_of"])})
    is_unchanged = all(lake.name_version(name) == version for name, version in cursor.written.items())
    return cursor if is_unchanged else None


def store_cursor(
    lake: Lake, step: str, tables: Iterable[Table], read: Mapping[str, str], digests: Mapping[str, str], as_of: datetime
) -> None:
    """Keep where a step is after it wrote its tables."""
    written = {table.name: version for table in tables if (version := lake.name_version(table.name))}
    path = _cursor_path(lake, step)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, json.dumps(asdict(Cursor(written, read, digests, as_of)), default=str))


def _cursor_path(lake: Lake, step: str) -> Path:
    return lake.path / FOLDER / f"{step.replace('/', '.')}.json"
