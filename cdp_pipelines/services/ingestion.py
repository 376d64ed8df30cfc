"""From a channel's files to its raw and quarantine tables: each file once, by content, also after a crash.

Staging and loading files belongs here; reading one file's records is `channels`', admitting them `standardise`'s.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from cdp_pipelines.channels.records import matches_channel, read_records
from cdp_pipelines.schema import FILE, Table
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.checked_write import StagedWrite, TableCheck, WriteReport, check_and_write
from cdp_pipelines.services.file_accounting import drop_replaced
from cdp_pipelines.standardise.admission import AdmissionResult, admit_records
from warehouse.sources.arrival import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from cdp_pipelines.channels.contract import ChannelContract
    from warehouse.delta.lake import Lake
    from warehouse.delta.write_modes import WriteResult
    from warehouse.sources.arrival import Observation

# Number of files whose records are put into one frame.
_FILES_IN_ONE = 1000
# So many files or rows of a channel are in memory at once; a delivery of more is loaded in several batches.
FILES_AT_ONCE, ROWS_AT_ONCE = 50_000, 2_000_000
# Name of the check that warns of files that wait.
COMPLETE = "complete"


@dataclass
class StagedFiles:
    """The content of new files, not yet written. `files`: rows of audit/file, without personal data.

    `unchanged`: raw rows of grown files that were accepted before, by the gate too. `waiting`: a line for each file
    that may be half-written.
    """

    admitted: AdmissionResult
    unchanged: pl.DataFrame
    files: pl.DataFrame
    warnings: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def ingest_files(lake: Lake, first_look: Observation, contract: ChannelContract, night: date) -> WriteReport:
    """Load the channel's files until `night` that the lake does not have, batch by batch; see `stage_files`."""
    return _merge_reports(
        [load_files(lake, contract, staged, night) for staged in stage_files(lake, first_look, contract, night)]
    )


def stage_files(lake: Lake, first_look: Observation, contract: ChannelContract, night: date) -> Iterator[StagedFiles]:
    """Read the channel's files until `night` that the lake does not have; accept or refuse each of their records.

    Each batch has to be loaded before the next one is taken. A file is known by its content, so the same bytes under
    another name or date are not loaded again. In a channel whose files prove that none is missing, they are noted as
    `repeated`. A file that is not whole waits (`complete_when`). `first_look`: the drop folder as the run first saw it,
    for all channels.
    """
    listed = lake.read(FILE).filter(pl.col("channel") == contract.name)
    known, loaded = set(listed["file_sha256"]), set(listed.select("file_sha256", "drop_date", "file").iter_rows())
    earlier = _list_earlier_contents(listed)
    batch, waiting = _Batch(), []
    for file in first_look.list_until(night):
        if file.drop_date is None or not matches_channel(contract, file.name):
            continue
        place, fault = f"{file.drop_date}/{file.name}", None
        try:
            data, sha256 = file.read()
            if sha256 not in known and contract.complete_when is not None:
                data, sha256, fault = read_whole(file, contract.complete_when, first_look)
        except OSError as error:
            batch.warnings.append(f"{place}: not read, and tried again by the next run: {error.strerror}")
            continue
        delivery = {
            "file": file.name,
            "file_sha256": sha256,
            "drop_date": file.drop_date,
            "ingested_at": end_of_night(file.drop_date),
        }
        if sha256 in known:
            if contract.continuity and (sha256, file.drop_date, file.name) not in loaded:
                batch.repeated.append({**delivery, "channel": contract.name, "byte_count": len(data)})
            continue
        if fault is not None:
            waiting.append(f"{place}: {fault}")
            continue
        known.add(sha256)
        records = read_records(data, contract)
        batch.add(
            records.frame,
            {
                **delivery,
                "channel": contract.name,
                "byte_count": len(data),
                "received_count": records.frame.height,
                "detail": "; ".join(records.warnings) or None,
                "replaced_sha256": _find_earlier_content(earlier.get((file.drop_date, file.name), ()), data),
            },
        )
        batch.warnings.extend(f"{place}: {warning}" for warning in records.warnings)
        if len(batch.files) >= FILES_AT_ONCE or batch.row_count >= ROWS_AT_ONCE:
            yield batch.stage(lake, contract, [])
            batch = _Batch()
    yield batch.stage(lake, contract, waiting)


