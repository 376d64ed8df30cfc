"""Consent events and requests that name nobody: list them each night, report them, and record a clerk's decision.

What is read and written belongs here; what counts as unresolved is decided in `consent.unresolved`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent import find_unresolved
from cdp_pipelines.errors import CdpError
from cdp_pipelines.schema import (
    CONSENT_EVENT,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    RECORD_KEY,
    RESOLUTION,
    SUBJECT_KINDS,
    UNNAMED_STATEMENT,
    UNRESOLVED,
)
from cdp_pipelines.services.checked_write import CheckFailedError, StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.standardise import read_subject

if TYPE_CHECKING:
    from datetime import date

    from warehouse.delta.lake import Lake

Record = tuple[str, str]


def update_unresolved(lake: Lake, night: date) -> WriteReport:
    """List every record that may still be used and whose consent events or request name nobody."""
    rows = find_unresolved(
        *(lake.scan(table) for table in (UNNAMED_STATEMENT, CONSENT_EVENT, PRIVACY_REQUEST, PARTY, LEDGER, RESOLUTION))
    ).collect()
    counts = dict(rows["reason"].value_counts().sort("reason").iter_rows())
    return check_and_write(
        lake, night, StagedWrite(UNRESOLVED, rows, lambda: lake.replace(UNRESOLVED, rows), {"records": counts})
    )


def report_unresolved(lake: Lake, limit: int | None = None) -> Document:
    """The unresolved records, newest first, and their counts by channel and reason. `limit`: records to list."""
    rows = lake.scan(UNRESOLVED).sort("event_at", *RECORD_KEY, descending=[True, False, False], nulls_last=True)
    listed = (rows if limit is None else rows.head(limit)).collect()
    counts = rows.group_by("channel", "reason").agg(pl.len().alias("record_count")).sort("channel", "reason").collect()
    total = int(counts["record_count"].sum())
    records = [
        {
            "record": f"{row['channel']}:{row['source_record_id']}",
            "reason": row["reason"],
            "subject": row["subject_value"],
            "statements": ", ".join(row["statements"]),
            "event_at": row["event_at"],
        }
        for row in listed.iter_rows(named=True)
    ]
    verb = "record states" if total == 1 else "records state"
    return Document(
        "Consent events and requests that name nobody",
        f"{total:,} {verb} something about a person whom the lake cannot name. Nothing was granted by them. "
        "`cdp consent resolve` names the person; a subject that is unknown counts from the night that brings it.",
        [
            Section("counts", counts.to_dicts(), title="By channel and reason"),
            Section("records", records, title=f"Records, newest first ({len(records):,} of {total:,})"),
        ],
    )


def resolve_record(lake: Lake, record: Record, subject: str | None, kind: str | None, *, by: str, because: str) -> int:
    """Record whom an unresolved record names, or nobody where `subject` is None; the number of the resolution.

    `kind`: one of `SUBJECT_KINDS`; by default e-mail for a subject with an @, else phone. Raises `CdpError` where the
    record is not unresolved, or the subject cannot be read as one of its kind.
    """
    channel, source_record_id = record
    with lake.lock_writer():
        is_record = (pl.col("channel") == channel) & (pl.col("source_record_id") == source_record_id)
        before = lake.read(RESOLUTION)
        if lake.scan(UNRESOLVED).filter(is_record).collect().is_empty() and before.filter(is_record).is_empty():
            raise CdpError(
                f"{channel}:{source_record_id} is not an unresolved record; `cdp consent unresolved` lists them"
            )
        value = None
        if subject is not None:
            kind = kind or ("email" if "@" in subject else "phone")
            if kind not in SUBJECT_KINDS:
                raise CdpError(f"{kind!r} is not a kind of identifier; allowed are {', '.join(SUBJECT_KINDS)}")
            value = read_subject(kind, subject, load_all_contracts()[channel].phone_region)
            if value is None:
                raise CdpError(f"the subject cannot be read as one {kind}; phones are in the form +12065550100")
        number = before.height + 1
        row = {
            "resolution_number": number, "channel": channel, "source_record_id": source_record_id,
            "subject_kind": kind if value is not None else None, "subject_value": value, "resolved_by": by,
            "reason": because, "resolved_at": datetime.now(UTC),
        }  # fmt: skip
        rows = pl.DataFrame([row], schema=RESOLUTION.schema)
        staged = StagedWrite(RESOLUTION, pl.concat([before, rows]), lambda: lake.append(RESOLUTION, rows))
        try:
            check_and_write(lake, None, staged)
        except CheckFailedError as error:
            raise CdpError(f"the decision does not pass the suite of {RESOLUTION.name}: {error}") from None
    return number
