"""The ledger: every consent event once, in the order in which it was taken in; it is append-only.

Seals over the ledger belong in `seal`; which events count for a decision belongs in `events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import LEDGER

if TYPE_CHECKING:
    from cdp_pipelines.schema import ConsentEventRows, LedgerRows

KEY = list(LEDGER.key)
ORDER = ["drop_date", "recorded_at", *KEY]
# Rows of one key are one event delivered twice. If they differ, the choice must not depend on the order of the input.
TIE_BREAKERS = [name for name in LEDGER.schema if name not in {"position", *ORDER}]


def extend_ledger(ledger: LedgerRows, events: ConsentEventRows) -> LedgerRows:
    """The rows to append: those of `events` that `ledger` does not have yet; columns of `LEDGER`.

    Key (event_id, purpose, status): a row of the ledger is never replaced. Positions continue after the last one, in
    the order (drop_date, recorded_at, event_id, purpose, status); of several rows of one key the first in that order is
    appended. Nights run one by one and nights run at once give the same ledger. Source: GDPR Art. 7(1).
    """
    new = (
        events.join(ledger, on=KEY, how="anti")
        .sort(*ORDER, *TIE_BREAKERS)
        .unique(KEY, keep="first", maintain_order=True)
    )
    last_position = ledger.select(pl.col("position").max()).item() or 0
    return LEDGER.conform(
        new.lazy().with_columns((pl.int_range(pl.len()) + 1 + last_position).alias("position"))
    ).collect()
