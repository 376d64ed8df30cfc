"""Where a step left off: the versions of the tables that it has read and written, by which it finds new rows.

Here belongs deciding whether that still holds. What a step does with it is the step's own concern.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.state_file import read_state, store_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cdp_pipelines.schema import Table
    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class Cursor:
    """A step after its last run. Versions are named as `Lake.name_version` does.

    `written`: versions of its tables, by full name. `read`: versions of the tables that it has seen to the end.
    `digests`: of the declarations of each of these. `as_of`: the instant as of which it ran.
    """

    written: Mapping[str, str]
    read: Mapping[str, str]
    digests: Mapping[str, str]
    as_of: datetime


def read_cursor(lake: Lake, table: str) -> Cursor | None:
    """The cursor of the step whose first table this is, where its tables are as it left them; else None."""
    try:
        stored = read_state(lake.path, f"cursor.{table}") or {}
        cursor = Cursor(**{**stored, "as_of": datetime.fromisoformat(stored["as_of"])})
    except (KeyError, TypeError, ValueError):
        return None
    is_unchanged = all(lake.name_version(name) == version for name, version in cursor.written.items())
    return cursor if is_unchanged else None


def store_cursor(
    lake: Lake, tables: Iterable[Table], read: Mapping[str, str], digests: Mapping[str, str], as_of: datetime
) -> None:
    """Store where the step that wrote these tables left off."""
    written = {table.name: version for table in tables if (version := lake.name_version(table.name))}
    store_state(lake.path, f"cursor.{next(iter(written))}", asdict(Cursor(written, read, digests, as_of)))
