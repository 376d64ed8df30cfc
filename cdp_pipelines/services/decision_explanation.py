"""`cdp why`: one decision, each check in order, and every will with the identity path over which it came."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cdp_pipelines.consent.cases import list_covered_subjects
from cdp_pipelines.consent.decide import DecisionInput
from cdp_pipelines.consent.explain import explain_checks, explain_events, trace_identity_paths
from cdp_pipelines.consent.identifiers import list_identifiers
from cdp_pipelines.errors import CdpError
from cdp_pipelines.schema import INTERACTION, LEDGER, PARTY, PRIVACY_REQUEST, RUN
from cdp_pipelines.services.declarations import load_company_cases, load_company_register
from cdp_pipelines.services.document import Document, Section
from warehouse.delta.lake import Lake
from warehouse.lookup import find_customers, find_records, is_in, list_record_identifiers, read_records_of


@dataclass(frozen=True)
class DecisionContext:
    """Of a lake what can matter to one customer: their records, and those of whom they share an identifier with."""

    party: pl.LazyFrame
    cluster: pl.LazyFrame
    interaction: pl.LazyFrame
    ledger: pl.LazyFrame
    requests: pl.LazyFrame

    @classmethod
    def of(cls, lake: Lake, customer_id: str) -> "DecisionContext":
        """Read so that the answer takes seconds on a lake of any size."""
        mine = list_record_identifiers(read_records_of(lake, PARTY, find_records(lake, [customer_id])))
        holders = find_customers(lake, mine["value"])["customer_id"]
        near = find_records(lake, {customer_id, *holders})
        told = read_records_of(lake, PARTY, near)
        reached = is_in("subject_value", list_record_identifiers(told)["value"].unique())
        return cls(
            told.lazy(),
            near.lazy(),
            read_records_of(lake, INTERACTION, near).lazy(),
            lake.scan(LEDGER).filter(reached).collect().lazy(),
            lake.scan(PRIVACY_REQUEST).filter(reached).collect().lazy(),
        )


def explain_decision(
    lake: Lake, customer_id: str, key: str, as_of: datetime | None, known_at: datetime | None
) -> Document:
    """The decision on this customer for this purpose, with all that led to it.

    `as_of`: when the processing would happen, UTC, by default the end of the lake's last night; `known_at`: what had
    been recorded by then, by default all.
    """
    if key not in load_company_register():
        raise CdpError(f"there is no purpose {key!r}; there are: {', '.join(load_company_register())}")
    as_of = as_of or lake.read(RUN)["as_of"].max()
    known_at = known_at or max(as_of, lake.read(RUN)["as_of"].max())
    near = DecisionContext.of(lake, customer_id)
    held = list_identifiers(near.party, near.cluster)
    matter = DecisionInput.of(
        load_company_register(),
        near.ledger,
        held,
        near.interaction,
        near.cluster,
        as_of=as_of,
        known_at=known_at,
        party=near.party,
        requests=near.requests,
        cases=list_covered_subjects(load_company_cases(), near.interaction, near.party),
    )
    purpose = matter.purposes[key]
    steps = explain_checks(matter, key, customer_id)
    ways = trace_identity_paths(near.party, near.cluster, held, customer_id, purpose)
    reached = explain_events(near.ledger, ways, customer_id, purpose, as_of, known_at)
    deciding = steps.filter((pl.col("outcome") == "denied") | (pl.col("check") == "allowed"))
    answers = [
        f"{row['contact_point'] or customer_id}: {'' if row['check'] == 'allowed' else 'denied, '}{row['check']}"
        + (f", by {row['evidence']} of {row['at']:%Y-%m-%d %H:%M}" if row["evidence"] else "")
        for row in deciding.iter_rows(named=True)
    ]
    names = ("event_at", "recorded_at", "status", "purpose", "subject_kind", "subject_value", "channel", "event_id")
    path = ("holder", "over", "records", "notice_version", "expires_at", "heard")
    return Document(
        f"Why {key} for {customer_id}",
        f"As of {as_of:%Y-%m-%d %H:%M} UTC, by what was known at {known_at:%Y-%m-%d %H:%M}. {'; '.join(answers)}. "
        f"{purpose.title}: {purpose.lawful_basis}, version {purpose.version}.",
        [
            Section("Checks, in order", steps.to_dicts(), "The first that denies gives the reason"),
            Section("Wills that reach the customer", reached.select(*names, *path).to_dicts(), "In order of time"),
            Section("Identity", ways.select("holder", "kind", "value", "over", "is_exclusive", "records").to_dicts(),
                    "Denials are heard from every identifier, grants from exact and exclusive ones alone"),
        ],
    )  # fmt: skip
