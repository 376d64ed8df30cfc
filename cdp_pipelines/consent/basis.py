"""Step 5 of a decision: does the lawful basis hold, and which will or record says so. One function for each basis.

Each takes cells (one row per customer and, where the purpose is about one, contact point), adds what it needs, and
names its denials in order. A cell that none of them denies is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.consent.contracts import latest_records, live_contracts
from cdp_pipelines.consent.events import NEVER
from cdp_pipelines.consent.subject_index import find_opt_out_subjects
from cdp_pipelines.schema import UTC
from cdp_pipelines.schema.duration import add_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cdp_pipelines.consent.subject_index import SubjectIndex
    from cdp_pipelines.purposes.purpose import Purpose

# Declared cases of vital or public interest: a recall, an order of an authority (Art. 6(1)(d), (e)).
CASE = {
    "case_id": pl.String(),
    "purpose": pl.String(),
    "subject_kind": pl.String(),
    "subject_value": pl.String(),
    "starts_at": UTC,
    "ends_at": UTC,
    "declared_at": UTC,
}


class Check(NamedTuple):
    """A reason to deny: when, and the place of the will or the columns (id, time) of the record that says so."""

    reason: str
    denies: pl.Expr
    place: pl.Expr | None = None
    record: tuple[str, str] | None = None


class BasisCheck(NamedTuple):
    """Cells with what the basis needs, its denials in order, and what allows where none of them denies."""

    cells: pl.DataFrame
    checks: tuple[Check, ...]
    place: pl.Expr | None = None
    record: tuple[str, str] | None = None


@dataclass(frozen=True)
class Evidence:
    """What all purposes are decided by, as known at one instant and of another.

    `wills`: those that count, in order of place; `told`: see `people.told`; `done`: see `contracts.happened`, `held`;
    `records`: key (customer, type), the latest record of each type with record_id and record_at; `cases`: customer and
    the columns of `CASE`.
    """

    as_of: datetime
    people: SubjectIndex
    wills: pl.DataFrame
    told: pl.LazyFrame
    done: pl.DataFrame
    records: pl.DataFrame
    cases: pl.DataFrame


RECORD_COLUMNS = ("record_id", "record_at")


def check_consent(purpose: Purpose, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(a), 7. The latest will decides: a grant, not expired, under an accepted notice version.

    An objection that has not ended is read as a withdrawal. Where all the law that is known of the customer is opt_out
    for the purpose, no will at all allows.
    """
    deciding = pl.max_horizontal("granted", "denied", "live_objection")
    cells = cells.with_columns(deciding.replace(NEVER, None).alias("deciding"))
    of_will = gather_events(evidence.wills, cells["deciding"], "status", "expires_at", "notice_version")
    accepted = [each for each in of_will["notice_version"].unique().drop_nulls() if purpose.accepts(each)]
    cells = cells.hstack(of_will)
    none, place = pl.col("deciding").is_null(), pl.col("deciding")
    is_grant = pl.col("status") == "granted"
    record = None
    if laws := [law for law, rule in purpose.jurisdictions.items() if rule == "opt_out"]:
        stated = (
            evidence.wills.select("subject", "jurisdiction")
            .drop_nulls()
            .unique()
            .join(evidence.people.points, on="subject")
        ).select("customer", "jurisdiction")
        outs = find_opt_out_subjects(evidence.told, stated, laws, evidence.as_of)
        cells, record = cells.join(outs, on="customer", how="left", maintain_order="left"), RECORD_COLUMNS
        no_consent = none & pl.col("record_id").is_null()
    else:
        no_consent = none
    return BasisCheck(
        cells,
        (
            Check("no_consent", no_consent),
            Check("denied", pl.col("status") == "denied", place),
            Check("withdrawn", pl.col("status").is_in(["withdrawn", "objected"]), place),
            Check("expired", is_grant & (pl.col("expires_at") <= evidence.as_of), place),
            Check("notice_outdated", is_grant & ~pl.col("notice_version").is_in(accepted), place),
        ),
        place,
        record,
    )


def check_contract(purpose: Purpose, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(b). A contract of the customer is live; the latest of them is the evidence."""
    live = latest_records(live_contracts(evidence.done.lazy(), purpose.contract, evidence.as_of), "customer").collect()
    return _with_record(cells, live, Check("no_live_contract", pl.col("record_id").is_null()))


def check_legal_obligation(purpose: Purpose, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(c). The latest record that creates the obligation is within its retention."""
    return _while_retained(purpose, "obligation_ended", cells, evidence)


def check_legitimate_interests(purpose: Purpose, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(f). The last contact is within the retention; an objection was asked for before."""
    return _while_retained(purpose, "interest_lapsed", cells, evidence)


def check_declared_case(purpose: Purpose, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Art. 6(1)(d) and (e). A case declared for the purpose covers the customer; the one that began last is named."""
    covering = evidence.cases.lazy().filter(
        pl.col("purpose") == purpose.key,
        pl.col("starts_at") <= evidence.as_of,
        pl.col("ends_at").is_null() | (pl.col("ends_at") > evidence.as_of),
    )
    named = covering.select("customer", pl.col("case_id").alias("record_id"), pl.col("starts_at").alias("record_at"))
    return _with_record(
        cells, latest_records(named, "customer").collect(), Check("no_case", pl.col("record_id").is_null())
    )


def _while_retained(purpose: Purpose, reason: str, cells: pl.DataFrame, evidence: Evidence) -> BasisCheck:
    """Allowed until the retention has passed since the latest record that keeps it, which is the evidence."""
    last = latest_records(
        evidence.records.lazy().filter(pl.col("type").is_in(purpose.kept_by)), "customer"
    ).with_columns((add_duration(pl.col("record_at"), purpose.retention) > evidence.as_of).alias("is_retained"))
    check = Check(reason, ~pl.col("is_retained").fill_null(value=False), record=RECORD_COLUMNS)
    return _with_record(cells, last.collect(), check)


def _with_record(cells: pl.DataFrame, records: pl.DataFrame, check: Check) -> BasisCheck:
    joined = cells.join(records, on="customer", how="left", maintain_order="left")
    return BasisCheck(joined, (check,), record=RECORD_COLUMNS)


def gather_events(wills: pl.DataFrame, places: pl.Series, *columns: str) -> pl.DataFrame:
    """Columns of the wills at some places, row by row; nulls where the place is null."""
    return wills.select(pl.col(columns).gather(places))


BASES: dict[str, Callable[[Purpose, pl.DataFrame, Evidence], BasisCheck]] = {
    "consent": check_consent,
    "contract": check_contract,
    "legal_obligation": check_legal_obligation,
    "vital_interests": check_declared_case,
    "public_interest": check_declared_case,
    "legitimate_interests": check_legitimate_interests,
}
