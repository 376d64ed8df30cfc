"""From a channel's files to its raw and quarantine tables: each file once, by content, and healed after a crash."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from assets.runtime.lake import StagedWrite, check_and_write, end_of
from cdp_pipelines.channels.contract import ChannelContract
from cdp_pipelines.channels.records import matches_channel, read_records
from cdp_pipelines.schema import FILE, Table
from cdp_pipelines.standardise.admission import AdmissionResult, admit_records
from warehouse.delta.lake import Lake
from warehouse.sources.drop_folder import list_drop_files


@dataclass
class StagedFiles:
    """What a night's new files hold, not yet written. `files` has the columns of `audit/file`."""

    admitted: AdmissionResult
    files: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


def stage_files(lake: Lake, drops: Path, contract: ChannelContract, night: date) -> StagedFiles:
    """Read the channel's files until `night` that the lake does not have, and split them into accepted and refused."""
    known = set(lake.scan(FILE).filter(pl.col("channel") == contract.name).select("file_sha256").collect().to_series())
    frames, files, warnings = [], [], []
    for file in list_drop_files(drops, night):
        if file.drop_date is None or not matches_channel(contract, file.name):
            continue
        data, sha256 = file.read()
        if sha256 in known:
            continue
        known.add(sha256)
        found = read_records(data, contract)
        came = {
            "file": file.name,
            "file_sha256": sha256,
            "drop_date": file.drop_date,
            "ingested_at": end_of(file.drop_date),
        }
        frames.append(found.frame.with_columns(pl.lit(value).alias(name) for name, value in came.items()))
        files.append(
            {
                **came,
                "channel": contract.name,
                "byte_count": len(data),
                "received_count": found.frame.height,
                "detail": "; ".join(found.warnings) or None,
            }
        )
        warnings.extend(f"{file.drop_date}/{file.name}: {warning}" for warning in found.warnings)
    if not frames:
        return StagedFiles(AdmissionResult(contract.raw.empty(), contract.quarantine.empty()), FILE.empty())
    records = pl.concat(frames)
    # After a crash a file's raw rows may be there while its line in audit/file is not: they are not what was known.
    earlier = lake.scan(contract.raw).filter(
        pl.col("source_record_id").is_in(records[contract.columns[contract.key]].unique().implode()),
        ~pl.col("file_sha256").is_in([file["file_sha256"] for file in files]),
    )
    admitted = admit_records(records, earlier.collect(), contract)
    return StagedFiles(admitted, _counted(files, admitted), warnings)


def _counted(files: list[dict], admitted: AdmissionResult) -> pl.DataFrame:
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


def load_staged(lake: Lake, contract: ChannelContract, staged: StagedFiles, night: date) -> Iterator:
    """Check what was staged and append it; the line in audit/file comes last, for it says that the file is done."""
    files = staged.files
    counts = {
        "files taken in": files.height,
        **{
            name.removeprefix("n_"): int(files[name].sum())
            for name in ("received_count", "quarantined_count", "duplicate_count")
        },
        "warnings": dg.MetadataValue.md("\n".join(f"- {warning}" for warning in staged.warnings) or "none"),
    }

    def append(table: Table, rows: pl.DataFrame) -> object:
        there = lake.scan(table).select(pl.col("file_sha256").unique()).collect().to_series()
        return lake.append(table, rows.filter(~pl.col("file_sha256").is_in(there.implode())))

    accepted, refused = staged.admitted.accepted, staged.admitted.refused
    yield from check_and_write(
        lake,
        night,
        StagedWrite(contract.raw, accepted, lambda: append(contract.raw, accepted), counts, is_addition=True),
        StagedWrite(contract.quarantine, refused, lambda: append(contract.quarantine, refused), is_addition=True),
    )
    lake.append(FILE, files)
