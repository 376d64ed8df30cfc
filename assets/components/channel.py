"""A channel: `raw/<channel>` and `quarantine/<channel>`, out of the files that it delivers."""

from collections.abc import Iterator

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.ingestion import load_staged, stage_files
from assets.runtime.lake import LakeResource, build_spec, lake_assets
from cdp_pipelines.channels.contract import ChannelContract


class Channel(PolicyComponent[ChannelContract]):
    """One channel, declared by its contract."""

    @classmethod
    def get_model_cls(cls) -> type[ChannelContract]:
        """The contract is the schema of the attributes."""
        return ChannelContract

    @classmethod
    def named(cls, policy: ChannelContract, key: str) -> ChannelContract:
        """The contract, knowing its channel."""
        return policy.model_copy(update={"name": key})

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One asset for the raw rows and one for the refused ones, made together."""
        contract = self.policy
        tables = (contract.raw, contract.quarantine)
        formats = {"format": contract.format, "records": contract.records}

        @lake_assets(
            name=f"ingest_{contract.name}",
            specs=[build_spec(table, deps=[], owner=contract.owner, **formats) for table in tables],
        )
        def ingest(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            night = lake.night(context)
            staged = stage_files(lake.open, lake.drop_folder, contract, night)
            for warning in staged.warnings:
                context.log.warning(warning)
            yield from load_staged(lake.open, contract, staged, night)

        return dg.Definitions(assets=[ingest])
