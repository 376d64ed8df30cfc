"""Why a decision is what it is: each check in order with its outcome, and each consent event with its identity path.

The checks are those of `decision_state`, all of them evaluated instead of the first that denies. Documents for readers
belong in `cdp_pipelines.services.decision_explanation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.decision_state import select_join_key
from cdp_pipelines.consent.decision_units import UNIT_KEY
from cdp_pipelines.consent.events import INVALID_METHODS, TOLERANCE
from cdp_pipelines.consent.silence import is_uncertain
from cdp_pipelines.schema import ABOUT_SUBJECT, IDENTIFIER_KINDS, PERMISSIVE_STATUSES, RECORD_KEY, UTC

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from cdp_pipelines.consent.checks import Check
    from cdp_pipelines.consent.decision_state import DecisionState
    from cdp_pipelines.purposes.purpose import Purpose
    from cdp_pipelines.schema import ClusterFrame, LedgerFrame, PartyFrame

PASSED, DENIED, SKIPPED = "passed", "denied", "not reached"
COUNTS = "counts"
# The step number of the verdict, which comes after all checks.
VERDICT_STEP = 99


def explain_checks(state: DecisionState, key: str, customer_id: str) -> pl.DataFrame:
    """Every check of a purpose on one customer, in order, for each contact point.

    Key (contact_point, step); columns check (the reason that it denies with), outcome (passed, denied, not reached),
    evidence (id of the event or record that denies or, for `allowed`, allows) and its time `at`.
    """
    customer = state.subjects.customers.filter(pl.col("customer_id") == customer_id).select("customer").item()
    units, checks = state.check_purpose(key)
    units = units.filter(pl.col("customer") == customer)
    denials = checks[:-1]
    rows = pl.concat(
        [
            *(_explain_check(state, units, step, check) for step, check in enumerate(denials, 1)),
            *_explain_required_purposes(state, key, units, len(denials) + 1),
            _explain_verdict(units, state.outcomes[key]),
        ]
    )
    first_denial = pl.col("step").filter("denies").min().over("subject")
    outcome = (
        pl.when(first_denial.is_null() | (pl.col("step") < first_denial))
        .then(pl.lit(PASSED))
        .when(pl.col("step") == first_denial)
        .then(pl.lit(DENIED))
        .otherwise(pl.lit(SKIPPED))
    )
    explained = rows.sort("subject", "step").with_columns(outcome.alias("outcome"))
    is_verdict = pl.col("check") == "allowed"
    explained = explained.filter(~is_verdict | (pl.col("outcome") == PASSED))
    contact_point = state.subjects.look_up_values(explained["subject"]).fill_null("").alias("contact_point")
    decisive = pl.when(is_verdict | (pl.col("outcome") == DENIED))
    return explained.select(
        contact_point,
        "step",
        "check",
        "outcome",
        decisive.then("evidence").alias("evidence"),
        decisive.then("at").alias("at"),
    )


def _explain_check(state: DecisionState, units: pl.DataFrame, step: int, check: Check) -> pl.DataFrame:
    """One check on each unit: whether it denies, and its evidence."""
    record = [pl.col(name) for name in check.record] if check.record else [pl.lit(None), pl.lit(None)]
    # A unit that is not denied has no rank, or the rank of an event that does not exist.
    order_rank = pl.lit(None) if check.order_rank is None else pl.when(check.denies).then(check.order_rank)
    evaluated = units.select(
        "subject",
        check.denies.fill_null(value=False).alias("denies"),
        order_rank.cast(pl.Int32).alias("order_rank"),
        record[0].cast(pl.String).alias("id"),
        record[1].cast(UTC).alias("at"),
    )
    event = state.evidence.look_up_events(evaluated["order_rank"], "event_id", "event_at")
    return evaluated.select(
        "subject",
        pl.lit(step).alias("step"),
        pl.lit(check.reason).alias("check"),
        "denies",
        pl.coalesce(event["event_id"], "id").alias("evidence"),
        pl.coalesce(event["event_at"], "at").alias("at"),
    )


def _explain_required_purposes(
    state: DecisionState, key: str, units: pl.DataFrame, first_step: int
) -> list[pl.DataFrame]:
    """Step 6 of the decision: the required purposes, with the evidence of their own decisions."""
    rows = []
    for step, required in enumerate(state.purposes[key].requires, first_step):
        outcome = state.outcomes[required]
        on = select_join_key(outcome)
        joined = units.select(UNIT_KEY).join(
            outcome.select(*on, "reason", "evidence", "since_at"), on=on, how="left", nulls_equal=True
        )
        rows.append(
            joined.select(
                "subject",
                pl.lit(step).alias("step"),
                pl.lit(f"requires:{required}").alias("check"),
                (pl.col("reason").cast(pl.String) != "allowed").fill_null(value=True).alias("denies"),
                "evidence",
                pl.col("since_at").alias("at"),
            )
        )
    return rows


def _explain_verdict(units: pl.DataFrame, outcome: pl.DataFrame) -> pl.DataFrame:
    joined = units.select(UNIT_KEY).join(outcome, on=UNIT_KEY, how="left", nulls_equal=True)
    return joined.select(
        "subject",
        pl.lit(VERDICT_STEP).alias("step"),
        pl.lit("allowed").alias("check"),
        pl.lit(value=False).alias("denies"),
        "evidence",
        pl.col("since_at").alias("at"),
    )


def trace_identity_paths(
    party: PartyFrame, crosswalk: ClusterFrame, identifiers: pl.LazyFrame, customer_id: str, purpose: Purpose
) -> pl.DataFrame:
    """Identifiers from which consent events reach a customer, each with the records that carry it.

    Key (holder, kind, value); columns is_certain, is_exclusive, link (exact or probable), records. A holder other than
    the customer shares a contact point of the purpose's kind with them.
    """
    known = identifiers.collect()
    own = known.filter(pl.col("customer_id") == customer_id)
    shared = own.filter(~pl.col("is_exclusive"), pl.col("kind") == purpose.kind).select("kind", "value")
    holders = known.join(shared, on=["kind", "value"], how="semi")["customer_id"].unique()
    reaching = known.filter(pl.col("customer_id").is_in([customer_id, *holders]))
    records = (
        party.select(*RECORD_KEY, *IDENTIFIER_KINDS)
        .unpivot(index=RECORD_KEY, on=list(IDENTIFIER_KINDS), variable_name="kind", value_name="value")
        .filter(pl.col("value").is_not_null())
        .join(crosswalk.select(*RECORD_KEY, "customer_id"), on=RECORD_KEY)
        .group_by("customer_id", "kind", "value")
        .agg(pl.concat_str(*RECORD_KEY, separator=":").sort().alias("records"))
        .collect()
    )
    return (
        reaching.join(records, on=["customer_id", "kind", "value"], how="left")
        .with_columns(pl.when("is_certain").then(pl.lit("exact")).otherwise(pl.lit("probable")).alias("link"))
        .rename({"customer_id": "holder"})
        .sort(pl.col("holder") != customer_id, "holder", "kind", "value")
    )


def explain_events(
    ledger: LedgerFrame,
    identity_paths: pl.DataFrame,
    customer_id: str,
    purpose: Purpose,
    silent: Mapping[str, date],
    *,
    as_of: datetime,
    known_at: datetime,
) -> pl.DataFrame:
    """Consent events on any of these identifiers about the purpose or the person, in order of time.

    `silent`: channel to the first night after its gap. Columns of `LEDGER`; holder, link and records: the identity
    path; `effect`: counts, or why it does not.
    """
    is_own = pl.col("holder") == customer_id
    is_on_point = pl.col("subject_kind") == (purpose.kind or "")
    is_permissive = pl.col("status").is_in(PERMISSIVE_STATUSES)
    is_grant = pl.col("status") == "granted"
    is_sure = pl.col("is_certain") & pl.col("is_exclusive")
    blocks_point = pl.col("status").is_in(["unsubscribed", "complained", "bounced", "verified"])
    reaching = (
        ledger.filter(pl.col("purpose").is_in([purpose.key, ABOUT_SUBJECT]))
        .join(identity_paths.lazy(), left_on=["subject_kind", "subject_value"], right_on=["kind", "value"])
        .collect()
    )
    effect = (
        pl.when(pl.col("recorded_at") > known_at)
        .then(pl.lit("was recorded later than known_at"))
        .when(is_permissive & (pl.col("event_at") > pl.col("recorded_at") + TOLERANCE))
        .then(pl.lit("is dated later than it was recorded"))
        .when(pl.min_horizontal("event_at", pl.when(~is_permissive).then("recorded_at")) > as_of)
        .then(pl.lit("happened later"))
        .when(is_uncertain(silent))
        .then(pl.lit("came after a gap in its channel, which is not closed"))
        .when(is_grant & pl.col("notice_version").is_null())
        .then(pl.lit("names no notice (Art. 7(1))"))
        .when(is_grant & (pl.col("method").is_null() | pl.col("method").is_in(INVALID_METHODS)))
        .then(pl.lit("names no method that proves a consent (Art. 7(2))"))
        .when(blocks_point & ~is_on_point)
        .then(pl.lit("is about another contact point"))
        .when(~is_own & is_permissive)
        .then(pl.lit("belongs to another customer"))
        .when(is_permissive & is_on_point)
        .then(pl.lit(COUNTS))
        .when(is_permissive & ~pl.col("is_exclusive"))
        .then(pl.lit("is on a shared identifier"))
        .when(is_permissive & ~is_sure)
        .then(pl.lit("came over a probable link"))
        .otherwise(pl.lit(COUNTS))
    )
    return reaching.with_columns(effect.alias("effect")).sort("event_at", "recorded_at", "position")
