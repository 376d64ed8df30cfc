"""Publish the marts: decide again for every row, and replace the served file where a mart changed.

The rows that may be published belong here; the form of the file is `warehouse.serving`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import RUN
from cdp_pipelines.services.check_results import list_held_back
from cdp_pipelines.services.decisions import select_allowed_now
from cdp_pipelines.services.declarations import load_company, load_company_register
from cdp_pipelines.services.mart_history import list_mart_tables
from cdp_pipelines.services.marts import select_lasting, select_publishable
from cdp_pipelines.services.reconciliation import find_disagreements
from warehouse.serving import mart_file as serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path

    import duckdb

    from cdp_pipelines.schema import MartRows
    from warehouse.delta.lake import Lake
    from warehouse.serving.mart_file import MartState

    Connect = Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]


@dataclass(frozen=True)
class MartPublication:
    """The served file after a publication.

    `row_counts`, `withheld_counts`: rows by purpose. `held_back`: marts that are not tonight's, each with the night of
    its rows; None where it was never built. `disagreements`: see `find_disagreements`.
    """

    path: Path
    is_changed: bool
    row_counts: dict[str, int]
    withheld_counts: dict[str, int]
    held_back: dict[str, date | None]
    disagreements: dict[str, str]


def publish_marts(lake: Lake, night: date, as_of: datetime, connect: Connect) -> MartPublication:
    """Publish the rows that a decision made now still allows; the file is built anew where any mart changed.

    A mart that was held back tonight is published with its earlier rows. A mart with other columns than its purpose
    declares is not taken from the lake: its published rows stay, but those of people whose right has ended.
    `connect`: opens a new DuckDB file to write.
    """
    tables, register = list_mart_tables(), load_company_register()
    decisions = select_allowed_now(lake, as_of)
    names = list_held_back(lake, night)
    held_back = {key for key, table in tables.items() if table.name in names}
    rows = {key: lake.read(table) for key, table in tables.items()}
    for key, table in tables.items():
        if rows[key].columns != list(table.schema):
            published = serving.read_rows(lake, table, key)
            rows[key] = pl.concat([table.empty(), published], how="diagonal")
            held_back.add(key)
    frames = {key: select_publishable(lake, register[key], frame, decisions) for key, frame in rows.items()}
    nights = _find_earlier_nights(lake, held_back, night)
    states = serving.read_mart_states(lake, tables, frames, nights)
    is_changed = serving.read_publication(lake) != states
    if is_changed:
        _replace_file(lake, frames, states, connect)
    row_counts = {key: frame.height for key, frame in frames.items()}
    in_lake = {key: frame.height for key, frame in rows.items()}
    return MartPublication(
        serving.mart_file_path(lake),
        is_changed,
        row_counts,
        {key: in_lake[key] - count for key, count in row_counts.items()},
        nights,
        find_disagreements(lake, in_lake, row_counts, held_back),
    )


def withdraw_published(lake: Lake, connect: Connect) -> dict[str, int]:
    """Remove the published rows of people whose right has ended, before a publication or without one.

    Number of removed rows by purpose; the file stays as it is where there are none.
    """
    tables, register, published = list_mart_tables(), load_company_register(), serving.read_publication(lake)
    rows = {key: serving.read_rows(lake, table, key) for key, table in tables.items() if key in published}
    rows = {key: pl.concat([tables[key].empty(), frame], how="diagonal") for key, frame in rows.items()}
    frames = {key: select_lasting(lake, register[key], frame) for key, frame in rows.items()}
    removed = {key: rows[key].height - frame.height for key, frame in frames.items()}
    if not any(removed.values()):
        return {}
    last = lake.scan(RUN).select(pl.col("night").max()).collect().item()
    served = {key: tables[key] for key in frames}
    states = serving.read_mart_states(lake, served, frames, dict.fromkeys(frames, last))
    _replace_file(lake, frames, states, connect)
    return {key: count for key, count in removed.items() if count}


def _find_earlier_nights(lake: Lake, held_back: set[str], night: date) -> dict[str, date | None]:
    """The night of each of these marts: as published until now, or else the night before this one."""
    published = serving.read_publication(lake)
    before = lake.scan(RUN).filter(pl.col("night") < night).select(pl.col("night").max()).collect().item()
    return {key: (published[key][-1] or before) if key in published else None for key in sorted(held_back)}


def _replace_file(
    lake: Lake, frames: Mapping[str, MartRows], states: Mapping[str, MartState], connect: Connect
) -> None:
    tables = {key: table for key, table in list_mart_tables().items() if key in frames}
    with serving.replace_file(lake) as draft, connect(draft) as connection:
        serving.build_mart_file(connection, tables, frames, states)
    if group := load_company().reader_group:
        serving.share_file(lake, group)
