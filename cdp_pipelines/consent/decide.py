"""The decision: may this customer be processed for this purpose, as of one instant, by what was known at another.

Checks come in a fixed order and the first that denies gives the reason: in force, subject blocks, contact point
blocks, objection, basis, required purposes. Sources: GDPR Art. 6, 7, 8, 17, 18, 21.

Reasons: `allowed`, `purpose_not_in_force`; of the subject `erased`, `restricted`, `under_age`, and `age_unknown` where
a purpose asks for a known age; of the contact point `no_contact_point` where the customer has none of its kind,
`suppressed`, `undeliverable`; `objected`; of the basis `no_consent`, `denied`, `withdrawn`, `expired`,
`notice_outdated`, `no_live_contract`, `obligation_ended`, `interest_lapsed`, `no_case`; and `requires:<purpose>`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.basis import BASES, CASE, BasisCheck, Check, Evidence, gather_events
from cdp_pipelines.consent.contracts import contract_holdings, latest_records, past_interactions
from cdp_pipelines.consent.decision_units import build_decision_units, build_subject_states
from cdp_pipelines.consent.events import (
    NEVER,
    ConsentState,
    build_consent_state,
    latest_events,
    rank_events,
    select_effective,
)
from cdp_pipelines.consent.subject_index import (
    SubjectIndex,
    is_of_age,
    read_subject_facts,
    record_reference,
    select_birth_dates,
)
from cdp_pipelines.purposes.purpose import Register, order_by_requirement
from cdp_pipelines.schema import DECISION, PARTY, PRIVACY_REQUEST, UTC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cdp_pipelines.purposes.purpose import Purpose

SURVIVES_ERASURE = ("legal_obligation",)
SURVIVES_RESTRICTION = ("legal_obligation", "vital_interests")
CELL = ["customer", "subject"]
REASONS = (
    "allowed",
    "purpose_not_in_force",
    *("erased", "restricted", "under_age", "age_unknown"),
    *("no_contact_point", "suppressed", "undeliverable"),
    "objected",
    *("no_consent", "denied", "withdrawn", "expired", "notice_outdated"),
    *("no_live_contract", "obligation_ended", "interest_lapsed", "no_case"),
)
# What is decided; from when to when, its history says.
COLUMNS = tuple(name for name in DECISION.schema if name not in {"valid_from", "valid_to"})
# What is asked of a will that counts.
WILL = ("subject", "purpose", "status", "event_id", "event_at", "expires_at", "notice_version", "jurisdiction")


def decide(  # noqa: PLR0913  everything that a decision may rest on comes in, for nothing is read here
    register: Mapping[str, Purpose],
    ledger: pl.DataFrame | pl.LazyFrame,
    identifiers: pl.LazyFrame,
    interaction: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    *,
    as_of: datetime,
    known_at: datetime,
    party: pl.LazyFrame | None = None,
    requests: pl.LazyFrame | None = None,
    cases: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Decisions of every customer of the crosswalk and every purpose; `COLUMNS` of `DECISION`, in order of its key.

    `register`: a `Register`, of which the versions in force are taken, or purposes by key. `ledger`: `LEDGER`;
    `identifiers`: see there; `interaction`, `crosswalk`, `party` and `requests`: `INTERACTION`, `CROSSWALK`, `PARTY`,
    `PRIVACY_REQUEST`; `cases`: `basis.CASE`. Without `party` no age, jurisdiction or record is known.
    Both clocks carry a time zone. A will counts at its very instant, a record from the next on. What was recorded or
    taken in after `known_at` changes nothing; identity is that of the frames given. For a purpose about a contact point
    there is a row per point of the customer, and one with an empty point where there is none. The ledger position is
    that of the newest event known.
    """
    matter = DecisionInput.of(
        register,
        ledger,
        identifiers,
        interaction,
        crosswalk,
        as_of=as_of,
        known_at=known_at,
        party=party,
        requests=requests,
        cases=cases,
    )
    known = ledger.lazy().filter(pl.col("recorded_at") <= known_at)
    position = known.select(pl.col("position").max()).collect().item() or 0
    return _as_table(matter.purposes, matter.decided, matter.people, position)


