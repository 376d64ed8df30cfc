"""Identity resolution: `identity/link`, `cluster`, `history` and `group`, by the declared rules.

A night resolves its changes and the records that they affect; `identity/record_state`, `model` and `frequency` are the
state that it leaves to the next one. `identity/review` holds the decisions of clerks (`cdp link review`).
"""

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import build_spec
from cdp_pipelines.identity import IdentityPolicy
from cdp_pipelines.reports.identity import write_identity_page
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, RECORD_STATE, REVIEW
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.identity_resolution import update_identity


class Identity(PolicyComponent[IdentityPolicy]):
    """Which records are one person."""

    @classmethod
    def get_model_cls(cls) -> type[IdentityPolicy]:
        """The policy is the schema of the attributes."""
        return IdentityPolicy

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Links and clusters come from one asset: a cluster is what the links connect."""

        @lake_assets(
            name="resolve_identities",
            is_recalled=True,
            specs=[
                build_spec(LINK, deps=[PARTY, REVIEW]),
                build_spec(HISTORY, deps=[LINK, PARTY]),
                build_spec(CLUSTER, deps=[HISTORY, LINK, PARTY]),
                build_spec(GROUP, deps=[LINK, CLUSTER]),
                build_spec(RECORD_STATE, deps=[PARTY, REVIEW]),
                build_spec(FREQUENCY, deps=[PARTY]),
                build_spec(MODEL, deps=[PARTY, REVIEW, FREQUENCY]),
            ],
        )
        def resolve_identities(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
            night, as_of = lake.night(context), lake.as_of(context)
            return update_identity(lake.open, self.policy, night, as_of, write_identity_page)

        return dg.Definitions(assets=[resolve_identities, build_spec(REVIEW, deps=[])])
