"""Standard tables from the raw rows of all channels that may still be used.

Reading raw and writing standardised/* belongs here; how a record becomes a standard row is `standardise`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines import standardise
from cdp_pipelines.consent import complete_requests, select_current_resolutions
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import select_usable
from cdp_pipelines.schema import INTERACTION, PARTY, PREFERENCE, PRIVACY_REQUEST, RESOLUTION, Table
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.record_changes import (
    RecordChanges,
    find_record_changes,
    is_replaced,
    store_record_cursor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from warehouse.delta.lake import Lake


class StandardTable(NamedTuple):
    """A standard table: the section of a contract that fills it, and the function that builds its rows."""

    table: Table
    section: str
    build: Callable[[pl.LazyFrame, ChannelContract], pl.LazyFrame]

    @property
    def contracts(self) -> dict[str, ChannelContract]:
        """The channels that fill the table, by name."""
        return {key: contract for key, contract in load_all_contracts().items() if getattr(contract, self.section)}

    @property
    def described(self) -> Table:
        """The table with the raw columns that each of its columns comes from."""
        return with_raw_sources(self.table, self.contracts.values())


STANDARD_TABLES = (
    StandardTable(PARTY, "party", standardise.build_party),
    StandardTable(INTERACTION, "interaction", standardise.build_interaction),
    StandardTable(PREFERENCE, "preference", standardise.build_preference),
    StandardTable(PRIVACY_REQUEST, "privacy_request", standardise.build_privacy_request),
)


def update_standard_table(lake: Lake, standard: StandardTable, night: date, as_of: datetime) -> WriteReport:
    """Build the rows of the records that have changed since the last night, from their latest usable version."""
    table, frames = standard.table, []
    changes = find_record_changes(lake, [table], standard.contracts.values(), as_of)
    if table is PRIVACY_REQUEST:
        resolved = lake.read(RESOLUTION)
        changes = [each.include(resolved) for each in changes]
    for each in changes:
        raw = lake.scan(each.contract.raw).filter(each.is_of_changed)
        usable = select_usable(raw, each.contract, each.retention, as_of)
        rows = standard.build(standardise.select_latest(usable, each.contract), each.contract)
        if table is PRIVACY_REQUEST:
            rows = complete_requests(rows, select_current_resolutions(lake.scan(RESOLUTION)))
        frames.append(rows)
    built = pl.concat(pl.collect_all(frames))
    staged = stage_records(lake, standard.described, changes, built)
    report = check_and_write(lake, night, staged)
    store_record_cursor(lake, [table], changes, as_of)
    return report


def stage_records(lake: Lake, table: Table, changes: Sequence[RecordChanges], built: pl.DataFrame) -> StagedWrite:
    """The rows of changed records, to be put in place of their earlier rows."""
    replaced = is_replaced(changes)
    kept = lake.scan(table).filter(~replaced).select("channel").collect()
    counts = {"rows by channel": count_by_channel(pl.concat([kept, built.select("channel")]))}
    return StagedWrite(table, built, lambda: lake.merge(table, replaced, built), counts, replaced=replaced)


def count_by_channel(rows: pl.DataFrame) -> dict[str, int]:
    """Channel to its number of rows."""
    return dict(rows["channel"].value_counts().sort("channel").iter_rows())
