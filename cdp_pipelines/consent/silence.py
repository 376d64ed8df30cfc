"""A consent channel with a gap: what it grants after the gap does not count, because a withdrawal may be missing.

Here belongs the rule. Which channels have a gap is `cdp_pipelines.channels.continuity`'s question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import PERMISSIVE_STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cdp_pipelines.schema import LedgerFrame


def is_uncertain(silent: Mapping[str, date]) -> pl.Expr:
    """Whether an event of `LEDGER` permits something, and was taken in by a channel after its gap.

    `silent`: channel to the first night after its gap. Denials, withdrawals and objections always count.
    """
    since = pl.col("channel").replace_strict(dict(silent), default=None, return_dtype=pl.Date)
    return (pl.col("status").is_in(PERMISSIVE_STATUSES) & (pl.col("drop_date") >= since)).fill_null(value=False)


def select_certain(ledger: LedgerFrame, silent: Mapping[str, date]) -> LedgerFrame:
    """Events of `LEDGER` without those that a gap makes uncertain; same columns."""
    return ledger.filter(~is_uncertain(silent)) if silent else ledger
