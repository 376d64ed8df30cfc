"""Parquet files to records.

Columns come typed and are read as text here, so that one contract serves all formats. A damaged file can end the whole
process that reads it, so a child process reads them all.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.formats.file_records import FAULT_COLUMNS, FileRecords, RecordCollector, refuse_file

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.formats.file_records import Fault

# Of one file; a few kilobytes of Parquet can claim billions of equal rows.
MOST_ROWS = 20_000_000
MOST_MEMORY = 12 << 30
_RAW = "raw"


def read_parquet(data: bytes, contract: ChannelContract) -> FileRecords:
    """Records of a Parquet file, each as JSON in `record`; faults: `unreadable_file`, `missing_column`, encoding.

    Bytes without a text type are read as UTF-8; a record with a declared field that is not is refused. Lists and nested
    columns are read as JSON.
    """
    collector = RecordCollector()
    if not data:
        return collector.to_file_records(contract)
    worker = _worker()
    try:
        texts = pl.read_ipc(io.BytesIO(worker.submit(read_texts, data, tuple(contract.fields)).result()))
    except BrokenProcessPool:
        _worker.cache_clear()
        return refuse_file(data, contract, "is not readable Parquet")
    except ValueError as error:
        return refuse_file(data, contract, str(error))
    names = [name for name in texts.columns if name != _RAW]
    columns, missing = collector.match_columns(names, contract)
    declared = [name for name in contract.fields if name in columns]
    undecodable = pl.any_horizontal(pl.col(name) == _NOT_UTF8 for name in declared) if declared else pl.lit(value=False)
    fault: Fault = missing or ("wrong_encoding", None, "has bytes that are not UTF-8")
    has_fault = pl.lit(value=True) if missing else undecodable.fill_null(value=False)
    frame = texts.select(
        pl.col(_RAW).alias("record"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"),
        pl.lit(None, pl.Int64).alias("line_number"),
        *(
            pl.when(has_fault).then(pl.lit(part, pl.String)).alias(name)
            for name, part in zip(FAULT_COLUMNS, fault, strict=True)
        ),
        *(
            (pl.col(field).replace(_NOT_UTF8, None) if field in columns else pl.lit(None, pl.String)).alias(column)
            for field, column in contract.columns.items()
        ),
    )
    return FileRecords(frame, collector.warnings)


# Stands for bytes that are not UTF-8 between the two processes; no text has it.
_NOT_UTF8 = "\x00not utf-8\x00"


@cache
def _worker() -> ProcessPoolExecutor:
    """One child process for all files, started with the first; it is replaced when a file has ended it.

    Raises `BrokenProcessPool` where no child can start, so that no file is refused for that.
    """
    worker = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _prepare, (MOST_MEMORY,))
    worker.submit(os.getpid).result()
    return worker


def _prepare(most_memory: int) -> None:
    """In the child: a limit of memory, an end together with the parent's, and silence: a panic may quote the file."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (most_memory, most_memory))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(0)


def read_texts(data: bytes, fields: tuple[str, ...]) -> bytes:
    """In the child: every column as text and each row as JSON in `raw`, as Arrow IPC; `ValueError` where unreadable.

    Undeclared columns that cannot be text are in the JSON as base64.
    """
    try:
        rows = _read_rows(data)
        texts = [_as_text(rows[name]).alias(name) for name in rows.columns]
        shown = [
            series.bin.encode("base64")
            if series.dtype == pl.Binary and (text == _NOT_UTF8).any()
            else text
            if series.dtype == pl.Binary
            else series
            for series, text in zip(rows.iter_columns(), texts, strict=True)
        ]
        record = pl.DataFrame(shown).select(pl.struct(pl.all()).struct.json_encode()).to_series()
        kept = [text for text in texts if text.name in fields]
        others = [pl.Series(name, [None] * rows.height, pl.String) for name in rows.columns if name not in fields]
        out = io.BytesIO()
        pl.DataFrame([record.alias(_RAW), *kept, *others]).write_ipc(out)
    except ValueError:
        raise
    except BaseException:  # noqa: BLE001  Rust panics are no Exception; a damaged file fails in many ways
        raise ValueError("is not readable Parquet") from None
    return out.getvalue()


def _read_rows(data: bytes) -> pl.DataFrame:
    # Imported by the child alone.
    from pyarrow.parquet import read_metadata

    try:
        footer = read_metadata(io.BytesIO(data))
    except (OSError, ValueError):
        raise ValueError("is not readable Parquet") from None
    in_groups = sum(footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    row_count = max(footer.num_rows, in_groups)
    if row_count > MOST_ROWS:
        raise ValueError(f"has {row_count:,} rows; more than {MOST_ROWS:,} are refused")
    rows = pl.read_parquet(io.BytesIO(data))
    if not rows.width:
        raise ValueError("has no columns")
    # Polars reads no row of a file whose footer counts none, though its row groups have some.
    if rows.height != row_count:
        raise ValueError(f"has {row_count:,} rows, of which {rows.height:,} can be read")
    return rows


def _as_text(series: pl.Series) -> pl.Series:
    if series.dtype == pl.Binary:
        # Polars has no cast that passes over bytes which are not UTF-8.
        return pl.Series([_decode(value) for value in series], dtype=pl.String)
    if series.dtype.is_nested():
        encoded = pl.DataFrame({"value": series}).select(pl.struct("value").struct.json_encode()).to_series()
        # The JSON of the value alone: without `{"value":` and the closing brace.
        inner = encoded.str.slice(9).str.head(-1)
        return pl.select(pl.when(series.is_not_null()).then(inner)).to_series()
    if series.dtype.is_float():
        # "NaN" as a text would be a value, such as a name.
        series = pl.select(pl.when(series.is_finite()).then(series)).to_series()
    return series.cast(pl.String)


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return _NOT_UTF8
