"""The records of a channel whose standard rows may have changed since a step last ran.

A standard row is a function of the rows of one record, of what the company declares about its channel, and of the
instant as of which it is read. So it changes with rows that are added, with a declaration, and where a period of use
ends, whether or not retention has removed the rows already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.elements import record_id
from cdp_pipelines.retention import ChannelRetention, compute_retention_rules, find_expiring
from cdp_pipelines.services.cursor import read_cursor, store_cursor
from cdp_pipelines.services.declarations import load_company_register
from warehouse.code_version import digest_code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.schema import Table
    from cdp_pipelines.services.cursor import Cursor
    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class RecordChanges:
    """Ids of the records of a channel that have to be read again.

    `added`: those that have new rows; None where all records have to be read. `expired`: those of which a row or a
    value may not be used any more.
    """

    contract: ChannelContract
    retention: ChannelRetention
    added: pl.Series | None
    expired: pl.Series

    @property
    def is_of_added(self) -> pl.Expr:
        """Whether a row, of the channel or of its standard rows, is of a record with new rows."""
        return self._is_of(self.added)

    @property
    def is_of_changed(self) -> pl.Expr:
        """Whether a row, of the channel or of its standard rows, is of any of the records."""
        return self._is_of(None if self.added is None else pl.concat([self.added, self.expired]))

    def include(self, rows: pl.DataFrame) -> RecordChanges:
        """With the records of these rows (channel, source_record_id) too, as if they were added."""
        if self.added is None:
            return self
        of_channel = rows.filter(channel=self.contract.name).select(record_id(self.contract)).to_series()
        return replace(self, added=pl.concat([self.added, of_channel]).unique())

    def _is_of(self, records: pl.Series | None) -> pl.Expr:
        if records is None:
            return pl.lit(value=True)
        return record_id(self.contract).is_in(records.implode()) if records.len() else pl.lit(value=False)


def find_record_changes(
    lake: Lake, tables: Sequence[Table], contracts: Collection[ChannelContract], as_of: datetime
) -> list[RecordChanges]:
    """What each of these channels brings to the step that writes these standard tables, since its cursor."""
    cursor, purposes = read_cursor(lake, tables[0].name), load_company_register().at(as_of)
    return [
        _find_changes(lake, tables, contract, compute_retention_rules(contract, purposes), cursor, as_of)
        for contract in contracts
    ]


def is_replaced(changes: Iterable[RecordChanges]) -> pl.Expr:
    """Whether a row of a standard table is built anew, or is of a channel that does not fill the table any more."""
    of_channel = {each.contract.name: each.is_of_changed for each in changes}
    return pl.any_horizontal(
        ~pl.col("channel").is_in(list(of_channel)),
        *((pl.col("channel") == name) & is_changed for name, is_changed in of_channel.items()),
    )


def store_record_cursor(
    lake: Lake, tables: Sequence[Table], changes: Iterable[RecordChanges], as_of: datetime, also: Sequence[Table] = ()
) -> None:
    """Note that a step wrote these tables, and others, from all rows of these channels."""
    read = {table.name: lake.name_version(table.name) for table in (each.contract.raw for each in changes)}
    digests = {each.contract.raw.name: _digest(each.contract, each.retention) for each in changes}
    seen = {name: version for name, version in read.items() if version}
    store_cursor(lake, (*tables, *also), seen, digests, as_of)


def _find_changes(
    lake: Lake,
    tables: Sequence[Table],
    contract: ChannelContract,
    retention: ChannelRetention,
    cursor: Cursor | None,
    as_of: datetime,
) -> RecordChanges:
    name, nothing = contract.raw.name, pl.Series(dtype=pl.String)
    every = RecordChanges(contract, retention, None, nothing)
    if cursor is None or cursor.digests.get(name) != _digest(contract, retention) or as_of < cursor.as_of:
        return every
    added = lake.scan_added(contract.raw, cursor.read[name]) if name in cursor.read else None
    if added is None:
        return every
    ids, ended, raw = record_id(contract), [nothing], lake.scan(contract.raw)
    if as_of > cursor.as_of:
        ended.append(find_expiring(raw, contract, retention, cursor.as_of, as_of).collect().to_series())
    if added.has_removals:
        # A night that comes late removes at once what no earlier night stopped to use.
        stored = [lake.scan(table).filter(pl.col("channel") == contract.name).select(ids) for table in tables]
        gone = pl.concat(stored).join(raw.select(ids), on="source_record_id", how="anti")
        ended.append(gone.collect().to_series())
    new = added.rows.select(ids).collect().to_series() if added.rows.collect_schema() else nothing
    return RecordChanges(contract, retention, new.unique(), pl.concat(ended).unique())


def _digest(contract: ChannelContract, retention: ChannelRetention) -> str:
    return sha256(f"{digest_code()} {contract!r} {retention!r}".encode()).hexdigest()
