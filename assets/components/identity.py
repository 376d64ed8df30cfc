"""Identity resolution: `identity/link`, `cluster`, `history` and `group`, by the declared rules.

A night resolves what has changed and what that touches; `identity/record_state`, `model` and
`frequency` are what it leaves to the next for that. `identity/review` is what clerks decided (`cdp link review`).
"""

from collections.abc import Iterator

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.identity import update_identity
from assets.runtime.lake import LakeResource, build_spec, lake_assets
from cdp_pipelines.identity import IdentityPolicy
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, RECORD_STATE, REVIEW


class Identity(PolicyComponent[IdentityPolicy]):
    """How records are held to be one person."""

    @classmethod
    def get_model_cls(cls) -> type[IdentityPolicy]:
        """The policy is the schema of the attributes."""
        return IdentityPolicy

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Links and clusters from one asset: a cluster is what the links connect."""

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
        def resolve_identities(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            yield from update_identity(lake.open, self.policy, lake.night(context), lake.as_of(context))

        return dg.Definitions(assets=[resolve_identities, build_spec(REVIEW, deps=[], owner="team:data")])
