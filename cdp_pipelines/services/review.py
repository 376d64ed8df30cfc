"""Record what a clerk decided on a pair of records; it outranks every link from the next night on.

What is written between two nights belongs here; how a decision counts is `identity`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.schema import REVIEW
from cdp_pipelines.services.checked_write import CheckFailedError, StagedWrite, check_and_write

if TYPE_CHECKING:
    from warehouse.delta.lake import Lake

Record = tuple[str, str]


def record_review(lake: Lake, left: Record, right: Record, *, is_same: bool, by: str) -> None:
    """Add a clerk's decision on two records, each (channel, source_record_id); it replaces an earlier one of the pair.

    Raises `CdpError` where the suite of identity/review refuses it.
    """
    (left_channel, left_id), (right_channel, right_id) = sorted((left, right))
    row = REVIEW.conform(
        pl.LazyFrame(
            {
                "left_channel": [left_channel],
                "left_source_record_id": [left_id],
                "right_channel": [right_channel],
                "right_source_record_id": [right_id],
                "is_same": [is_same],
                "decided_by": [by],
                "decided_at": [datetime.now(UTC)],
            }
        )
    ).collect()
    with lake.lock_writer():
        rows = pl.concat([lake.read(REVIEW), row]).unique(REVIEW.key, keep="last", maintain_order=True).sort(REVIEW.key)
        try:
            check_and_write(lake, None, StagedWrite(REVIEW, rows, lambda: lake.replace(REVIEW, rows)))
        except CheckFailedError as error:
            raise CdpError(
                f"the decision does not pass the suite of {REVIEW.name} (a record is not compared with itself): {error}"
            ) from None
