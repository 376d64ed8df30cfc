"""Account for every file: its rows are counted again where they lie, and what no channel reads is listed.

The reconciliation of audit/file belongs here; loading the files of a channel is `ingestion`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.records import is_sign, matches_channel
from cdp_pipelines.retention import count_removed_rows
from cdp_pipelines.schema import FILE, RETENTION
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.checked_write import CheckFailedError, StagedWrite, TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts
from warehouse.sources.drop_folder import list_drop_files

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from warehouse.delta.lake import Lake

RECONCILED = "received_is_stored_plus_removed"


@dataclass
class FileAccount:
    """Rows of audit/file: those known, and those of files that no channel claims or that are not read."""

    known: pl.DataFrame
    unclaimed: pl.DataFrame

    @property
    def warnings(self) -> list[str]:
        """One line for each file that no channel claims or that is not read."""
        return [f"{file}: {detail}" for file, detail in self.unclaimed.select("file", "detail").iter_rows()]


def find_unclaimed_files(lake: Lake, drops: Path, night: date) -> FileAccount:
    """What the drop folder has until `night` that no channel reads and the lake does not list yet."""
    known = lake.read(FILE)
    listed = set(known.filter(pl.col("channel") == "")["file_sha256"])
    return FileAccount(known, _list_unclaimed(drops, night, listed))


def record_files(lake: Lake, account: FileAccount, night: date) -> WriteReport:
    """Reconcile every known file with the rows stored and removed, then add the unclaimed files to audit/file.

    Raises `CheckFailedError` where the rows of a file do not add up; nothing is written then.
    """
    known = account.known
    reconciliation = _reconcile(lake, known)
    if not reconciliation.is_passed:
        raise CheckFailedError((reconciliation,))
    outcomes = dict(known.group_by("outcome").len().sort("outcome").iter_rows())
    report = check_and_write(
        lake,
        night,
        StagedWrite(
            FILE,
            pl.concat([known, account.unclaimed]),
            lambda: lake.append(FILE, account.unclaimed),
            {"outcomes": outcomes},
        ),
    )
    return WriteReport(night, (reconciliation, *report.checks), report.writes)


def _reconcile(lake: Lake, known: pl.DataFrame) -> TableCheck:
    """Whether the rows received in each file are those in raw and quarantine, and those that retention removed."""
    different = find_unaccounted_files(lake, known)
    return TableCheck(
        FILE,
        RECONCILED,
        different.is_empty(),
        f"{different.height} files have other rows than were received" if different.height else None,
        {
            "files": known.height,
            "rows received": int(known["received_count"].sum()),
            "files that differ": different.height,
        },
    )


def find_unaccounted_files(lake: Lake, known: pl.DataFrame) -> pl.DataFrame:
    """Files whose rows in raw and quarantine, and those that retention removed, are not as many as were received.

    `known`: rows of audit/file. Columns: those of `known` and `stored_count`.
    """
    contracts = load_all_contracts().values()
    stored = [
        lake.scan(table)
        .group_by("file_sha256")
        .agg(pl.len().cast(pl.Int64).alias("stored_count"))
        .with_columns(pl.lit(contract.name).alias("channel"))
        for contract in contracts
        for table in (contract.raw, contract.quarantine)
    ]
    removed = [
        count_removed_rows(lake.scan(RETENTION), [contract.raw.name, contract.quarantine.name]).select(
            "file_sha256", pl.col("removed_count").alias("stored_count"), pl.lit(contract.name).alias("channel")
        )
        for contract in contracts
    ]
    counted = pl.concat(stored + removed).group_by("channel", "file_sha256").agg(pl.col("stored_count").sum())
    return (
        known.lazy()
        .filter(pl.col("outcome") != "repeated")
        .join(counted, on=["channel", "file_sha256"], how="full", coalesce=True)
        .join(_list_replaced(known), on=["channel", "file_sha256"], how="anti")
        .filter(pl.col("channel") != "", pl.col("received_count").fill_null(-1) != pl.col("stored_count").fill_null(0))
        .collect()
    )


def drop_replaced(files: pl.DataFrame) -> pl.DataFrame:
    """Rows of audit/file without those of contents that the grown file has replaced."""
    return files.join(_list_replaced(files).collect(), on=FILE.key, how="anti")


def _list_replaced(files: pl.DataFrame) -> pl.LazyFrame:
    replaced = files.lazy().filter(pl.col("replaced_sha256").is_not_null())
    return replaced.select(*FILE.key[:-1], pl.col("replaced_sha256").alias("file_sha256"))


def _list_unclaimed(drops: Path, night: date, listed: set[str]) -> pl.DataFrame:
    rows = []
    for file in list_drop_files(drops, night):
        if file.is_delivery and any(
            matches_channel(each, file.name) or is_sign(each, file.name) for each in load_all_contracts().values()
        ):
            continue
        try:
            data, sha256 = file.read()
        except OSError:
            continue  # It is gone, or the next run reads it.
        if sha256 in listed:
            continue
        listed.add(sha256)
        rows.append(
            {
                "channel": "",
                "drop_date": file.drop_date,
                "file": file.name,
                "file_sha256": sha256,
                "byte_count": len(data),
                "received_count": 0,
                "raw_count": 0,
                "quarantined_count": 0,
                "duplicate_count": 0,
                "outcome": "not_read" if file.unreadable else "no_channel",
                "ingested_at": end_of_night(file.drop_date) if file.drop_date else None,
                "detail": file.unreadable or file.misplaced or "no channel claims a file of this name",
            }
        )
    return pl.DataFrame(rows, schema=FILE.schema)