@dataclass
class _Batch:
    """New files as they were read: frames of their records, and what audit/file says of each."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    files: list[dict[str, object]] = field(default_factory=list)
    repeated: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    row_count: int = 0

    def add(self, frame: pl.DataFrame, file: dict[str, object]) -> None:
        """The records of one more file."""
        self.frames.append(frame)
        self.files.append(file)
        self.row_count += frame.height
        if len(self.files) % _FILES_IN_ONE == 0:
            # A frame of a few rows takes some twenty kilobytes, which many files do not have.
            merged = len(self.files) // _FILES_IN_ONE - 1
            self.frames[merged:] = [pl.concat(self.frames[merged:], rechunk=True)]

    def stage(self, lake: Lake, contract: ChannelContract, waiting: list[str]) -> StagedFiles:
        repeated = _note_repeated(self.repeated)
        if not self.frames:
            admitted = AdmissionResult(contract.raw.empty(), contract.quarantine.empty())
            return StagedFiles(admitted, contract.raw.empty(), repeated, self.warnings, waiting)
        grown = {str(file["file_sha256"]): file["replaced_sha256"] for file in self.files if file["replaced_sha256"]}
        admitted, unchanged = _admit(lake, contract, _add_deliveries(self.frames, self.files), grown)
        counted = _count_rows(self.files, pl.concat([unchanged, admitted.accepted]), admitted.refused)
        return StagedFiles(admitted, unchanged, pl.concat([counted, repeated]), self.warnings, waiting)


def _list_earlier_contents(listed: pl.DataFrame) -> dict[tuple[date, str], list[tuple[int, str]]]:
    """Drop date and name of a file to bytes and digest of the contents that were loaded before, the longest first."""
    contents: dict[tuple[date, str], list[tuple[int, str]]] = defaultdict(list)
    loaded = drop_replaced(listed).filter(pl.col("received_count") > 0).sort("byte_count", descending=True)
    for drop_date, name, *content in loaded.select("drop_date", "file", "byte_count", "file_sha256").iter_rows():
        contents[drop_date, name].append((content[0], content[1]))
    return contents


def _find_earlier_content(contents: Iterable[tuple[int, str]], data: bytes) -> str | None:
    """Digest of the first of these contents with which `data` begins, and goes on."""
    begins = (
        sha256 for count, sha256 in contents if count < len(data) and hashlib.sha256(data[:count]).hexdigest() == sha256
    )
    return next(begins, None)


def _add_deliveries(frames: Sequence[pl.DataFrame], files: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """The records of all files, in their order, each with the delivery of its file."""
    names = ("file", "file_sha256", "drop_date", "ingested_at")
    deliveries = pl.DataFrame(files, schema={name: FILE.schema[name] for name in names})
    counts = pl.Series([file["received_count"] for file in files], dtype=pl.Int64)
    numbers = pl.select(pl.int_range(len(files)).repeat_by(counts).explode().drop_nulls())
    return pl.concat([pl.concat(frames), deliveries[numbers.to_series()]], how="horizontal")


def _admit(
    lake: Lake, contract: ChannelContract, received: pl.DataFrame, grown: Mapping[str, object]
) -> tuple[AdmissionResult, pl.DataFrame]:
    """Accept or refuse the records of new files. `grown`: digest of a grown file to that of its earlier content.

    Second are the records of grown files that were accepted before: as stored, but with the digest of the whole file.
    """
    # After a crash a file's raw rows may be in the lake while its row in audit/file is not. These are not earlier rows.
    own = pl.col("file_sha256").is_in([*received["file_sha256"].unique(), *grown.values()])
    again = received.select("file_sha256", "row_number", pl.col("record").alias("record_again"))
    of_grown = lake.scan(contract.raw).filter(pl.col("file_sha256").is_in([*grown.values(), *grown]))
    stored = contract.raw.conform(
        of_grown.with_columns(pl.col("file_sha256").replace({earlier: sha256 for sha256, earlier in grown.items()}))
        .join(again.lazy(), on=["file_sha256", "row_number"])
        # Retention removes the record with the first of its values.
        .filter(pl.col("record").is_null() | (pl.col("record") == pl.col("record_again")))
    ).collect()
    new = received.join(stored, on=["file_sha256", "row_number"], how="anti")
    same_ids = pl.col("source_record_id").is_in(new["source_record_id"].unique().implode())
    earlier = lake.scan(contract.raw).filter(same_ids, ~own).collect()
    admitted = admit_records(new, pl.concat([earlier, stored.filter(same_ids)], how="diagonal"), contract)
    return admitted, stored


def _note_repeated(files: list[dict[str, object]]) -> pl.DataFrame:
    counts = dict.fromkeys(("received_count", "raw_count", "quarantined_count", "duplicate_count"), 0)
    detail = "the same content was delivered before"
    rows = [{**file, **counts, "outcome": "repeated", "detail": detail} for file in files]
    return pl.DataFrame(rows, schema=FILE.schema)


def _count_rows(files: list[dict[str, object]], accepted: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    accepted_counts = accepted.group_by("file_sha256").agg(
        pl.len().alias("raw_count"), pl.col("is_duplicate").sum().alias("duplicate_count")
    )
    refused_counts = refused.group_by("file_sha256").agg(pl.len().alias("quarantined_count"))
    counted = (
        pl.DataFrame(files, schema_overrides={"detail": pl.String, "replaced_sha256": pl.String})
        .join(accepted_counts, on="file_sha256", how="left")
        .join(refused_counts, on="file_sha256", how="left")
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
    """Check what was staged and append it; the rows of audit/file come last, because they state that a file is done.

    Rows of a file that has grown replace those of its earlier content, in one commit of each table.
    """
    files = staged.files
    counts = {
        "files loaded": files.height,
        **{
            f"rows {name.removesuffix('_count')}": int(files[name].sum())
            for name in ("received_count", "quarantined_count", "duplicate_count")
        },
        "warnings": staged.warnings,
    }

    own = pl.col("file_sha256").is_in([*files["file_sha256"], *files["replaced_sha256"].drop_nulls()])

    def write(table: Table, rows: pl.DataFrame) -> WriteResult:
        if files["replaced_sha256"].count():
            others = lake.scan(table).filter(~own).collect()
            return lake.replace(table, pl.concat([others, rows], how="diagonal"))
        loaded = lake.scan(table).select(pl.col("file_sha256").unique()).collect().to_series()
        return lake.append(table, rows.filter(~pl.col("file_sha256").is_in(loaded.implode())))

    accepted, refused = staged.admitted.accepted, staged.admitted.refused
    rows = pl.concat([staged.unchanged, accepted])
    report = check_and_write(
        lake,
        night,
        StagedWrite(contract.raw, accepted, lambda: write(contract.raw, rows), counts, is_addition=True),
        StagedWrite(contract.quarantine, refused, lambda: write(contract.quarantine, refused), is_addition=True),
    )
    lake.append(FILE, files)
    if contract.complete_when is None:
        return report
    waiting = "; ".join(staged.waiting) or None
    complete = TableCheck(contract.raw, COMPLETE, is_passed=waiting is None, description=waiting, is_warning=True)
    return replace(report, checks=(*report.checks, complete))


def _merge_reports(reports: Sequence[WriteReport]) -> WriteReport:
    """The report of all batches: their counts and warnings together, and the last of each check with a result."""
    last = reports[-1]
    checks = [
        next((check for check in reversed(same) if check.result or not check.is_passed), same[-1])
        for same in zip(*(report.checks for report in reports), strict=True)
    ]
    writes = []
    for same in zip(*(report.writes for report in reports), strict=True):
        *_, write = same
        metadata = {label: _add_up([each.metadata[label] for each in same]) for label in write.metadata}
        writes.append(replace(write, metadata=metadata))
    return replace(last, checks=tuple(checks), writes=tuple(writes))


def _add_up(values: Sequence[Any]) -> object:
    return [each for value in values for each in value] if isinstance(values[0], list) else sum(values)
