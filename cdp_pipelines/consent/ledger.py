"""The ledger: every expression of will once, in the order in which it was taken in; it only ever grows."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.tables import LEDGER


def extend_ledger(ledger: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The rows to append: wills of `events` (`CONSENT_EVENT`) that `ledger` does not have; columns of `LEDGER`.

    Key (event_id, purpose, status). Positions go on from the last one, in the order (drop_date, recorded_at, event_id,
    purpose, status): nights one by one give what nights at once give.
    """
    order = ["drop_date", "recorded_at", "event_id", "purpose", "status"]
    new = events.unique(list(LEDGER.key)).join(ledger, on=list(LEDGER.key), how="anti").sort(order)
    last = ledger["position"].max() or 0
    return LEDGER.conform(new.lazy().with_columns((pl.int_range(pl.len()) + 1 + last).alias("position"))).collect()
