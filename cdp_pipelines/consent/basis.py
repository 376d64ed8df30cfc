"""Step 5 of a decision: whether the lawful basis holds, and which event or record shows it. One function per basis.

Each function takes the decision units of a purpose, adds the columns that it needs, and lists its checks in order; the
last check is `allowed`. The steps before it belong in `checks`, the required purposes in `decision_state`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.consent.checks import Check
from cdp_pipelines.consent.contracts import select_latest_records, select_live_contracts
from cdp_pipelines.consent.events import NEVER
from cdp_pipelines.consent.subject_index import find_opt_out_subjects
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.consent.evidence import Evidence
    from cdp_pipelines.purposes.purpose import Purpose

RECORD_COLUMNS = ("record_id", "record_at")


class BasisCheck(NamedTuple):
    """Decision units with the columns that the checks need, and the checks in order: denials, then `allowed`."""

    units: pl.DataFrame
    checks: tuple[Check, ...]


def check_consent(purpose: Purpose, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(a), 7. The latest event decides: a grant, not expired, under an accepted notice version.

    An objection that has not ended counts as a withdrawal. Where all known law of the customer is opt_out for the
    purpose, the absence of an event allows.
    """
    deciding = pl.max_horizontal("granted", "denied", "live_objection")
    units = units.with_columns(deciding.replace(NEVER, None).alias("deciding"))
    events = evidence.look_up_events(units["deciding"], "status", "expires_at", "notice_version")
    accepted = [version for version in events["notice_version"].unique().drop_nulls() if purpose.accepts(version)]
    units = units.hstack(events)
    order_rank, no_consent = pl.col("deciding"), pl.col("deciding").is_null()
    is_grant = pl.col("status") == "granted"
    record = None
    if laws := [law for law, rule in purpose.jurisdictions.items() if rule == "opt_out"]:
        stated = (
            evidence.events.select("subject", "jurisdiction")
            .drop_nulls()
            .unique()
            .join(evidence.subjects.identifiers, on="subject")
        ).select("customer", "jurisdiction")
        opt_outs = find_opt_out_subjects(evidence.facts, stated, laws, evidence.as_of)
        units, record = units.join(opt_outs, on="customer", how="left", maintain_order="left"), RECORD_COLUMNS
        no_consent &= pl.col("record_id").is_null()
    return BasisCheck(
        units,
        (
            Check("no_consent", no_consent),
            Check("denied", pl.col("status") == "denied", order_rank),
            Check("withdrawn", pl.col("status").is_in(["withdrawn", "objected"]), order_rank),
            Check("expired", is_grant & (pl.col("expires_at") <= evidence.as_of), order_rank),
            Check("notice_outdated", is_grant & ~pl.col("notice_version").is_in(accepted), order_rank),
            _allow(order_rank, record),
        ),
    )


def check_contract(purpose: Purpose, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(b). A contract of the customer is live; the latest live contract is the evidence."""
    if purpose.contract is None:
        raise ValueError(f"{purpose.key} rests on a contract and has no contract terms")
    live = select_live_contracts(evidence.interactions.lazy(), purpose.contract, evidence.as_of)
    latest = select_latest_records(live, "customer").collect()
    return _check_record(units, latest, Check("no_live_contract", pl.col("record_id").is_null()))


def check_legal_obligation(purpose: Purpose, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(c). The latest record that creates the obligation is within its retention."""
    return _check_retention(purpose, "obligation_ended", units, evidence)


def check_legitimate_interests(purpose: Purpose, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(f). The last contact is within the retention; objections are an earlier step."""
    return _check_retention(purpose, "interest_lapsed", units, evidence)


def check_declared_case(purpose: Purpose, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(d) and (e). A case declared for the purpose covers the customer; the latest case is the evidence."""
    covering = evidence.cases.lazy().filter(
        pl.col("purpose") == purpose.key,
        pl.col("starts_at") <= evidence.as_of,
        pl.col("ends_at").is_null() | (pl.col("ends_at") > evidence.as_of),
    )
    cases = covering.select("customer", pl.col("case_id").alias("record_id"), pl.col("starts_at").alias("record_at"))
    latest = select_latest_records(cases, "customer").collect()
    return _check_record(units, latest, Check("no_case", pl.col("record_id").is_null()))


def _check_retention(purpose: Purpose, reason: str, units: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Allowed until the retention has passed since the latest record of the purpose's types, which is the evidence."""
    latest = select_latest_records(
        evidence.latest_records.lazy().filter(pl.col("type").is_in(purpose.retaining_types)), "customer"
    ).with_columns((add_duration(pl.col("record_at"), purpose.retention) > evidence.as_of).alias("is_retained"))
    check = Check(reason, ~pl.col("is_retained").fill_null(value=False), record=RECORD_COLUMNS)
    return _check_record(units, latest.collect(), check)


def _check_record(units: pl.DataFrame, records: pl.DataFrame, check: Check) -> BasisCheck:
    """One check on units joined with a record per customer, which is the evidence of an allowed unit."""
    joined = units.join(records, on="customer", how="left", maintain_order="left")
    return BasisCheck(joined, (check, _allow(None, RECORD_COLUMNS)))


def _allow(order_rank: pl.Expr | None, record: tuple[str, str] | None) -> Check:
    return Check("allowed", pl.lit(value=True), order_rank, record)


BASES: dict[str, Callable[[Purpose, pl.DataFrame, Evidence], BasisCheck]] = {
    "consent": check_consent,
    "contract": check_contract,
    "legal_obligation": check_legal_obligation,
    "vital_interests": check_declared_case,
    "public_interest": check_declared_case,
    "legitimate_interests": check_legitimate_interests,
}
