"""The golden record: `golden/customer` and `golden/provenance`, by declared survivorship."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.components.policy import PolicyComponent
from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts
from cdp_pipelines.golden import survivorship
from cdp_pipelines.tables import CONSENT_EVENT, CROSSWALK, CUSTOMER, PARTY, PREFERENCE, PROVENANCE

READS = (PARTY, PREFERENCE, CROSSWALK, CONSENT_EVENT)


class Survivorship(PolicyComponent[survivorship.Survivorship]):
    """Which value of a customer's records survives."""

    @classmethod
    def get_model_cls(cls) -> type[survivorship.Survivorship]:
        """The policy is the schema of the attributes."""
        return survivorship.Survivorship

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Both tables from one asset: the golden record is the provenance's first rank."""
        purposes = {key: contract.collected_for for key, contract in contracts().items()}

        @lake_assets(
            name="golden_record",
            specs=[
                spec(PROVENANCE, deps=[table.name for table in READS], owner="team:data"),
                spec(CUSTOMER, deps=[PROVENANCE.name, PARTY.name, CROSSWALK.name], owner="team:data"),
            ],
        )
        def golden_record(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            store = lake.open
            party, preference, crosswalk, consent_event = (store.scan(table) for table in READS)
            candidates = survivorship.provenance(
                party, preference, crosswalk, consent_event, purposes, self.policy
            ).collect()
            customers = survivorship.customer(candidates.lazy(), party, crosswalk).collect()
            yield from publish(
                store,
                lake.night(context),
                Gated(PROVENANCE, candidates, lambda: store.replace(PROVENANCE, candidates), _conflicts(candidates)),
                Gated(CUSTOMER, customers, lambda: store.replace(CUSTOMER, customers)),
            )

        return dg.Definitions(assets=[golden_record])


def _conflicts(candidates: pl.DataFrame) -> dict[str, object]:
    """Per attribute, the customers whose records disagree."""
    several = candidates.group_by("customer_id", "attribute").agg(pl.col("value").n_unique() > 1)
    counted = several.group_by("attribute").agg(pl.len(), pl.col("value").sum()).sort("attribute")
    return {
        "customers whose records disagree": dg.MetadataValue.md(
            "\n".join(f"- {attribute}: {differ:,} of {n:,}" for attribute, n, differ in counted.iter_rows())
        )
    }
