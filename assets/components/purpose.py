"""A purpose: `mart/<purpose>`, the people whom it may process times the columns that it declares."""

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines import purposes as policies
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.mart_build import SOURCES, check_mart_sql, update_mart


class Purpose(PolicyComponent[policies.Purpose]):
    """One purpose of the register, and the mart that serves it."""

    @classmethod
    def get_model_cls(cls) -> type[policies.Purpose]:
        """The purpose is the schema of the attributes."""
        return policies.Purpose

    @classmethod
    def load(cls, attributes: policies.Purpose | None, context: dg.ComponentLoadContext) -> "Purpose":  # noqa: ARG003
        """The purpose as its folder declares it, with its key and the SQL beside it."""
        return cls(policies.load_purpose(context.path.name, context.path / "defs.yaml"))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The mart of the purpose; nothing for a purpose without columns."""
        purpose = self.policy
        if not purpose.columns:
            return dg.Definitions()
        check_mart_sql(purpose)
        labels = {"purpose": purpose.key, "lawful_basis": purpose.lawful_basis, "mart_kind": purpose.mart_kind}
        spec = build_spec(build_mart_table(purpose), deps=SOURCES, **labels)

        # No mart blocks another: one that fails is held back, and the others are published.
        @lake_assets(name=f"build_{purpose.key}", specs=[spec], is_blocking=False)
        def build(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
            return update_mart(lake.open, purpose, lake.night(context), lake.as_of(context))

        return dg.Definitions(assets=[build])
