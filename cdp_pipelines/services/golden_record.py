"""Build the golden record: every table from one ranking of the values of a customer's records.

Reading the lake and writing golden/* belongs here; which value survives is `golden`'s.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.golden import contact_point, rectification, survivorship
from cdp_pipelines.golden.conflict import count_conflicts
from cdp_pipelines.golden.customer import build_customer
from cdp_pipelines.golden.golden_input import GoldenInput
from cdp_pipelines.golden.household import build_households
from cdp_pipelines.schema import (
    CONFLICT,
    CONSENT_EVENT,
    CONTACT_POINT,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    HISTORY,
    HOUSEHOLD,
    INTERACTION,
    LEDGER,
    PARTY,
    PREFERENCE,
    PROVENANCE,
    RECTIFICATION,
    Table,
)
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.customer_changes import find_customer_changes, split_customers, store_customer_digests
from cdp_pipelines.services.declarations import load_all_contracts

if TYPE_CHECKING:
    from datetime import date, datetime

    from cdp_pipelines.golden.policy import SurvivorshipPolicy
    from cdp_pipelines.schema import CustomerRows, ProvenanceRows
    from warehouse.delta.lake import Lake

# Table to the tables that it is built from.
SOURCES = {
    PROVENANCE: (PARTY, PREFERENCE, CROSSWALK, CONSENT_EVENT, LEDGER, RECTIFICATION),
    CUSTOMER: (PROVENANCE, PARTY, CROSSWALK),
    CONTACT_POINT: (PROVENANCE, CUSTOMER, LEDGER, RECTIFICATION, PARTY, INTERACTION, CROSSWALK, DECISION),
    HOUSEHOLD: (CUSTOMER, PROVENANCE, HISTORY),
    CONFLICT: (PROVENANCE,),
}


def update_golden_record(lake: Lake, policy: SurvivorshipPolicy, night: date, as_of: datetime) -> WriteReport:
    """Bring all tables of the golden record to a night.

    The values of customers for whom nothing has changed that they rest on are not computed again.
    """
    crosswalk, ledger = lake.scan(CROSSWALK), lake.scan(LEDGER)
    golden_input = GoldenInput(
        party=lake.scan(PARTY),
        preference=lake.scan(PREFERENCE),
        crosswalk=crosswalk,
        consent_event=lake.scan(CONSENT_EVENT),
        states=contact_point.build_contact_point_states(ledger, policy.verified_by, as_of).collect().lazy(),
        rectified=rectification.select_current(lake.scan(RECTIFICATION), crosswalk, policy.group_of),
    )
    digests = golden_input.digest()
    changes = find_customer_changes(lake, (PROVENANCE, CUSTOMER), digests, as_of)
    changed = digests["customer_id"] if changes.ids is None else changes.ids
    buckets = [_build_profiles(golden_input.select(bucket), policy) for bucket in split_customers(changed)]
    values, customers = (pl.concat(frames) for frames in zip(*buckets, strict=True))
    provenance = changes.complete(lake, PROVENANCE, values).collect()
    others = _build_others(
        lake, golden_input, provenance, changes.complete(lake, CUSTOMER, customers).collect(), policy, as_of
    )
    disagreements = {"customers whose records disagree": _count_disagreements(provenance)}
    metadata: dict[Table, dict[str, object]] = {CONTACT_POINT: {"states": _count_states(others[CONTACT_POINT])}}
    report = check_and_write(
        lake,
        night,
        changes.stage(lake, PROVENANCE, values, disagreements),
        changes.stage(lake, CUSTOMER, customers, {}),
        *(
            StagedWrite(table, rows, partial(lake.replace, table, rows), metadata.get(table, {}))
            for table, rows in others.items()
        ),
    )
    store_customer_digests(lake, (PROVENANCE, CUSTOMER), digests, as_of)
    return report


def _build_profiles(golden_input: GoldenInput, policy: SurvivorshipPolicy) -> tuple[ProvenanceRows, CustomerRows]:
    purposes = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    values = survivorship.build_provenance(golden_input, purposes, policy).collect()
    return values, build_customer(values.lazy(), golden_input.party, golden_input.crosswalk).collect()


def _build_others(
    lake: Lake,
    golden_input: GoldenInput,
    provenance: ProvenanceRows,
    customers: CustomerRows,
    policy: SurvivorshipPolicy,
    as_of: datetime,
) -> dict[Table, pl.DataFrame]:
    """The tables that compare customers, or rest on their decisions: out of the values of all."""
    last_use = contact_point.find_last_use(golden_input.party, lake.scan(INTERACTION), golden_input.crosswalk, as_of)
    points = contact_point.build_contact_points(
        provenance.lazy(),
        customers.lazy(),
        golden_input.states,
        golden_input.rectified,
        last_use,
        current(lake.scan(DECISION)),
    )
    return {
        CONTACT_POINT: points.collect(),
        HOUSEHOLD: build_households(customers, provenance.lazy(), lake.scan(HISTORY), policy.household_max),
        CONFLICT: count_conflicts(provenance.lazy()).collect(),
    }


def _count_disagreements(provenance: pl.DataFrame) -> dict[str, str]:
    """Attribute to the customers whose records have several values of it, of those who have any."""
    several = provenance.group_by("customer_id", "attribute").agg(pl.col("value").n_unique() > 1)
    counted = several.group_by("attribute").agg(pl.len(), pl.col("value").sum()).sort("attribute")
    return {attribute: f"{count:,} of {total:,}" for attribute, total, count in counted.iter_rows()}


def _count_states(points: pl.DataFrame) -> dict[str, int]:
    """Kind and state to their number of contact points."""
    counted = points.group_by("kind", "state").len().sort("kind", "state")
    return {f"{kind} {state}": count for kind, state, count in counted.iter_rows()}
