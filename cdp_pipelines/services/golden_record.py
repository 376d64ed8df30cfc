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
from cdp_pipelines.services.declarations import load_all_contracts

if TYPE_CHECKING:
    from datetime import date, datetime

    from cdp_pipelines.golden.policy import SurvivorshipPolicy
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
    """Build all tables of the golden record anew."""
    tables = build_golden_record(lake, policy, as_of)
    metadata: dict[Table, dict[str, object]] = {
        PROVENANCE: {"customers whose records disagree": _count_disagreements(tables[PROVENANCE])},
        CONTACT_POINT: {"states": _count_states(tables[CONTACT_POINT])},
    }
    return check_and_write(
        lake,
        night,
        *(
            StagedWrite(table, rows, partial(lake.replace, table, rows), metadata.get(table, {}))
            for table, rows in tables.items()
        ),
    )


def build_golden_record(lake: Lake, policy: SurvivorshipPolicy, as_of: datetime) -> dict[Table, pl.DataFrame]:
    """Every table of the golden record as of a night."""
    party, preference, crosswalk, consent_event, ledger, decision = (
        lake.scan(table) for table in (PARTY, PREFERENCE, CROSSWALK, CONSENT_EVENT, LEDGER, DECISION)
    )
    purposes = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    rectified = rectification.select_current(lake.scan(RECTIFICATION), crosswalk, policy.group_of)
    states = contact_point.build_contact_point_states(ledger, policy.verified_by, as_of)
    provenance = survivorship.build_provenance(
        party, preference, crosswalk, consent_event, states, rectified, purposes, policy
    ).collect()
    customers = build_customer(provenance.lazy(), party, crosswalk).collect()
    last_use = contact_point.find_last_use(party, lake.scan(INTERACTION), crosswalk, as_of)
    points = contact_point.build_contact_points(
        provenance.lazy(), customers.lazy(), states, rectified, last_use, current(decision)
    )
    return {
        PROVENANCE: provenance,
        CUSTOMER: customers,
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
