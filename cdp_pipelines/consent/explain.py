"""Why a decision is what it is: each check in order with its outcome, and every will with the path over which it came.

The checks are the engine's own (`decide.Matter`), all of them evaluated instead of the first that denies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.basis import gather_events
from cdp_pipelines.consent.events import ABOUT_SUBJECT, NO_CONSENT_METHODS, TOLERANCE, WIDENING
from cdp_pipelines.consent.identifiers import KINDS, RECORD
from cdp_pipelines.schema import UTC

if TYPE_CHECKING:
    from datetime import datetime

    from cdp_pipelines.consent.decide import DecisionInput
    from cdp_pipelines.purposes.purpose import Purpose

PASSED, DENIED, SKIPPED = "passed", "denied", "not reached"
COUNTS = "counts"
# The step of the verdict: after all others.
LAST = 99


def explain_checks(matter: DecisionInput, key: str, customer_id: str) -> pl.DataFrame:
    """Every check of a purpose on one customer, in order, for each contact point.

    Key (contact_point, step); columns check (the reason it would deny with), outcome (passed, denied, not reached),
    evidence (id of the will or record that denies or, for `allowed`, allows) and its `at`.
    """
    number = matter.people.customers.filter(pl.col("customer_id") == customer_id)["customer"].item()
    ground = matter.asked(key)
    cells = ground.cells.filter(pl.col("customer") == number)
    decided = matter.decided
    steps = [*ground.checks[:-1]]
    rows = []
    for n, check in enumerate(steps):
        of_record = [pl.col(name) for name in check.record] if check.record else [pl.lit(None), pl.lit(None)]
        told = cells.select(
            "subject",
            check.denies.fill_null(value=False).alias("denies"),
            # Who was not denied has no place, or that of no will.
            pl.when(check.denies).then(check.place).cast(pl.Int32).alias("place"),
            of_record[0].cast(pl.String).alias("id"),
            of_record[1].cast(UTC).alias("at"),
        )
        will = gather_events(matter.evidence.wills, told["place"], "event_id", "event_at")
        rows.append(
            told.select(
                "subject",
                pl.lit(n + 1).alias("step"),
                pl.lit(check.reason).alias("check"),
                "denies",
                pl.coalesce(will["event_id"], "id").alias("evidence"),
                pl.coalesce(will["event_at"], "at").alias("at"),
            )
        )
    every = pl.concat([*rows, *_required(matter, key, cells, decided, len(steps)), _verdict(cells, decided[key])])
    first = pl.col("step").filter("denies").min().over("subject")
    outcome = (
        pl.when(first.is_null() | (pl.col("step") < first))
        .then(pl.lit(PASSED))
        .when(pl.col("step") == first)
        .then(pl.lit(DENIED))
        .otherwise(pl.lit(SKIPPED))
    )
    told = every.sort("subject", "step").with_columns(outcome.alias("outcome"))
    allowed = pl.col("check") == "allowed"
    told = told.filter(~allowed | (pl.col("outcome") == PASSED))
    point = matter.people.value_of(told["subject"]).fill_null("").alias("contact_point")
    shown = pl.when(allowed | (pl.col("outcome") == DENIED))
    return told.select(
        point, "step", "check", "outcome", shown.then("evidence").alias("evidence"), shown.then("at").alias("at")
    )


def _required(
    matter: DecisionInput, key: str, cells: pl.DataFrame, decided: dict[str, pl.DataFrame], n: int
) -> list[pl.DataFrame]:
    """Step 6: the purposes that must be allowed too, with their own reason as evidence of theirs."""
    rows = []
    for place, required in enumerate(matter.purposes[key].requires, n + 1):
        of_required = decided[required]
        on = ["customer", "subject"] if of_required["subject"].null_count() < of_required.height else ["customer"]
        joined = cells.select("customer", "subject").join(
            of_required.select(*on, "reason", "evidence", "since_at"), on=on, how="left", nulls_equal=True
        )
        rows.append(
            joined.select(
                "subject",
                pl.lit(place).alias("step"),
                pl.lit(f"requires:{required}").alias("check"),
                (pl.col("reason").cast(pl.String) != "allowed").fill_null(value=True).alias("denies"),
                "evidence",
                pl.col("since_at").alias("at"),
            )
        )
    return rows


def _verdict(cells: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    joined = cells.select("customer", "subject").join(decided, on=["customer", "subject"], how="left", nulls_equal=True)
    return joined.select(
        "subject",
        pl.lit(LAST).alias("step"),
        pl.lit("allowed").alias("check"),
        pl.lit(value=False).alias("denies"),
        "evidence",
        pl.col("since_at").alias("at"),
    )


def trace_identity_paths(
    party: pl.LazyFrame, crosswalk: pl.LazyFrame, identifiers: pl.LazyFrame, customer_id: str, purpose: Purpose
) -> pl.DataFrame:
    """Identifiers from which wills reach a customer, each with the records that carry it.

    Key (holder, kind, value); columns is_certain, is_exclusive, over (exact or probable), records. A holder other than
    the customer shares a contact point of the purpose's kind with them.
    """
    held = identifiers.collect()
    mine = held.filter(pl.col("customer_id") == customer_id)
    shared = mine.filter(~pl.col("is_exclusive"), pl.col("kind") == purpose.kind).select("kind", "value")
    holders = held.join(shared, on=["kind", "value"], how="semi")["customer_id"].unique()
    reaching = held.filter(pl.col("customer_id").is_in([customer_id, *holders]))
    carried = (
        party.select(*RECORD, *KINDS)
        .unpivot(index=RECORD, on=list(KINDS), variable_name="kind", value_name="value")
        .drop_nulls("value")
        .join(crosswalk.select(*RECORD, "customer_id"), on=RECORD)
        .group_by("customer_id", "kind", "value")
        .agg(pl.concat_str(*RECORD, separator=":").sort().alias("records"))
        .collect()
    )
    return (
        reaching.join(carried, on=["customer_id", "kind", "value"], how="left")
        .with_columns(pl.when("is_certain").then(pl.lit("exact")).otherwise(pl.lit("probable")).alias("over"))
        .rename({"customer_id": "holder"})
        .sort(pl.col("holder") != customer_id, "holder", "kind", "value")
    )


def explain_events(
    ledger: pl.LazyFrame, paths_: pl.DataFrame, customer_id: str, purpose: Purpose, as_of: datetime, known_at: datetime
) -> pl.DataFrame:
    """Wills on any of these identifiers about the purpose or the person, in order of time.

    Columns of `LEDGER`; `holder`, `over`, `records`: the path; `heard`: counts, or why it does not.
    """
    is_own = pl.col("holder") == customer_id
    on_point = pl.col("subject_kind") == (purpose.kind or "")
    widens = pl.col("status").is_in(WIDENING)
    reach = (
        ledger.filter(pl.col("purpose").is_in([purpose.key, ABOUT_SUBJECT]))
        .join(paths_.lazy(), left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
        .collect()
    )
    is_sure = pl.col("is_certain") & pl.col("is_exclusive")
    blocks_point = pl.col("status").is_in(["unsubscribed", "complained", "bounced", "verified"])
    because = (
        pl.when(pl.col("recorded_at") > known_at)
        .then(pl.lit("was recorded later than what was known"))
        .when(widens & (pl.col("event_at") > pl.col("recorded_at") + TOLERANCE))
        .then(pl.lit("is dated later than it was recorded"))
        .when(pl.min_horizontal("event_at", pl.when(~widens).then("recorded_at")) > as_of)
        .then(pl.lit("happened later"))
        .when((pl.col("status") == "granted") & pl.col("notice_version").is_null())
        .then(pl.lit("names no notice (Art. 7(1))"))
        .when(
            (pl.col("status") == "granted") & (pl.col("method").is_null() | pl.col("method").is_in(NO_CONSENT_METHODS))
        )
        .then(pl.lit("names no method that proves a consent (Art. 7(2))"))
        .when(blocks_point & ~on_point)
        .then(pl.lit("is about another contact point alone"))
        .when(~is_own & widens)
        .then(pl.lit("is another customer's"))
        .when(widens & on_point)
        .then(pl.lit(COUNTS))
        .when(widens & ~pl.col("is_exclusive"))
        .then(pl.lit("is on a shared identifier: no certain ground"))
        .when(widens & ~is_sure)
        .then(pl.lit("came over a probable link: no certain ground"))
        .otherwise(pl.lit(COUNTS))
    )
    return reach.with_columns(because.alias("heard")).sort("event_at", "recorded_at", "position")
