"""Consent events and requests that name nobody: find them, and apply what a clerk decided on them.

Here belongs how they are found and completed. How a contact point is read belongs in `standardise.contacts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import (
    CONSENT_EVENT,
    IDENTIFIER_KINDS,
    PERMISSIVE_STATUSES,
    RECORD_KEY,
    UNRESOLVED,
)

if TYPE_CHECKING:
    from datetime import date

    from cdp_pipelines.schema import (
        ConsentEventFrame,
        LedgerFrame,
        PartyFrame,
        PrivacyRequestFrame,
        ResolutionFrame,
        UnresolvedFrame,
    )

# What stands in for a subject: a contact point in standard form, or any other identifier.
_IS_READABLE = (
    pl.when(pl.col("subject_kind") == "email")
    .then(pl.col("subject_value").str.contains(r"^[^@\s]+@[^@\s]+$"))
    .when(pl.col("subject_kind") == "phone")
    .then(pl.col("subject_value").str.contains(r"^\+\d+$"))
    .otherwise(pl.lit(value=True))
)


def find_unresolved(
    unnamed: ConsentEventFrame,
    events: ConsentEventFrame,
    requests: PrivacyRequestFrame,
    party: PartyFrame,
    ledger: LedgerFrame,
    resolutions: ResolutionFrame,
) -> UnresolvedFrame:
    """One row per record whose consent events or request reach no record of a person; columns of `UNRESOLVED`.

    `unnamed`: `CONSENT_EVENT` without a certain subject, see `standardise.find_unnamed_events`; those that the ledger
    has were obeyed before retention removed their contact point. `events` and `requests` count as unresolved where no
    row of `party` has their subject. A record that a clerk resolved is left out.
    """
    known = _list_known_subjects(party)
    waiting = unnamed.join(ledger.select(CONSENT_EVENT.key), on=list(CONSENT_EVENT.key), how="anti")
    subject = ["subject_kind", "subject_value"]
    asked = requests.join(known, on=subject, how="anti").with_columns(
        pl.format("request: {}", "kind").alias("statement"),
        pl.col("received_at").alias("event_at"),
        pl.lit(value=False).alias("is_unnamed"),
    )
    stated = [
        frame.with_columns(
            pl.concat_str("status", pl.lit(" "), "purpose").alias("statement"), pl.lit(is_unnamed).alias("is_unnamed")
        )
        for frame, is_unnamed in ((waiting, True), (events.join(known, on=subject, how="anti"), False))
    ]
    columns = [*RECORD_KEY, "drop_date", *subject, "statement", "event_at", "is_unnamed"]
    reason = (
        pl.when(pl.col("subject_value").is_null())
        .then(pl.lit("no_subject"))
        .when("is_unnamed")
        .then(pl.lit("several_subjects"))
        .when(_IS_READABLE)
        .then(pl.lit("unknown_subject"))
        .otherwise(pl.lit("unreadable_subject"))
    )
    return UNRESOLVED.conform(
        pl.concat(frame.select(columns) for frame in (*stated, asked))
        .join(resolutions.select(*RECORD_KEY).unique(), on=list(RECORD_KEY), how="anti")
        .with_columns(reason.alias("reason"))
        .sort("statement", "subject_kind", "subject_value")
        .group_by(*RECORD_KEY)
        .agg(
            pl.col("drop_date", "reason", "subject_kind", "subject_value").first(),
            pl.col("statement").unique().sort().alias("statements"),
            pl.col("event_at").max(),
        )
        .sort(RECORD_KEY)
    )


def _list_known_subjects(party: PartyFrame) -> pl.LazyFrame:
    """Identifiers of all records of people; key (subject_kind, subject_value)."""
    return (
        party.select(IDENTIFIER_KINDS)
        .unpivot(on=list(IDENTIFIER_KINDS), variable_name="subject_kind", value_name="subject_value")
        .filter(pl.col("subject_value").is_not_null())
        .unique()
    )


def complete_events(events: ConsentEventFrame, resolutions: ResolutionFrame, night: date) -> ConsentEventFrame:
    """Events of resolved records with the subject that the clerk named; columns of `CONSENT_EVENT`.

    Only restrictive events are completed: a grant needs a subject that the person named. The event keeps its times,
    because it counts from when the person made the choice; its id ends with the number of the resolution.
    """
    named = resolutions.filter(pl.col("subject_value").is_not_null()).select(
        *RECORD_KEY, "resolution_number", "subject_kind", "subject_value"
    )
    return CONSENT_EVENT.conform(
        events.filter(~pl.col("status").is_in(PERMISSIVE_STATUSES))
        .drop("subject_kind", "subject_value")
        .join(named, on=list(RECORD_KEY))
        .with_columns(
            pl.format("{}~{}", "event_id", "resolution_number").alias("event_id"), pl.lit(night).alias("drop_date")
        )
    )


def complete_requests(requests: PrivacyRequestFrame, resolutions: ResolutionFrame) -> PrivacyRequestFrame:
    """`requests`, with the subject that a clerk named where there is one; same columns."""
    columns = requests.collect_schema().names()
    named = resolutions.filter(pl.col("subject_value").is_not_null()).select(
        *RECORD_KEY, pl.col("subject_kind").alias("named_kind"), pl.col("subject_value").alias("named_value")
    )
    return (
        requests.join(named, on=list(RECORD_KEY), how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("named_kind", "subject_kind").alias("subject_kind"),
            pl.coalesce("named_value", "subject_value").alias("subject_value"),
        )
        .select(columns)
    )


def select_current_resolutions(resolutions: ResolutionFrame) -> ResolutionFrame:
    """The latest resolution of each record; columns of `RESOLUTION`."""
    return resolutions.sort("resolution_number").unique(RECORD_KEY, keep="last", maintain_order=True)
