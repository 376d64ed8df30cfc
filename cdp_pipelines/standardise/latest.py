"""The first step of all standard tables: the raw rows that count, with their channel and event time.

Here belongs the choice between states of one record. The standard columns are built in the modules of their tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.elements import delivery_of_row, record_id
from cdp_pipelines.channels.field import column_name
from cdp_pipelines.channels.field_value import canonical_text, read_event_time

if TYPE_CHECKING:
    from cdp_pipelines.channels.contract import ChannelContract


def select_latest(raw: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """The current raw rows: each record once, in its newest state (by drop date, file, row number).

    Key `source_record_id`; adds `channel` and `event_at` (UTC). Texts of declared types are canonical:
    `true`, `3`. Rows marked `is_duplicate` repeat another row. A record with
    several rows, by `one_row_per`, has those of its newest state.
    """
    current = raw.filter(~pl.col("is_duplicate"))
    if contract.records == "state" and contract.has_numbered_rows:
        # The newest delivery alone says which elements a record has, be they changed or not.
        delivery = delivery_of_row(contract)
        newest = delivery.sort_by("drop_date", "file", "row_number").last().over(record_id(contract))
        current = raw.filter(delivery == newest)
    elif contract.records == "state":
        current = current.sort("drop_date", "file", "row_number").unique(
            "source_record_id", keep="last", maintain_order=True
        )
    return current.with_columns(
        pl.lit(contract.name).alias("channel"),
        read_event_time(contract).alias("event_at"),
        *(
            canonical_text(contract, name).alias(column_name(name))
            for name, field in contract.fields.items()
            if field.has_canonical_text
        ),
    )
