"""The golden record: `golden/*`, by declared survivorship.

`golden/rectification` has the corrections of data subjects and clerks (`cdp rectify`); no night builds it.
"""

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.golden.policy import SurvivorshipPolicy
from cdp_pipelines.schema import RECTIFICATION
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.golden_record import SOURCES, update_golden_record


class Survivorship(PolicyComponent[SurvivorshipPolicy]):
    """The rules by which values of a customer's records survive."""

    @classmethod
    def get_model_cls(cls) -> type[SurvivorshipPolicy]:
        """The policy is the schema of the attributes."""
        return SurvivorshipPolicy

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """All tables from one asset: they are views of one ranking."""

        @lake_assets(
            name="golden_record",
            specs=[build_spec(table, deps=sources) for table, sources in SOURCES.items()],
            is_recalled=True,
        )
        def golden_record(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
            return update_golden_record(lake.open, self.policy, lake.night(context), lake.as_of(context))

        return dg.Definitions(assets=[golden_record, build_spec(RECTIFICATION, deps=[])])
