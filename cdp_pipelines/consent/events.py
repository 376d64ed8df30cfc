"""Consent events that count at an instant, their total order, and the latest event of each sort per customer.

What follows for a purpose does not belong here: see `decision_units`, `checks` and `basis`. `ConsentState` holds order
ranks, the position of an event in the total order. Ranks compare as events do, so every later step compares integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.purposes.purpose import KIND_OF_SCOPE
from cdp_pipelines.schema import ABOUT_SUBJECT, CONSENT_STATUSES, PERMISSIVE_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.schema import LedgerFrame

# An event may be dated later than it was recorded by this much, because clocks differ.
TOLERANCE = timedelta(hours=24)
# Of events at one instant the more restrictive one decides: those that permit something come first.
RESTRICTIVENESS = {**dict.fromkeys(PERMISSIVE_STATUSES, 0), "denied": 1}
MOST_RESTRICTIVE = 2
# A bundled, pre-ticked or silent consent is not a consent (Art. 7(2), 7(4), recital 32).
INVALID_METHODS = ("bundled", "pre_ticked", "silence")
# The rank of an event that does not exist; ranks count from 0.
NEVER = -1


@dataclass(frozen=True)
class ConsentState:
    """Order ranks of the latest events, `NEVER` or null where there is none.

    `by_purpose`: key (customer, purpose); denied and objected over any link, granted and objection_withdrawn on
    exclusive and certain identifiers. `by_point_purpose`: key (subject, purpose); point_granted and
    point_objection_withdrawn on the contact point itself. `by_customer`: key customer; erased and restricted over any
    link, restriction_lifted on exclusive and certain identifiers. `by_subject`: key subject; unsubscribed, complained,
    bounced and verified on the identifier itself.
    """

    by_purpose: pl.DataFrame
    by_point_purpose: pl.DataFrame
    by_customer: pl.DataFrame
    by_subject: pl.DataFrame


def select_effective(ledger: LedgerFrame, as_of: datetime, known_at: datetime) -> LedgerFrame:
    """Events of `LEDGER` that count as of one instant, by what was recorded until another; same columns.

    Left out: events after `as_of`; a grant without notice or method, which proves nothing (Art. 7(1)); a permissive
    event dated later than it was recorded by more than the tolerance. A restrictive event dated so counts from its
    recorded time.
    """
    is_permissive = pl.col("status").is_in(PERMISSIVE_STATUSES)
    is_future = pl.col("event_at") > pl.col("recorded_at") + TOLERANCE
    is_unproven = (pl.col("status") == "granted") & (
        pl.col("notice_version").is_null() | pl.col("method").is_null() | pl.col("method").is_in(INVALID_METHODS)
    )
    return (
        ledger.filter(pl.col("recorded_at") <= known_at, ~(is_permissive & is_future), ~is_unproven)
        .with_columns(pl.when(is_future).then("recorded_at").otherwise("event_at").alias("event_at"))
        .filter(pl.col("event_at") <= as_of)
    )


def rank_events(events: pl.DataFrame, purposes: Iterable[str]) -> pl.DataFrame:
    """Events in their total order, each with its `order_rank` from 0; the event with the greatest rank decides.

    Order: event time, recorded time, restrictiveness (granted, denied, withdrawn), event id. Events equal in all of
    these decide alike. An unknown purpose or status becomes null.
    """
    restrictiveness = pl.col("status").replace_strict(RESTRICTIVENESS, default=MOST_RESTRICTIVE, return_dtype=pl.Int8)
    return (
        events.sort("event_at", "recorded_at", restrictiveness, "event_id")
        .with_row_index("order_rank")
        .with_columns(
            pl.col("order_rank").cast(pl.Int32),
            pl.col("purpose").cast(pl.Enum([ABOUT_SUBJECT, *purposes]), strict=False),
            pl.col("status").cast(pl.Enum(CONSENT_STATUSES), strict=False),
        )
    )


def build_consent_state(
    events: pl.DataFrame, identifiers: pl.DataFrame, purposes: Mapping[str, Purpose]
) -> ConsentState:
    """The latest events that reach each customer and contact point.

    `events`: order_rank, subject, purpose, status; `identifiers`: see `SubjectIndex`.
    """
    reaching = events.join(identifiers, on="subject")
    is_about_subject = pl.col("purpose") == ABOUT_SUBJECT
    is_sure = pl.col("is_certain") & pl.col("is_exclusive")
    # A grant on a contact point of the purpose's kind is for that contact point alone.
    is_on_point = pl.any_horizontal(
        (pl.col("kind") == kind)
        & pl.col("purpose").is_in([key for key, purpose in purposes.items() if purpose.kind == kind])
        for kind in KIND_OF_SCOPE.values()
    )
    is_for_customer = is_sure & ~is_on_point
    return ConsentState(
        by_purpose=_select_latest(
            reaching.filter(~is_about_subject),
            ["customer", "purpose"],
            _rank_where("denied", "withdrawn"),
            _rank_where("objected"),
            _rank_where("granted", condition=is_for_customer),
            _rank_where("objection_withdrawn", condition=is_for_customer),
        ),
        by_point_purpose=_select_latest(
            reaching.filter(~is_about_subject, is_on_point),
            ["subject", "purpose"],
            _rank_where("granted").alias("point_granted"),
            _rank_where("objection_withdrawn").alias("point_objection_withdrawn"),
        ),
        by_customer=_select_latest(
            reaching.filter(is_about_subject),
            ["customer"],
            _rank_where("erased"),
            _rank_where("restricted"),
            _rank_where("restriction_lifted", condition=is_sure),
        ),
        by_subject=_select_latest(
            reaching.filter(is_about_subject),
            ["subject"],
            _rank_where("unsubscribed"),
            _rank_where("complained"),
            _rank_where("bounced"),
            _rank_where("verified"),
        ),
    )


def select_latest_events(events: pl.DataFrame, identifiers: pl.DataFrame) -> pl.LazyFrame:
    """The latest event that reaches each customer, over any link; key customer, with event_id and event_at."""
    ranked = events.lazy().select("order_rank", "subject").join(identifiers.lazy(), on="subject")
    latest = ranked.group_by("customer").agg(pl.col("order_rank").max())
    return latest.join(events.lazy().select("order_rank", "event_id", "event_at"), on="order_rank")


def _select_latest(events: pl.DataFrame, by: list[str], *ranks: pl.Expr) -> pl.DataFrame:
    # Columns first, then a plain maximum: conditions inside the aggregation take several times as long.
    return events.select(*by, *ranks).group_by(by).agg(pl.all().max())


def _rank_where(status: str, *more: str, condition: pl.Expr | None = None) -> pl.Expr:
    """The rank of an event of one of these statuses, named after the first; `NEVER` for others."""
    is_selected = pl.col("status").is_in([status, *more])
    if condition is not None:
        is_selected &= condition
    return pl.when(is_selected).then("order_rank").otherwise(NEVER).alias(status)
