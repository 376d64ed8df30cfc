"""Parquet files to records.

Columns come typed and are read as text here, so that one contract serves all formats.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.formats.file_records import FAULT_COLUMNS, FileRecords, RecordCollector, refuse_file

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract


def read_parquet(data: bytes, contract: ChannelContract) -> FileRecords:
    """Records of a Parquet file, each as JSON in `record`; faults: `unreadable_file`, `missing_column`."""
    collector = RecordCollector()
    if not data:
        return collector.to_file_records(contract)
    try:
        rows = pl.read_parquet(io.BytesIO(data))
    except Exception:  # noqa: BLE001  a damaged file fails in many ways; none of them may stop the night
        return refuse_file(data, contract, "is not readable Parquet")
    columns, missing = collector.match_columns(rows.columns, contract)
    frame = rows.select(
        pl.struct(pl.all()).struct.json_encode().alias("record"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"),
        pl.lit(None, pl.Int64).alias("line_number"),
        *(
            pl.lit(part, pl.String).alias(name)
            for name, part in zip(FAULT_COLUMNS, missing or (None,) * 3, strict=True)
        ),
        *(
            (pl.col(field).cast(pl.String) if field in columns else pl.lit(None, pl.String)).alias(column)
            for field, column in contract.columns.items()
        ),
    )
    return FileRecords(frame, collector.warnings)
