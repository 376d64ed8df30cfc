"""One decision with each check in order, and each consent event with the identity path over which it came.

The explanation itself is `cdp_pipelines.consent.explain`; this module reads the lake and makes the document.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cdp_pipelines.consent import DecisionInput, list_identifiers
from cdp_pipelines.consent.cases import list_covered_subjects
from cdp_pipelines.consent.decision_state import DecisionState
from cdp_pipelines.consent.explain import explain_checks, explain_events, trace_identity_paths
from cdp_pipelines.schema import (
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    ClusterFrame,
    InteractionFrame,
    LedgerFrame,
    PartyFrame,
    PrivacyRequestFrame,
)
from cdp_pipelines.schema.duration import end_of_knowledge
from cdp_pipelines.services.declarations import find_purpose, load_company_cases, load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.nights import read_nights
from cdp_pipelines.services.silence import find_silences
from warehouse.delta.lake import Lake
from warehouse.lookup import find_customers, find_records, is_in, list_record_identifiers, read_records_of

EVENT_COLUMNS = ("event_at", "recorded_at", "status", "purpose", "subject_kind", "subject_value", "channel", "event_id")
PATH_COLUMNS = ("holder", "link", "records", "notice_version", "expires_at", "effect")


@dataclass(frozen=True)
class DecisionContext:
    """The part of a lake that decides on one customer: their records, and those of customers who share identifiers."""

    party: PartyFrame
    cluster: ClusterFrame
    interactions: InteractionFrame
    ledger: LedgerFrame
    requests: PrivacyRequestFrame

    @classmethod
    def read(cls, lake: Lake, customer_id: str) -> "DecisionContext":
        """Read by lookup, so that it takes seconds on a lake of any size."""
        own = list_record_identifiers(read_records_of(lake, PARTY, find_records(lake, [customer_id])))
        holders = find_customers(lake, own["value"])["customer_id"]
        records = find_records(lake, {customer_id, *holders})
        party = read_records_of(lake, PARTY, records)
        is_about_them = is_in("subject_value", list_record_identifiers(party)["value"].unique())
        return cls(
            party.lazy(),
            records.lazy(),
            read_records_of(lake, INTERACTION, records).lazy(),
            lake.scan(LEDGER).filter(is_about_them).collect().lazy(),
            lake.scan(PRIVACY_REQUEST).filter(is_about_them).collect().lazy(),
        )


def explain_decision(
    lake: Lake, customer_id: str, key: str, as_of: datetime | None, known_at: datetime | None
) -> Document:
    """The decision on this customer for this purpose, with everything that led to it.

    `as_of`: when the processing would happen, UTC (default: that of the last run of the lake); `known_at`: until
    when something had to be recorded to count (default: everything counts). `UnknownNameError` for an unknown purpose.
    """
    find_purpose(key)
    last_as_of = read_nights(lake).last_as_of
    as_of = as_of or last_as_of
    known_at = known_at or end_of_knowledge(max(as_of, last_as_of))
    context = DecisionContext.read(lake, customer_id)
    identifiers = list_identifiers(context.party, context.cluster)
    silent = find_silences(lake, known_at)
    state = DecisionState.build(
        DecisionInput(
            register=load_company_register(),
            ledger=context.ledger,
            identifiers=identifiers,
            interactions=context.interactions,
            crosswalk=context.cluster,
            as_of=as_of,
            known_at=known_at,
            silent=silent,
            party=context.party,
            requests=context.requests,
            cases=list_covered_subjects(load_company_cases(), context.interactions, context.party),
        )
    )
    purpose = state.purposes[key]
    checks = explain_checks(state, key, customer_id)
    paths = trace_identity_paths(context.party, context.cluster, identifiers, customer_id, purpose)
    events = explain_events(context.ledger, paths, customer_id, purpose, silent, as_of=as_of, known_at=known_at)
    return Document(
        f"Why {key} for {customer_id}",
        f"As of {as_of:%Y-%m-%d %H:%M} UTC, by what was known at {known_at:%Y-%m-%d %H:%M}. "
        f"{_describe_verdict(checks, customer_id)}. "
        f"{purpose.title}: {purpose.lawful_basis}, version {purpose.version}.",
        [
            Section("checks", checks.to_dicts(), "In order; the first check that denies gives the reason"),
            Section(
                "consent_events",
                events.select(*EVENT_COLUMNS, *PATH_COLUMNS).to_dicts(),
                "Consent events that reach the customer, in order of time",
            ),
            Section(
                "identity_paths",
                paths.select("holder", "kind", "value", "link", "is_exclusive", "records").to_dicts(),
                "Denials reach the customer from every identifier, grants only from exact and exclusive ones",
            ),
        ],
    )


def _describe_verdict(checks: pl.DataFrame, customer_id: str) -> str:
    """For each contact point, or for the person, the check that decided and its evidence."""
    decisive = checks.filter((pl.col("outcome") == "denied") | (pl.col("check") == "allowed"))
    return "; ".join(
        f"{row['contact_point'] or customer_id}: {'' if row['check'] == 'allowed' else 'denied, '}{row['check']}"
        + (f", by {row['evidence']} of {row['at']:%Y-%m-%d %H:%M}" if row["evidence"] else "")
        for row in decisive.iter_rows(named=True)
    )
