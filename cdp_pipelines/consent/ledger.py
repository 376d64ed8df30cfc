"""The ledger: every expression of will once, in the order in which it was taken in; it only ever grows."""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema import LEDGER

KEY = list(LEDGER.key)
ORDER = ["drop_date", "recorded_at", *KEY]
# Two rows of one key are one will told twice; should they differ, which of them is kept must not hang on their order.
TIES = [name for name in LEDGER.schema if name not in {"position", *ORDER}]


def extend_ledger(ledger: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The rows to append: wills of `events` (`CONSENT_EVENT`) that `ledger` does not have; columns of `LEDGER`.

    Key (event_id, purpose, status): what the ledger has under a key stays. Positions go on from the last one, in the
    order (drop_date, recorded_at, event_id, purpose, status); of several rows of one key the first in that order is
    kept. Nights one by one give what nights at once give. Source: GDPR Art. 7(1).
    """
    new = events.join(ledger, on=KEY, how="anti").sort(*ORDER, *TIES).unique(KEY, keep="first", maintain_order=True)
    last = ledger["position"].max() or 0
    return LEDGER.conform(new.lazy().with_columns((pl.int_range(pl.len()) + 1 + last).alias("position"))).collect()
