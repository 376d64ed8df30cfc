"""What all standard tables share: which raw rows count, and the columns that say where a row came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.read import read_event_time

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract


def select_latest(raw: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """The raw rows that stand: each record once, in its newest state (by drop date, file, row number).

    Key `source_record_id`; adds `channel` and `event_at` (UTC). Rows marked `is_duplicate` repeat another row.
    """
    stands = raw.filter(~pl.col("is_duplicate"))
    if contract.records == "state":
        stands = stands.sort("drop_date", "file", "row_number").unique(
            "source_record_id", keep="last", maintain_order=True
        )
    return stands.with_columns(pl.lit(contract.key_).alias("channel"), read_event_time(contract).alias("event_at"))
