"""Publish the marts: decide again for every row, and replace the served file where a mart changed.

The rows that may be published belong here; the form of the file is `warehouse.serving`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdp_pipelines.errors import LakeError
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.mart_history import list_mart_tables
from cdp_pipelines.services.marts import select_publishable
from warehouse.serving import mart_file as serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class MartPublication:
    """The served file after a publication. `row_counts`, `withheld_counts`: rows by purpose."""

    path: Path
    is_changed: bool
    row_counts: dict[str, int]
    withheld_counts: dict[str, int]


def publish_marts(
    lake: Lake, as_of: datetime, connect: Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]
) -> MartPublication:
    """Publish the rows that a decision made now still allows; the file is built anew where any mart changed.

    `connect`: opens a new DuckDB file to write. Raises `LakeError`, and publishes nothing, where a mart has other
    columns than its purpose declares.
    """
    tables, register = list_mart_tables(), load_company_register()
    decisions = decide_lake(lake, as_of).lazy()
    rows = {key: lake.read(table) for key, table in tables.items()}
    if undeclared := [key for key, table in tables.items() if rows[key].columns != list(table.schema)]:
        raise LakeError(
            f"{', '.join(undeclared)}: the columns are not the columns that the purpose declares. Nothing was published"
        )
    frames = {key: select_publishable(lake, register[key], frame, decisions) for key, frame in rows.items()}
    is_changed = serving.read_publication(lake) != serving.read_mart_states(lake, tables, frames)
    if is_changed:
        with serving.replace_file(lake) as draft, connect(draft) as connection:
            serving.build_mart_file(connection, lake, tables, frames)
    return MartPublication(
        serving.mart_file_path(lake),
        is_changed,
        {key: frame.height for key, frame in frames.items()},
        {key: rows[key].height - frame.height for key, frame in frames.items()},
    )
