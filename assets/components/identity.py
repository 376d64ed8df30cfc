"""Identity resolution: `identity/link`, `cluster`, `history` and `group`, by the declared rules.

A night resolves its changes and the records that they affect; `identity/record_state`, `model` and `frequency` are the
state that it leaves to the next one. `identity/review` holds the decisions of clerks (`cdp link review`).
"""

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource, build_spec, lake_assets
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
            specs=[
                build_spec(LINK, deps=[PARTY.name, REVIEW.name], owner="team:data"),
                build_spec(HISTORY, deps=[LINK.name, PARTY.name], owner="team:data"),
                build_spec(CLUSTER, deps=[HISTORY.name, LINK.name, PARTY.name], owner="team:data"),
                build_spec(GROUP, deps=[LINK.name, CLUSTER.name], owner="team:data"),
                build_spec(RECORD_STATE, deps=[PARTY.name, REVIEW.name], owner="team:data"),
                build_spec(FREQUENCY, deps=[PARTY.name], owner="team:data"),
                build_spec(MODEL, deps=[PARTY.name, REVIEW.name, FREQUENCY.name], owner="team:data"),
            ],
        )
        def resolve_identities(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
            night, as_of = lake.night(context), lake.as_of(context)
            return update_identity(lake.open, self.policy, night, as_of, write_identity_page)

        return dg.Definitions(assets=[resolve_identities, build_spec(REVIEW, deps=[], owner="team:data")])
