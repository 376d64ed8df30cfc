"""A channel: `raw/<channel>` and `quarantine/<channel>`, from the files that it delivers."""

import dagster as dg

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource
from assets.runtime.lake_assets import lake_assets
from assets.runtime.specs import asset_key, build_spec
from cdp_pipelines.channels.contract import ChannelContract
from cdp_pipelines.services.checked_write import WriteReport
from cdp_pipelines.services.ingestion import COMPLETE, ingest_files


class Channel(PolicyComponent[ChannelContract]):
    """One channel, declared by its contract."""

    @classmethod
    def get_model_cls(cls) -> type[ChannelContract]:
        """The contract is the schema of the attributes."""
        return ChannelContract

    @classmethod
    def named(cls, policy: ChannelContract, key: str) -> ChannelContract:
        """The contract with the name of its channel."""
        return policy.model_copy(update={"name": key})

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One asset for accepted and refused rows: both come from the same files."""
        contract = self.policy
        labels = {"format": contract.format, "records": contract.records}
        tables = (contract.raw, contract.quarantine)
        specs = [build_spec(table, deps=[], owner=contract.owner, **labels) for table in tables]

        complete = dg.AssetCheckSpec(
            COMPLETE,
            asset=asset_key(contract.raw.name),
            description="No file waits because it may be half-written (warning)",
        )

        @lake_assets(specs, [complete] if contract.complete_when else [], f"ingest_{contract.name}")
        def ingest(context: dg.AssetExecutionContext, lake: LakeResource) -> WriteReport:
            report = ingest_files(lake.open, lake.first_look, contract, lake.night(context))
            for warning in report.writes[0].metadata["warnings"]:
                context.log.warning(warning)
            return report

        return dg.Definitions(assets=[ingest])
