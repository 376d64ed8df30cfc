"""Identity resolution: `identity/link`, `cluster`, `history` and `group`, by the declared rules.

`identity/seen` and `compared` are what a night leaves to the next, lest it compare everything anew.
`identity/review` is what clerks decided (`cdp link review`); it is no night's to make.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.components.policy import PolicyComponent
from assets.identity_report import draw
from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import linking_channels
from assets.resolved import resolved
from cdp_pipelines.identity import IdentityPolicy
from cdp_pipelines.identity.groups import groups
from cdp_pipelines.identity.stable import keep_ids
from cdp_pipelines.tables import CLUSTER, COMPARED, GROUP, HISTORY, LINK, PARTY, REVIEW, SEEN


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
                spec(COMPARED, deps=[SEEN.name], owner="team:data"),
            ],
        )
        def resolve_identities(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            store = lake.open
            found = resolved(store, self.policy)
            page = draw(store.path, found, self.policy, str(lake.night(context)))
            cluster, history = keep_ids(
                found.cluster, store.read(CLUSTER), store.read(HISTORY), found.link, lake.as_of(context)
            )
            tonight = history.filter(pl.col("happened_at") == lake.as_of(context))["event"].value_counts().sort("event")
            report = {"page": dg.MetadataValue.path(str(page))} | {
                f"identity {name}": dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
                for name, value in found.report.items()
            }
            group = groups(found.link, cluster, history, linking_channels())
            yield from publish(
                store,
                lake.night(context),
                Gated(LINK, found.link, lambda: store.replace(LINK, found.link), report),
                # Told before it is so: a run cut short in between tells it again, and only once.
                Gated(HISTORY, history, lambda: store.replace(HISTORY, history), dict(tonight.iter_rows())),
                Gated(
                    CLUSTER,
                    cluster,
                    lambda: store.replace(CLUSTER, cluster),
                    {"customers": cluster["customer_id"].n_unique()},
                ),
                Gated(GROUP, group, lambda: store.replace(GROUP, group)),
                Gated(SEEN, found.memory.seen, lambda: store.replace(SEEN, found.memory.seen)),
                Gated(COMPARED, found.memory.compared, lambda: store.replace(COMPARED, found.memory.compared)),
            )

        return dg.Definitions(assets=[resolve_identities, spec(REVIEW, deps=[], owner="team:data")])