@dataclass(frozen=True)
class DecisionInput:
    """All that decisions of one pair of clocks rest on, in numbers: what is decided on, and what is known."""

    purposes: Mapping[str, Purpose]
    order: Sequence[str]
    people: SubjectIndex
    evidence: Evidence
    hearing: ConsentState
    everybody: pl.DataFrame

    @classmethod
    def of(  # noqa: PLR0913  as `decide`
        cls,
        register: Mapping[str, Purpose],
        ledger: pl.DataFrame | pl.LazyFrame,
        identifiers: pl.LazyFrame,
        interaction: pl.LazyFrame,
        crosswalk: pl.LazyFrame,
        *,
        as_of: datetime,
        known_at: datetime,
        party: pl.LazyFrame | None = None,
        requests: pl.LazyFrame | None = None,
        cases: pl.DataFrame | None = None,
    ) -> DecisionInput:
        """What `decide` is given, as it is asked for."""
        if as_of.tzinfo is None or known_at.tzinfo is None:
            raise ValueError("as_of and known_at need a time zone")
        register = register if isinstance(register, Register) else Register({key: (register[key],) for key in register})
        purposes = register.at(as_of)
        people = SubjectIndex.of(crosswalk, identifiers)
        counted = people.reached(select_effective(ledger.lazy(), as_of, known_at)).select("recorded_at", *WILL)
        wills = rank_events(counted.collect(), purposes)
        hearing = build_consent_state(wills, people.points, purposes)
        party = PARTY.empty().lazy() if party is None else party
        requests = PRIVACY_REQUEST.empty().lazy() if requests is None else requests
        cases = pl.DataFrame(schema=CASE) if cases is None else cases
        evidence = _evidence(purposes, people, wills, interaction, party, requests, cases, as_of, known_at)
        order = order_by_requirement(register.versions)
        return cls(
            purposes,
            order,
            people,
            evidence,
            hearing,
            build_subject_states(people, hearing, select_birth_dates(evidence.told)),
        )

    @cached_property
    def decided(self) -> dict[str, pl.DataFrame]:
        """Per purpose its cells (`CELL`) with reason, evidence and since_at."""
        reasons = pl.Enum([*REASONS, *(f"requires:{key}" for key in self.purposes)])
        decided: dict[str, pl.DataFrame] = {}
        for key in self.order:
            found = _of_purpose(self.asked(key), self.evidence, reasons)
            decided[key] = _with_required(self.purposes[key], found, decided)
        return decided

    def asked(self, key: str) -> BasisCheck:
        """Cells of a purpose with what is asked of them: all checks in their order, the last of which is `allowed`."""
        purpose = self.purposes[key]
        found = build_decision_units(purpose, self.everybody, self.people, self.hearing)
        ground = BASES[purpose.lawful_basis](purpose, found, self.evidence)
        checks = (
            Check("purpose_not_in_force", pl.lit(purpose.in_force_at > self.evidence.as_of)),
            *_of_subject(purpose, self.evidence.as_of),
            *(_of_point() if purpose.kind else ()),
            *(
                (Check("objected", pl.col("live_objection") > NEVER, pl.col("live_objection")),)
                * purpose.can_be_objected
            ),
            *ground.checks,
            Check("allowed", pl.lit(value=True), ground.place, ground.record),
        )
        return ground._replace(checks=checks)


def _evidence(  # noqa: PLR0913, PLR0917  it gathers what comes in apart
    purposes: Mapping[str, Purpose],
    people: SubjectIndex,
    wills: pl.DataFrame,
    interaction: pl.LazyFrame,
    party: pl.LazyFrame,
    requests: pl.LazyFrame,
    cases: pl.DataFrame,
    as_of: datetime,
    known_at: datetime,
) -> Evidence:
    """All that the bases of these purposes ask for, by customer."""
    keep = {each for purpose in purposes.values() for each in purpose.kept_by}
    terms = [purpose.contract for purpose in purposes.values() if purpose.contract]
    types = keep.union(*(each.opened_by + each.closed_by for each in terms))
    points = people.points.lazy()
    records = read_subject_facts(party, people, known_at)
    events = past_interactions(interaction.filter(pl.col("interaction_type").is_in(types)), people, as_of, known_at)
    done = pl.concat([events, *contract_holdings(records, types, as_of)], how="diagonal").collect()
    asked = requests.filter(pl.col("received_at") < as_of, pl.col("ingested_at") <= known_at)
    by_type = {
        "record": records.filter(pl.col("record_at") < as_of),
        "request": people.reached(
            asked.select("subject_kind", "subject_value", record_reference(), pl.col("received_at").alias("record_at"))
        ).join(points, on="subject"),
        "will": latest_events(wills, people.points).rename({"event_id": "record_id", "event_at": "record_at"}),
    }
    columns = ["customer", "type", "record_id", "record_at"]
    kept = [done.lazy().filter(pl.col("type").is_in(keep))]
    kept += [each.with_columns(pl.lit(type_).alias("type")) for type_, each in by_type.items() if type_ in keep]
    return Evidence(
        as_of,
        people,
        wills,
        records,
        done,
        latest_records(pl.concat([each.select(columns) for each in kept]), "customer", "type").collect(),
        people.reached(cases.lazy().filter(pl.col("declared_at") <= known_at)).join(points, on="subject").collect(),
    )


