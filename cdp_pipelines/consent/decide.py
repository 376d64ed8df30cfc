"""The decision: may this customer be processed for this purpose, as of one instant, by what was known at another.

The checks run in a fixed order, and the first that denies gives the reason: in force, blocks of the person, blocks of
the contact point, objection, lawful basis, required purposes. Sources: GDPR Art. 6, 7, 8, 17, 18, 21. The checks
themselves belong in `checks`, `basis` and `decision_state`.

Reasons: `allowed`, `purpose_not_in_force`; of the person `erased`, `restricted`, `under_age`, and `age_unknown` where a
purpose needs a known age; of the contact point `no_contact_point` where the customer has none of its kind,
`suppressed`, `undeliverable`; `objected`; of the basis `no_consent`, `denied`, `withdrawn`, `expired`,
`notice_outdated`, `no_live_contract`, `obligation_ended`, `interest_lapsed`, `no_case`; and `requires:<purpose>`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.cases import CASE
from cdp_pipelines.consent.decision_state import DecisionState
from cdp_pipelines.schema import DECISION, INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from cdp_pipelines.consent.cases import CaseRows
    from cdp_pipelines.purposes.register import Register
    from cdp_pipelines.schema import (
        ClusterFrame,
        DecisionRows,
        InteractionFrame,
        LedgerFrame,
        PartyFrame,
        PrivacyRequestFrame,
    )

# Columns of a decision of one night; the history adds from when to when it was valid.
COLUMNS = tuple(name for name in DECISION.schema if name not in {"valid_from", "valid_to"})


@dataclass(frozen=True, kw_only=True)
class DecisionInput:
    """Everything that decisions may rest on, for one pair of clocks; what is left out is empty.

    `register`: all versions of all purposes; those in force at `as_of` are decided. `crosswalk`: records and their
    customers, all of whom are decided; `identifiers`: see `list_identifiers`. Without `party` no age, jurisdiction or
    record is known. `as_of`: when the processing happens; `known_at`: until when something had to be recorded or taken
    in to count. Both clocks have a time zone. A consent event counts from its own instant on, a record after it.
    Identity is that of the frames, whatever the clocks. `silent`: channels with a gap, see `consent.silence`.
    """

    register: Register
    crosswalk: ClusterFrame
    identifiers: pl.LazyFrame
    as_of: datetime
    known_at: datetime
    ledger: LedgerFrame = field(default_factory=lambda: LEDGER.empty().lazy())
    interactions: InteractionFrame = field(default_factory=lambda: INTERACTION.empty().lazy())
    party: PartyFrame = field(default_factory=lambda: PARTY.empty().lazy())
    requests: PrivacyRequestFrame = field(default_factory=lambda: PRIVACY_REQUEST.empty().lazy())
    cases: CaseRows = field(default_factory=lambda: pl.DataFrame(schema=CASE))
    silent: Mapping[str, date] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """`ValueError` where a clock has no time zone."""
        for name in ("as_of", "known_at"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} has no time zone: give it one, such as datetime.UTC")


def decide(decision_input: DecisionInput) -> DecisionRows:
    """Decisions of every customer of the crosswalk and every purpose; `COLUMNS` of `DECISION`, in order of its key.

    A purpose about contact points has a row for each contact point of its kind, and one with an empty contact point for
    a customer who has none. The ledger position is that of the newest event known at `known_at`.
    """
    return build_decision_rows(DecisionState.build(decision_input))


def build_decision_rows(state: DecisionState, customers: pl.Series | None = None) -> DecisionRows:
    """Decisions in texts, see `decide`; `customers`: the ids of those to show, by default all.

    The units of each purpose are in order of customer and point.
    """
    numbered = state.subjects.customers
    shown = None if customers is None else numbered.filter(pl.col("customer_id").is_in(customers.implode()))
    purpose_texts: dict[str, list[str]] = {
        "purpose": list(state.purposes),
        "lawful_basis": [purpose.lawful_basis for purpose in state.purposes.values()],
        "purpose_version": [purpose.version for purpose in state.purposes.values()],
    }
    units = pl.concat(
        [
            (
                units if shown is None else units.join(shown, on="customer", how="semi", maintain_order="left")
            ).with_columns(pl.lit(n, pl.UInt32).alias("purpose_number"))
            for n, units in enumerate(state.outcomes[key] for key in state.purposes)
        ]
    ).sort("customer", maintain_order=True)
    return units.select(
        numbered["customer_id"].gather(units["customer"]),
        *(pl.Series(name, texts, pl.String).gather(units["purpose_number"]) for name, texts in purpose_texts.items()),
        state.subjects.look_up_values(units["subject"]).fill_null("").alias("contact_point"),
        (pl.col("reason") == "allowed").alias("is_allowed"),
        pl.col("reason").cast(pl.String),
        "since_at",
        pl.when(pl.col("evidence").is_null())
        .then(pl.lit([], pl.List(pl.String)))
        .otherwise(pl.concat_list("evidence"))
        .alias("evidence"),
        pl.lit(state.ledger_position, pl.Int64).alias("ledger_position"),
    ).select(*COLUMNS)


def digest_decisions(state: DecisionState) -> pl.DataFrame:
    """One number for each customer out of all of the customer's decisions; customer_id, digest, sorted.

    It changes with whatever a decision says; the ledger position does not count.
    """
    parts = []
    for key, units in state.outcomes.items():
        purpose = state.purposes[key]
        basis = f"{key} {purpose.version} {purpose.lawful_basis}"
        said = pl.Series([f"{basis} {reason}" for reason in state.reasons.categories]).hash()
        contents = units.select(
            said.gather(units["reason"].to_physical()).alias("said"),
            state.subjects.digest_values(units["subject"]).alias("contact_point"),
            "evidence",
            "since_at",
        )
        parts.append(units.select("customer", contents.hash_rows().alias("digest")))
    digests = pl.concat(parts).group_by("customer").agg(pl.col("digest").sum()).sort("customer")
    return digests.select(state.subjects.customers["customer_id"].gather(digests["customer"]), "digest")


def list_contact_points(state: DecisionState) -> pl.Series:
    """Every contact point that a decision is about, once."""
    subjects = pl.concat([units["subject"] for units in state.outcomes.values()]).unique().drop_nulls()
    return state.subjects.look_up_values(subjects).unique().alias("contact_point")


def count_allowed(state: DecisionState) -> dict[str, tuple[int, int]]:
    """Purpose to the number of its decisions that allow, and of all; sorted."""
    return {
        key: (int((units["reason"] == "allowed").sum()), units.height) for key, units in sorted(state.outcomes.items())
    }
