"""The ledger: every consent event once, in the order in which it was taken in; it is append-only.

Seals over the ledger belong in `seal`; which events count for a decision belongs in `events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import LEDGER, PERMISSIVE_STATUSES, RECORD_KEY

if TYPE_CHECKING:
    from cdp_pipelines.schema import ConsentEventRows, LedgerRows

KEY = list(LEDGER.key)
ORDER = ["drop_date", "recorded_at", *KEY]
# Rows of one key are one event delivered twice. If they differ, the choice must not depend on the order of the input.
_SUBJECT = ["subject_kind", "subject_value"]
_OF_PURPOSE = [*RECORD_KEY, "purpose"]
_OF_STATUS = [*_OF_PURPOSE, "status"]
TIE_BREAKERS = [name for name in LEDGER.schema if name not in {"position", *ORDER}]


def extend_ledger(ledger: LedgerRows, events: ConsentEventRows) -> LedgerRows:
    """The rows to append: those of `events` that `ledger` does not have yet; columns of `LEDGER`.

    Key (event_id, purpose, status): a row of the ledger is never replaced. Positions continue after the last one, in
    the order (drop_date, recorded_at, event_id, purpose, status); of several rows of one key the first in that order is
    appended. Nights run one by one and nights run at once give the same ledger. A record of a channel of states keeps
    its id: its denial counts again on another subject, and after a grant of the same record; the id of such an event
    ends in @2, @3 and so on. Source: GDPR Art. 7(1), 7(3).
    """
    first = _select_first(events.join(ledger, on=KEY, how="anti"))
    columns = [*_OF_STATUS, *_SUBJECT, "event_at"]
    again = _find_repeated_denials(events, pl.concat([ledger.select(columns), first.select(columns)]))
    new = _select_first(pl.concat([first, again.join(ledger, on=KEY, how="anti")]))
    last_position = ledger.select(pl.col("position").max()).item() or 0
    return LEDGER.conform(
        new.lazy().with_columns((pl.int_range(pl.len()) + 1 + last_position).alias("position"))
    ).collect()


def _select_first(events: ConsentEventRows) -> ConsentEventRows:
    return events.sort(*ORDER, *TIE_BREAKERS).unique(KEY, keep="first", maintain_order=True)


def _find_repeated_denials(events: ConsentEventRows, known: pl.DataFrame) -> ConsentEventRows:
    """Restrictive events that `known` has for other subjects alone, or only from before a grant of the same record.

    Grants do not count again: a box that stays ticked does not undo a withdrawal that was made elsewhere.
    """
    is_permissive = pl.col("status").is_in(PERMISSIVE_STATUSES)
    denials = events.filter(~is_permissive)
    known_denials = known.group_by(_OF_STATUS).agg(pl.col("event_at").max().alias("denied_at"), pl.len().alias("count"))
    grants = known.filter(is_permissive).group_by(_OF_PURPOSE).agg(pl.col("event_at").max().alias("granted_at"))
    on_other_subject = denials.join(known, on=[*_OF_STATUS, *_SUBJECT], how="anti", nulls_equal=True)
    after_grant = denials.join(known_denials, on=_OF_STATUS).join(grants, on=_OF_PURPOSE)
    after_grant = after_grant.filter(
        pl.col("denied_at") < pl.col("granted_at"), pl.col("granted_at") < pl.col("event_at")
    )
    return (
        pl.concat([on_other_subject, after_grant.select(events.columns)])
        .unique([*_OF_STATUS, *_SUBJECT])
        .sort(*ORDER, *TIE_BREAKERS)
        .join(known_denials.drop("denied_at"), on=_OF_STATUS, nulls_equal=True, maintain_order="left")
        .with_columns(
            pl.format("{}@{}", "event_id", pl.col("count") + 1 + pl.int_range(pl.len()).over(_OF_STATUS)).alias(
                "event_id"
            )
        )
        .select(events.columns)
    )