def _of_purpose(ground: BasisCheck, evidence: Evidence, reasons: pl.Enum) -> pl.DataFrame:
    """Cells of a purpose with reason, evidence id and its time, before the purposes that it requires are asked."""
    checks = ground.checks
    # The number of the first check that denies; the last one denies nothing.
    number = pl.coalesce(*(pl.when(each.denies).then(pl.lit(n, pl.UInt8)) for n, each in enumerate(checks)))
    outcome = ground.cells.with_columns(number.alias("number"))
    places = _chosen(outcome, {n: each.place for n, each in enumerate(checks) if each.place is not None}, pl.Int32())
    of_will = gather_events(evidence.wills, places, "event_id", "event_at")
    of_record = [
        _chosen(outcome, {n: pl.col(each.record[part]) for n, each in enumerate(checks) if each.record}, dtype)
        for part, dtype in enumerate((pl.String(), UTC))
    ]
    return outcome.select(
        *CELL,
        pl.Series([each.reason for each in checks], dtype=reasons).gather(outcome["number"]).alias("reason"),
        pl.coalesce(of_will["event_id"], of_record[0]).alias("evidence"),
        pl.coalesce(of_will["event_at"], of_record[1]).alias("since_at"),
    )


def _chosen(outcome: pl.DataFrame, values: Mapping[int, pl.Expr], dtype: pl.DataType) -> pl.Series:
    """The value that goes with the number of the check, null where that has none."""
    if not values:
        return pl.Series([None], dtype=dtype).new_from_index(0, outcome.height)
    chosen = [pl.when(pl.col("number") == n).then(value) for n, value in values.items()]
    return outcome.select(pl.coalesce(*chosen).cast(dtype)).to_series()


def _of_subject(purpose: Purpose, as_of: datetime) -> Iterable[Check]:
    """Step 2: Art. 17, Art. 18, Art. 8."""
    if purpose.lawful_basis not in SURVIVES_ERASURE:
        yield Check("erased", pl.col("erased") > NEVER, pl.col("erased"))
    if purpose.lawful_basis not in SURVIVES_RESTRICTION:
        yield Check("restricted", pl.col("restricted") > pl.col("restriction_lifted"), pl.col("restricted"))
    if purpose.minimum_age is not None:
        of_age = is_of_age(purpose.minimum_age, as_of.astimezone(dt.UTC).date())
        yield Check("under_age", ~of_age.fill_null(value=True), record=("birth_id", "birth_at"))
    if purpose.requires_known_age:
        yield Check("age_unknown", pl.col("birth_date").is_null())


def _of_point() -> Iterable[Check]:
    """Step 3: an unsubscribe ends with a later grant on that very point, a complaint or bounce when it is verified."""
    yield Check("no_contact_point", pl.col("subject").is_null())
    left = pl.when(pl.col("unsubscribed") > pl.col("point_granted")).then("unsubscribed").otherwise(NEVER)
    complained = pl.when(pl.col("complained") > pl.col("verified")).then("complained").otherwise(NEVER)
    suppressed = pl.max_horizontal(left, complained)
    yield Check("suppressed", suppressed > NEVER, suppressed)
    yield Check("undeliverable", pl.col("bounced") > pl.col("verified"), pl.col("bounced"))


def _with_required(purpose: Purpose, found: pl.DataFrame, decided: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Step 6: where all else allows, the first required purpose that is denied denies, with its own evidence."""
    for key, required in ((key, decided[key]) for key in purpose.requires):
        on = CELL if required["subject"].null_count() < required.height else ["customer"]
        denied = required.filter(pl.col("reason") != "allowed").drop("reason", *({*CELL} - {*on}))
        joined = found.join(
            denied.with_columns(pl.lit(value=True).alias("is_denied")),
            on=on,
            how="left",
            suffix="_required",
            maintain_order="left",
        )
        denies = (pl.col("reason") == "allowed") & pl.col("is_denied")
        found = joined.select(
            *CELL,
            pl.when(denies).then(pl.lit(f"requires:{key}", found["reason"].dtype)).otherwise("reason").alias("reason"),
            *(
                pl.when(denies).then(f"{name}_required").otherwise(name).alias(name)
                for name in ("evidence", "since_at")
            ),
        )
    return found


def _as_table(
    purposes: Mapping[str, Purpose], decided: Mapping[str, pl.DataFrame], people: SubjectIndex, position: int
) -> pl.DataFrame:
    """Numbers back into texts, in order of the key: each purpose's cells are in order of customer and point."""
    keys = list(purposes)
    of_purpose = {
        "purpose": keys,
        "lawful_basis": [each.lawful_basis for each in purposes.values()],
        "purpose_version": [each.version for each in purposes.values()],
    }
    found = pl.concat(
        [decided[key].with_columns(pl.lit(n, pl.UInt32).alias("number")) for n, key in enumerate(keys)]
    ).sort("customer", maintain_order=True)
    return found.select(
        people.customers["customer_id"].gather(found["customer"]),
        *(pl.Series(name, texts, pl.String).gather(found["number"]) for name, texts in of_purpose.items()),
        people.value_of(found["subject"]).fill_null("").alias("contact_point"),
        (pl.col("reason") == "allowed").alias("is_allowed"),
        pl.col("reason").cast(pl.String),
        "since_at",
        pl.when(pl.col("evidence").is_null())
        .then(pl.lit([], pl.List(pl.String)))
        .otherwise(pl.concat_list("evidence"))
        .alias("evidence"),
        pl.lit(position, pl.Int64).alias("ledger_position"),
    ).select(*COLUMNS)
