"""The evidence that purposes are decided by, gathered once for all purposes: events, records, contracts, cases.

What a purpose makes of it belongs in `checks` and `basis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.contracts import contract_holdings, past_interactions, select_latest_records
from cdp_pipelines.consent.events import rank_events, select_effective, select_latest_events
from cdp_pipelines.consent.silence import select_certain
from cdp_pipelines.consent.subject_index import read_subject_facts, record_reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cdp_pipelines.consent.decide import DecisionInput
    from cdp_pipelines.consent.subject_index import SubjectIndex
    from cdp_pipelines.purposes.purpose import Purpose

# Columns of the ledger that decisions need of an event that counts.
EVENT_COLUMNS = (
    "subject",
    "purpose",
    "status",
    "event_id",
    "event_at",
    "expires_at",
    "notice_version",
    "jurisdiction",
)


@dataclass(frozen=True)
class Evidence:
    """Everything that purposes are decided by, as of one instant and as known at another.

    `events`: those that count, sorted by order_rank, which counts from 0; `facts`: see `read_subject_facts`;
    `interactions`: see `past_interactions` and `contract_holdings`; `latest_records`: key (customer, type), with
    record_id and record_at; `cases`: customer and the columns of `CASE` but the subject.
    """

    as_of: datetime
    subjects: SubjectIndex
    events: pl.DataFrame
    facts: pl.LazyFrame
    interactions: pl.DataFrame
    latest_records: pl.DataFrame
    cases: pl.DataFrame

    def look_up_events(self, order_ranks: pl.Series, *columns: str) -> pl.DataFrame:
        """Columns of the events with these ranks, row by row; null where the rank is null."""
        return self.events.select(pl.col(columns).gather(order_ranks))


def select_events(
    decision_input: DecisionInput, purposes: Mapping[str, Purpose], subjects: SubjectIndex
) -> pl.DataFrame:
    """Events that count and that are on an identifier of a customer, in their total order."""
    effective = subjects.add_subject(
        select_effective(
            select_certain(decision_input.ledger, decision_input.silent), decision_input.as_of, decision_input.known_at
        )
    )
    return rank_events(effective.select("recorded_at", *EVENT_COLUMNS).collect(), purposes)


def gather_evidence(
    decision_input: DecisionInput, purposes: Mapping[str, Purpose], subjects: SubjectIndex, events: pl.DataFrame
) -> Evidence:
    """All evidence that these purposes need; `events`: see `select_events`."""
    facts = read_subject_facts(decision_input.party, subjects, decision_input.known_at)
    interactions = _gather_interactions(decision_input, purposes, subjects, facts)
    cases = decision_input.cases.lazy().filter(pl.col("declared_at") <= decision_input.known_at)
    return Evidence(
        decision_input.as_of,
        subjects,
        events,
        facts,
        interactions,
        _gather_latest_records(decision_input, purposes, subjects, events, facts, interactions),
        subjects.add_subject(cases).join(subjects.identifiers.lazy(), on="subject").collect(),
    )


def _gather_interactions(
    decision_input: DecisionInput, purposes: Mapping[str, Purpose], subjects: SubjectIndex, facts: pl.LazyFrame
) -> pl.DataFrame:
    """Interactions and contract holdings of the types that a contract, an obligation or an interest names."""
    terms = [purpose.contract for purpose in purposes.values() if purpose.contract]
    types = _list_retaining_types(purposes).union(*(contract.opened_by + contract.closed_by for contract in terms))
    of_types = decision_input.interactions.filter(pl.col("interaction_type").is_in(types))
    past = past_interactions(of_types, subjects, decision_input.as_of, decision_input.known_at)
    return pl.concat([past, *contract_holdings(facts, types, decision_input.as_of)], how="diagonal").collect()


def _gather_latest_records(
    decision_input: DecisionInput,
    purposes: Mapping[str, Purpose],
    subjects: SubjectIndex,
    events: pl.DataFrame,
    facts: pl.LazyFrame,
    interactions: pl.DataFrame,
) -> pl.DataFrame:
    """The latest record of each customer and type that creates an obligation or keeps an interest alive."""
    types = _list_retaining_types(purposes)
    requests = decision_input.requests.filter(
        pl.col("received_at") < decision_input.as_of, pl.col("ingested_at") <= decision_input.known_at
    )
    by_type = {
        "record": facts.filter(pl.col("record_at") < decision_input.as_of),
        "request": subjects.add_subject(
            requests.select(
                "subject_kind", "subject_value", record_reference(), pl.col("received_at").alias("record_at")
            )
        ).join(subjects.identifiers.lazy(), on="subject"),
        "consent_event": select_latest_events(events, subjects.identifiers).rename(
            {"event_id": "record_id", "event_at": "record_at"}
        ),
    }
    columns = ["customer", "type", "record_id", "record_at"]
    records = [interactions.lazy().filter(pl.col("type").is_in(types))]
    records += [frame.with_columns(pl.lit(type_).alias("type")) for type_, frame in by_type.items() if type_ in types]
    return select_latest_records(pl.concat([frame.select(columns) for frame in records]), "customer", "type").collect()


def _list_retaining_types(purposes: Mapping[str, Purpose]) -> set[str]:
    return {type_ for purpose in purposes.values() for type_ in purpose.retaining_types}
