"""The golden record: `golden/*`, by declared survivorship.

`golden/rectification` is what data subjects and clerks put right (`cdp rectify`); it is no night's to make.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, lake_assets
from cdp_pipelines.golden import contact_point, rectification, survivorship
from cdp_pipelines.golden.conflict import count_conflicts
from cdp_pipelines.golden.customer import build_customer
from cdp_pipelines.golden.household import build_households
from cdp_pipelines.golden.policy import SurvivorshipPolicy
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
from cdp_pipelines.services.declarations import load_all_contracts
from warehouse.delta.lake import Lake

READS = {
    PROVENANCE: (PARTY, PREFERENCE, CROSSWALK, CONSENT_EVENT, LEDGER, RECTIFICATION),
    CUSTOMER: (PROVENANCE, PARTY, CROSSWALK),
    CONTACT_POINT: (PROVENANCE, CUSTOMER, LEDGER, RECTIFICATION, PARTY, INTERACTION, CROSSWALK, DECISION),
    HOUSEHOLD: (CUSTOMER, PROVENANCE, HISTORY),
    CONFLICT: (PROVENANCE,),
}


class Survivorship(PolicyComponent[SurvivorshipPolicy]):
    """Which value of a customer's records survives."""

    @classmethod
    def get_model_cls(cls) -> type[SurvivorshipPolicy]:
        """The policy is the schema of the attributes."""
        return SurvivorshipPolicy

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """All tables from one asset: they are views of one ranking."""
        specs = [
            build_spec(table, deps=[each.name for each in reads], owner="team:data") for table, reads in READS.items()
        ]

        @lake_assets(name="golden_record", specs=specs)
        def golden_record(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            store = lake.open
            found = _golden(store, self.policy, lake.as_of(context))
            told = {PROVENANCE: _disagreements(found[PROVENANCE]), CONTACT_POINT: _states(found[CONTACT_POINT])}
            yield from check_and_write(
                store,
                lake.night(context),
                *(
                    StagedWrite(
                        table, rows, lambda table=table, rows=rows: store.replace(table, rows), told.get(table, {})
                    )
                    for table, rows in found.items()
                ),
            )

        return dg.Definitions(assets=[golden_record, build_spec(RECTIFICATION, deps=[], owner="team:data")])


def _golden(store: Lake, policy: SurvivorshipPolicy, as_of: datetime) -> dict[Table, pl.DataFrame]:
    """Every table of the golden record as of a night."""
    party, preference, crosswalk, consent_event, ledger, decision = (
        store.scan(table) for table in (PARTY, PREFERENCE, CROSSWALK, CONSENT_EVENT, LEDGER, DECISION)
    )
    purposes = {key: contract.collected_for for key, contract in load_all_contracts().items()}
    rectified = rectification.select_current(store.scan(RECTIFICATION), crosswalk, policy.group_of)
    states = contact_point.build_contact_point_states(ledger, policy.verified_by, as_of)
    candidates = survivorship.build_provenance(
        party, preference, crosswalk, consent_event, states, rectified, purposes, policy
    ).collect()
    customers = build_customer(candidates.lazy(), party, crosswalk).collect()
    used = contact_point.find_last_use(party, store.scan(INTERACTION), crosswalk, as_of)
    points = contact_point.build_contact_points(
        candidates.lazy(), customers.lazy(), states, rectified, used, current(decision)
    )
    return {
        PROVENANCE: candidates,
        CUSTOMER: customers,
        CONTACT_POINT: points.collect(),
        HOUSEHOLD: build_households(customers, candidates.lazy(), store.scan(HISTORY), policy.household_max),
        CONFLICT: count_conflicts(candidates.lazy()).collect(),
    }


def _disagreements(candidates: pl.DataFrame) -> dict[str, object]:
    """Per attribute, the customers whose records disagree."""
    several = candidates.group_by("customer_id", "attribute").agg(pl.col("value").n_unique() > 1)
    counted = several.group_by("attribute").agg(pl.len(), pl.col("value").sum()).sort("attribute")
    return {
        "customers whose records disagree": dg.MetadataValue.md(
            "\n".join(f"- {attribute}: {differ:,} of {n:,}" for attribute, n, differ in counted.iter_rows())
        )
    }


def _states(points: pl.DataFrame) -> dict[str, object]:
    """How many contact points of each kind are in each state."""
    counted = points.group_by("kind", "state").len().sort("kind", "state")
    return {
        "states": dg.MetadataValue.md("\n".join(f"- {kind} {state}: {n:,}" for kind, state, n in counted.iter_rows()))
    }
