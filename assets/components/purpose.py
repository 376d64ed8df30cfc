"""A purpose: `mart/<purpose>`, the people whom it may process times the columns that it declares."""

from collections.abc import Iterator

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts, purpose_file
from cdp_pipelines.consent import purpose as policies
from cdp_pipelines.consent import standing
from cdp_pipelines.consent.reach import pictured, waterfall
from cdp_pipelines.golden.mart import mart, mart_table
from cdp_pipelines.golden.measures import measures, window
from cdp_pipelines.lineage import minimised, origins_told
from cdp_pipelines.tables import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE


class Purpose(PolicyComponent[policies.Purpose]):
    """One purpose of the register, and the mart that serves it."""

    @classmethod
    def get_model_cls(cls) -> type[policies.Purpose]:
        """The purpose is the schema of the attributes."""
        return policies.Purpose

    @classmethod
    def named(cls, policy: policies.Purpose, key: str) -> policies.Purpose:
        """The purpose, knowing its key."""
        return policy.model_copy(update={"key": key})

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The mart of the purpose; none where nobody is served by it."""
        purpose = self.policy
        if not purpose.columns:
            return dg.Definitions()
        table = mart_table(purpose)
        reads = (DECISION, PROVENANCE, CUSTOMER, INTERACTION, CROSSWALK)
        # No purpose reads data collected for another.
        channels = [key for key, contract in contracts().items() if purpose.key in contract.collected_for]

        origins = "\n".join(f"- {line}" for line in origins_told(purpose, contracts()))

        @lake_assets(
            name=f"build_{purpose.key}",
            specs=[
                spec(
                    table,
                    deps=[each.name for each in reads],
                    owner="team:privacy",
                    purpose=purpose.key,
                    lawful_basis=purpose.lawful_basis,
                )
            ],
        )
        def build(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            # The register was tested when it was loaded; what is built is this component's own purpose.
            minimised(purpose, contracts(), purpose_file(purpose.key))
            store, as_of = lake.open, lake.as_of(context)
            decision, provenance, customer, interaction, crosswalk = (store.scan(each) for each in reads)
            done = measures(interaction, crosswalk, channels, window(purpose.retention, as_of), as_of)
            rows = mart(purpose, decision, provenance, customer, done).collect()
            steps = dg.MetadataValue.md(pictured(waterfall(standing(decision), purpose.key)))
            yield from publish(
                store,
                lake.night(context),
                Gated(
                    table,
                    rows,
                    lambda: store.replace(table, rows),
                    {"reach": steps, "derives from": dg.MetadataValue.md(origins)},
                ),
            )

        return dg.Definitions(assets=[build])
