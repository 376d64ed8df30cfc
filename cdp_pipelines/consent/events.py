"""Which wills count at an instant and by what was known, in which order, and whom each reaches.

Ends with `Heard`: the place in the order of the latest will of each sort that reaches a customer or a contact point.
Places compare as wills do, so that every later question is one comparison of whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.purposes.purpose import KIND_OF_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cdp_pipelines.purposes.purpose import Purpose

# By how much the event time of a will may be later than its recorded time, for clocks differ.
TOLERANCE = timedelta(hours=24)
# Of wills at one instant the more restrictive decides. Those that widen come first; all others are denials or blocks.
WIDENING = ("granted", "objection_withdrawn", "restriction_lifted", "verified")
RESTRICTION = {**dict.fromkeys(WIDENING, 0), "denied": 1}
MOST_RESTRICTIVE = 2
STATUSES = (*RESTRICTION, "withdrawn", "objected", "restricted", "erased", "unsubscribed", "complained", "bounced")
# A consent that is bundled, pre-ticked or silent is none (Art. 7(2), 7(4), recital 32).
NO_CONSENT_METHODS = ("bundled", "pre_ticked", "silence")
ABOUT_SUBJECT = "*"
# No such will. Places are from 0.
NEVER = -1


@dataclass(frozen=True)
class ConsentState:
    """Places of the latest wills, `NEVER` where there is none.

    `of_customer`: key (customer, purpose); denied and objected over any link, granted and objection_withdrawn on
    certain ground. `on_subject`: key (subject, purpose); granted and objection_withdrawn on the identifier itself.
    `person`: key customer; erased and restricted over any link, restriction_lifted on certain ground.
    `point`: key subject; unsubscribed, complained, bounced, verified on the identifier itself.
    """

    of_customer: pl.DataFrame
    on_subject: pl.DataFrame
    person: pl.DataFrame
    point: pl.DataFrame


def select_effective(ledger: pl.LazyFrame, as_of: datetime, known_at: datetime) -> pl.LazyFrame:
    """Wills of `LEDGER` that count as of one instant, by what was recorded until another.

    Left out: what happens later; a grant without notice or method, which proves nothing (Art. 7(1)); a will that
    widens and is dated later than it was recorded by more than the tolerance. One that narrows and is so dated counts
    from its recorded time.
    """
    widens = pl.col("status").is_in(WIDENING)
    is_future = pl.col("event_at") > pl.col("recorded_at") + TOLERANCE
    is_unproven = (pl.col("status") == "granted") & (
        pl.col("notice_version").is_null() | pl.col("method").is_null() | pl.col("method").is_in(NO_CONSENT_METHODS)
    )
    return (
        ledger.filter(pl.col("recorded_at") <= known_at, ~(widens & is_future), ~is_unproven)
        .with_columns(pl.when(is_future).then("recorded_at").otherwise("event_at").alias("event_at"))
        .filter(pl.col("event_at") <= as_of)
    )


def rank_events(wills: pl.DataFrame, purposes: Iterable[str]) -> pl.DataFrame:
    """Wills in their total order, each with its `place` from 0; the latest decides.

    Order: event time, recorded time, the more restrictive later (withdrawn, denied, granted), event id. What
    has all of that in common decides alike. A purpose or status that the rules do not know becomes null.
    """
    restriction = pl.col("status").replace_strict(RESTRICTION, default=MOST_RESTRICTIVE, return_dtype=pl.Int8)
    return (
        wills.sort("event_at", "recorded_at", restriction, "event_id")
        .with_row_index("place")
        .with_columns(
            pl.col("place").cast(pl.Int32),
            pl.col("purpose").cast(pl.Enum([ABOUT_SUBJECT, *purposes]), strict=False),
            pl.col("status").cast(pl.Enum(STATUSES), strict=False),
        )
    )


def build_consent_state(wills: pl.DataFrame, points: pl.DataFrame, purposes: Mapping[str, Purpose]) -> ConsentState:
    """Who hears which will; `wills`: place, subject, purpose, status; `points`: see `People`."""
    reaching = wills.join(points, on="subject")
    own, about_subject = pl.col("purpose") != ABOUT_SUBJECT, pl.col("purpose") == ABOUT_SUBJECT
    is_sure = pl.col("is_certain") & pl.col("is_exclusive")
    # On a contact point of the purpose's kind a grant is for that one alone.
    is_on_point = pl.any_horizontal(
        (pl.col("kind") == kind) & pl.col("purpose").is_in([key for key, each in purposes.items() if each.kind == kind])
        for kind in KIND_OF_SCOPE.values()
    )
    is_near = is_sure & ~is_on_point
    return ConsentState(
        of_customer=_latest(
            reaching.filter(own),
            ["customer", "purpose"],
            _place("denied", "withdrawn"),
            _place("objected"),
            _place("granted", where=is_near),
            _place("objection_withdrawn", where=is_near),
        ),
        on_subject=_latest(
            reaching.filter(own, is_on_point),
            ["subject", "purpose"],
            _place("granted").alias("point_granted"),
            _place("objection_withdrawn").alias("point_objection_withdrawn"),
        ),
        person=_latest(
            reaching.filter(about_subject),
            ["customer"],
            _place("erased"),
            _place("restricted"),
            _place("restriction_lifted", where=is_sure),
        ),
        point=_latest(
            reaching.filter(about_subject),
            ["subject"],
            _place("unsubscribed"),
            _place("complained"),
            _place("bounced"),
            _place("verified"),
        ),
    )


def latest_events(wills: pl.DataFrame, points: pl.DataFrame) -> pl.LazyFrame:
    """The latest will of all that reaches a customer, over any link; key customer, with event_id and event_at."""
    places = wills.lazy().select("place", "subject").join(points.lazy(), on="subject").group_by("customer")
    return places.agg(pl.col("place").max()).join(wills.lazy().select("place", "event_id", "event_at"), on="place")


def _latest(wills: pl.DataFrame, by: list[str], *places: pl.Expr) -> pl.DataFrame:
    # Columns first and then a plain maximum: conditions inside the aggregation take several times as long.
    return wills.select(*by, *places).group_by(by).agg(pl.all().max())


def _place(status: str, *also: str, where: pl.Expr | None = None) -> pl.Expr:
    """The place of a will of this status, under its name; `NEVER` of others."""
    is_it = pl.col("status").is_in([status, *also])
    is_it = is_it if where is None else is_it & where
    return pl.when(is_it).then("place").otherwise(NEVER).alias(status)
