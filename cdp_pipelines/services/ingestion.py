"""From a channel's files to its raw and quarantine tables: each file once, by content, also after a crash.

Staging and loading files belongs here; reading one file's records is `channels`', admitting them `standardise`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.records import matches_channel, read_records
from cdp_pipelines.schema import FILE, Table
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.standardise.admission import AdmissionResult, admit_records

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from cdp_pipelines.channels.contract import ChannelContract
    from warehouse.delta.lake import Lake
    from warehouse.delta.write_modes import WriteResult
    from warehouse.sources.drop_folder import DropFile


@dataclass
class StagedFiles:
    """The content of a night's new files, not yet written. `files`: rows of audit/file, without personal data."""

    admitted: AdmissionResult
    files: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


def stage_files(lake: Lake, deliveries: Iterable[DropFile], contract: ChannelContract) -> StagedFiles:
    """Read the channel's files that the lake does not have; accept or refuse each of their records.

    `deliveries`: those of all channels until the night of the run, from `list_deliveries`.

    A file is known by its content, so the same bytes under another name or date are not loaded again. In a channel
    whose files prove that none is missing, they are noted as `repeated`.
    """
    listed = lake.scan(FILE).filter(pl.col("channel") == contract.name).select("file_sha256", "drop_date", "file")
    known, loaded = set(listed.select("file_sha256").collect().to_series()), set(listed.collect().iter_rows())
    frames: list[pl.DataFrame] = []
    files: list[dict[str, object]] = []
    repeated: list[dict[str, object]] = []
    warnings: list[str] = []
    for file in deliveries:
        if file.drop_date is None or not matches_channel(contract, file.name):
            continue
        try:
            data, sha256 = file.read()
        except OSError as error:
            reason = f"not read, and tried again by the next run: {error.strerror}"
            warnings.append(f"{file.drop_date}/{file.name}: {reason}")
            continue
        delivery = {
            "file": file.name,
            "file_sha256": sha256,
            "drop_date": file.drop_date,
            "ingested_at": end_of_night(file.drop_date),
        }
        if sha256 in known:
            if contract.continuity and (sha256, file.drop_date, file.name) not in loaded:
                repeated.append({**delivery, "channel": contract.name, "byte_count": len(data)})
            continue
        known.add(sha256)
        records = read_records(data, contract)
        frames.append(records.frame.with_columns(pl.lit(value).alias(name) for name, value in delivery.items()))
        files.append(
            {
                **delivery,
                "channel": contract.name,
                "byte_count": len(data),
                "received_count": records.frame.height,
                "detail": "; ".join(records.warnings) or None,
            }
        )
        warnings.extend(f"{file.drop_date}/{file.name}: {warning}" for warning in records.warnings)
    if not frames:
        admitted = AdmissionResult(contract.raw.empty(), contract.quarantine.empty())
        return StagedFiles(admitted, _note_repeated(repeated), warnings)
    received = pl.concat(frames)
    # After a crash a file's raw rows may be in the lake while its row in audit/file is not. These are not earlier rows.
    earlier = lake.scan(contract.raw).filter(
        pl.col("source_record_id").is_in(received["source_record_id"].unique().implode()),
        ~pl.col("file_sha256").is_in([file["file_sha256"] for file in files]),
    )
    admitted = admit_records(received, earlier.collect(), contract)
    return StagedFiles(admitted, pl.concat([_count_rows(files, admitted), _note_repeated(repeated)]), warnings)


def _note_repeated(files: list[dict[str, object]]) -> pl.DataFrame:
    counts = dict.fromkeys(("received_count", "raw_count", "quarantined_count", "duplicate_count"), 0)
    detail = "the same content was delivered before"
    rows = [{**file, **counts, "outcome": "repeated", "detail": detail} for file in files]
    return pl.DataFrame(rows, schema=FILE.schema)


def _count_rows(files: list[dict[str, object]], admitted: AdmissionResult) -> pl.DataFrame:
    accepted = admitted.accepted.group_by("file_sha256").agg(
        pl.len().alias("raw_count"), pl.col("is_duplicate").sum().alias("duplicate_count")
    )
    refused = admitted.refused.group_by("file_sha256").agg(pl.len().alias("quarantined_count"))
    counted = (
        pl.DataFrame(files, schema_overrides={"detail": pl.String})
        .join(accepted, on="file_sha256", how="left")
        .join(refused, on="file_sha256", how="left")
        .with_columns(pl.col("raw_count", "quarantined_count", "duplicate_count").fill_null(0))
    )
    received = pl.col("received_count")
    return FILE.conform(
        counted.lazy().with_columns(
            pl.when(received == 0)
            .then(pl.lit("empty"))
            .when(pl.col("raw_count") == 0)
            .then(pl.lit("refused"))
            .when(pl.col("detail").is_not_null())
            .then(pl.lit("loaded_with_warnings"))
            .otherwise(pl.lit("loaded"))
            .alias("outcome"),
            pl.when(received == 0)
            .then(pl.coalesce("detail", pl.lit("the file has no records")))
            .otherwise("detail")
            .alias("detail"),
        )
    ).collect()


def load_files(lake: Lake, contract: ChannelContract, staged: StagedFiles, night: date) -> WriteReport:
    """Check what was staged and append it; the rows of audit/file come last, because they state that a file is done."""
    files = staged.files
    counts = {
        "files loaded": files.height,
        **{
            f"rows {name.removesuffix('_count')}": int(files[name].sum())
            for name in ("received_count", "quarantined_count", "duplicate_count")
        },
        "warnings": staged.warnings,
    }

    def append(table: Table, rows: pl.DataFrame) -> WriteResult:
        loaded = lake.scan(table).select(pl.col("file_sha256").unique()).collect().to_series()
        return lake.append(table, rows.filter(~pl.col("file_sha256").is_in(loaded.implode())))

    accepted, refused = staged.admitted.accepted, staged.admitted.refused
    report = check_and_write(
        lake,
        night,
        StagedWrite(contract.raw, accepted, lambda: append(contract.raw, accepted), counts, is_addition=True),
        StagedWrite(contract.quarantine, refused, lambda: append(contract.quarantine, refused), is_addition=True),
    )
    lake.append(FILE, files)
    return report
