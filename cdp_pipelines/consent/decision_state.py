"""Decisions in numbers: the state that all purposes share, the checks of one purpose, and the outcome of each.

`decide` wraps it as a table; `explain` evaluates all checks instead of the first that denies. Single checks belong in
`checks` and `basis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.basis import BASES, BasisCheck
from cdp_pipelines.consent.checks import CHECK_STEPS, REASONS
from cdp_pipelines.consent.decision_units import UNIT_KEY, build_decision_units, build_subject_states
from cdp_pipelines.consent.events import build_consent_state
from cdp_pipelines.consent.evidence import Evidence, gather_evidence, select_events
from cdp_pipelines.consent.subject_index import SubjectIndex, select_birth_dates
from cdp_pipelines.purposes.register import order_by_requirement
from cdp_pipelines.schema import UTC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdp_pipelines.consent.decide import DecisionInput
    from cdp_pipelines.consent.events import ConsentState
    from cdp_pipelines.purposes.purpose import Purpose


@dataclass(frozen=True)
class DecisionState:
    """What all decisions for one pair of clocks rest on; the sequence of its parts is `build`.

    `purposes`: the versions in force by key; `order`: their keys, each after those that it requires;
    `ledger_position`: that of the newest event known at `known_at`, 0 where there is none.
    """

    purposes: Mapping[str, Purpose]
    order: Sequence[str]
    subjects: SubjectIndex
    consent_state: ConsentState
    evidence: Evidence
    subject_states: pl.DataFrame
    ledger_position: int

    @classmethod
    def build(cls, decision_input: DecisionInput) -> DecisionState:
        """The state for a decision input, each part from those before it."""
        purposes = decision_input.register.at(decision_input.as_of)
        order = order_by_requirement(decision_input.register.versions)
        subjects = SubjectIndex.build(decision_input.crosswalk, decision_input.identifiers)
        events = select_events(decision_input, purposes, subjects)
        consent_state = build_consent_state(events, subjects.identifiers, purposes)
        evidence = gather_evidence(decision_input, purposes, subjects, events)
        subject_states = build_subject_states(subjects, consent_state, select_birth_dates(evidence.facts))
        known = decision_input.ledger.filter(pl.col("recorded_at") <= decision_input.known_at)
        position = known.select(pl.col("position").max()).collect().item() or 0
        return cls(purposes, order, subjects, consent_state, evidence, subject_states, position)

    def check_purpose(self, key: str) -> BasisCheck:
        """The decision units of a purpose with all its checks in order (steps 1 to 5); the last is `allowed`."""
        purpose = self.purposes[key]
        units = build_decision_units(purpose, self.subject_states, self.subjects, self.consent_state)
        basis = BASES[purpose.lawful_basis](purpose, units, self.evidence)
        checks = [check for step in CHECK_STEPS for check in step(purpose, self.evidence.as_of)]
        return BasisCheck(basis.units, (*checks, *basis.checks))

    @property
    def reasons(self) -> pl.Enum:
        """Every reason that a decision may have."""
        return pl.Enum([*REASONS, *(f"requires:{key}" for key in self.purposes)])

    @cached_property
    def outcomes(self) -> dict[str, pl.DataFrame]:
        """Per purpose its decision units (`UNIT_KEY`) with reason, evidence and since_at."""
        outcomes: dict[str, pl.DataFrame] = {}
        for key in self.order:
            first = find_first_denial(self.check_purpose(key), self.evidence, self.reasons)
            outcomes[key] = check_required_purposes(self.purposes[key], first, outcomes)
        return outcomes


def find_first_denial(purpose_check: BasisCheck, evidence: Evidence, reasons: pl.Enum) -> pl.DataFrame:
    """Decision units with the reason of the first check that denies, its evidence and the time of that evidence."""
    checks = purpose_check.checks
    # `allowed`, the last check, is true for every unit.
    first = pl.coalesce(*(pl.when(check.denies).then(pl.lit(n, pl.UInt8)) for n, check in enumerate(checks)))
    units = purpose_check.units.with_columns(first.alias("check_number"))
    ranks = {n: check.order_rank for n, check in enumerate(checks) if check.order_rank is not None}
    events = evidence.look_up_events(_choose_by_check(units, ranks, pl.Int32()), "event_id", "event_at")
    record_id, record_at = (
        _choose_by_check(
            units, {n: pl.col(check.record[part]) for n, check in enumerate(checks) if check.record}, dtype
        )
        for part, dtype in enumerate((pl.String(), UTC))
    )
    return units.select(
        *UNIT_KEY,
        pl.Series([check.reason for check in checks], dtype=reasons).gather(units["check_number"]).alias("reason"),
        pl.coalesce(events["event_id"], record_id).alias("evidence"),
        pl.coalesce(events["event_at"], record_at).alias("since_at"),
    )


def check_required_purposes(
    purpose: Purpose, units: pl.DataFrame, outcomes: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Step 6: where all other checks allow, the first required purpose that is denied denies, with its evidence."""
    for key, required in ((key, outcomes[key]) for key in purpose.requires):
        on = select_join_key(required)
        denied = required.filter(pl.col("reason") != "allowed").drop("reason", *({*UNIT_KEY} - {*on}))
        joined = units.join(
            denied.with_columns(pl.lit(value=True).alias("is_denied")),
            on=on,
            how="left",
            suffix="_required",
            maintain_order="left",
        )
        denies = (pl.col("reason") == "allowed") & pl.col("is_denied")
        units = joined.select(
            *UNIT_KEY,
            pl.when(denies).then(pl.lit(f"requires:{key}", units["reason"].dtype)).otherwise("reason").alias("reason"),
            *(
                pl.when(denies).then(f"{name}_required").otherwise(name).alias(name)
                for name in ("evidence", "since_at")
            ),
        )
    return units


def select_join_key(required: pl.DataFrame) -> list[str]:
    """The key on which a required purpose joins: the contact point too, unless it is decided for the whole person."""
    return UNIT_KEY if required["subject"].null_count() < required.height else ["customer"]


def _choose_by_check(units: pl.DataFrame, values: Mapping[int, pl.Expr], dtype: pl.DataType) -> pl.Series:
    """For each unit the value that belongs to its check number, null where that check has none."""
    if not values:
        return pl.Series([None], dtype=dtype).new_from_index(0, units.height)
    chosen = [pl.when(pl.col("check_number") == n).then(value) for n, value in values.items()]
    return units.select(pl.coalesce(*chosen).cast(dtype)).to_series()
