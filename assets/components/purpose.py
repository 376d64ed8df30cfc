"""A purpose: `mart/<purpose>`, the people whom it may process times the columns that it declares."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.components.policy import PolicyComponent
from assets.lake import Gated, LakeResource, lake_assets, publish, spec
from assets.policies import contracts, purpose_file
from cdp_pipelines.consent import purpose as policies
from cdp_pipelines.consent import standing
from cdp_pipelines.consent.reach import pictured, waterfall
from cdp_pipelines.golden.aggregate import PEOPLE
from cdp_pipelines.golden.mart import mart_table, permitted, permitted_table, protected, quasi_identifiers
from cdp_pipelines.golden.measures import measures, window
from cdp_pipelines.lineage import minimised, origins_told
from cdp_pipelines.tables import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE
from warehouse.keys import mart_key
from warehouse.shape import shaped


class Purpose(PolicyComponent[policies.Purpose]):
    """One purpose of the register, and the mart that serves it."""

    @classmethod
    def get_model_cls(cls) -> type[policies.Purpose]:
        """The purpose is the schema of the attributes."""
        return policies.Purpose

    @classmethod
    def load(cls, attributes: policies.Purpose | None, context: dg.ComponentLoadContext) -> "Purpose":  # noqa: ARG003
        """The purpose as its folder declares it, knowing its key and the SQL beside it."""
        return cls(policies.load_purpose(context.path.name, context.path / "defs.yaml"))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The mart of the purpose; none where nobody is served by it."""
        purpose = self.policy
        if not purpose.columns:
            return dg.Definitions()
        table = mart_table(purpose)
        if purpose.shape:
            # A query that does not fit its declaration is told when the definitions load, not in the night.
            shaped(purpose, permitted_table(purpose).empty())
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
                    mart_kind=purpose.mart_kind,
                )
            ],
        )
        def build(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
            # The register was tested when it was loaded; what is built is this component's own purpose.
            minimised(purpose, contracts(), purpose_file(purpose.key))
            store, as_of = lake.open, lake.as_of(context)
            decision, provenance, customer, interaction, crosswalk = (store.scan(each) for each in reads)
            done = measures(interaction, crosswalk, channels, window(purpose.retention, as_of), as_of)
            taken = permitted(
                purpose, decision, provenance, customer, done, mart_key(store.path, purpose.key)
            ).collect()
            given = shaped(purpose, taken) if purpose.shape else taken
            rows = protected(purpose, given, taken)
            steps = dg.MetadataValue.md(pictured(waterfall(standing(decision), purpose.key)))
            told = {"reach": steps, "derives from": dg.MetadataValue.md(origins), **hidden(purpose, given, rows)}
            yield from publish(store, lake.night(context), Gated(table, rows, lambda: store.replace(table, rows), told))

        return dg.Definitions(assets=[build])


def hidden(purpose: policies.Purpose, given: pl.DataFrame, rows: pl.DataFrame) -> dict[str, object]:
    """How much of a mart is not told, lest people be singled out: values by column, or cells; counts alone."""
    if purpose.mart_kind == "aggregate":
        return {"cells": rows.height, "cells suppressed": rows[PEOPLE].null_count()}
    if purpose.mart_kind == "identified":
        return {}
    lost = {name: rows[name].null_count() - given[name].null_count() for name in quasi_identifiers(purpose)}
    return {"values suppressed": dg.MetadataValue.json(lost)}
