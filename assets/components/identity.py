"""Identity resolution: `identity/link`, `cluster`, `history` and `group`, by the declared rules.

A night resolves what has changed and what that touches; `identity/seen`, `model` and `frequency` are what it leaves to
the next for that. `identity/review` is what clerks decided (`cdp link review`); it is no night's to make.
"""

from collections.abc import Iterator

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.lake import LakeResource, lake_assets, spec
from assets.resolved import bring
from cdp_pipelines.identity import IdentityPolicy
from cdp_pipelines.tables import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, REVIEW, SEEN


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
                spec(LINK, deps=[PARTY.name, REVIEW.name], owner="team:data"),
                spec(HISTORY, deps=[LINK.name, PARTY.name], owner="team:data"),
                spec(CLUSTER, deps=[HISTORY.name, LINK.name, PARTY.name], owner="team:data"),
                spec(GROUP, deps=[LINK.name, CLUSTER.name], owner="team:data"),
                spec(SEEN, deps=[PARTY.name, REVIEW.name], owner="team:data"),
                spec(FREQUENCY, deps=[PARTY.name], owner="team:data"),
                spec(MODEL, deps=[PARTY.name, REVIEW.name, FREQUENCY.name], owner="team:data"),
            ],
        )
        def resolve_identities(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            yield from bring(lake.open, self.policy, lake.night(context), lake.as_of(context))

        return dg.Definitions(assets=[resolve_identities, spec(REVIEW, deps=[], owner="team:data")])
