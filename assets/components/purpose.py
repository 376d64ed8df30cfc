"""A purpose: `mart/<purpose>`, the people whom it may process times the columns that it declares."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.components.policy import PolicyComponent
from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, lake_assets
from cdp_pipelines import purposes as policies
from cdp_pipelines.consent.audience_funnel import build_funnel, draw_funnel
from cdp_pipelines.lineage import check_minimised, describe_origins
from cdp_pipelines.marts.aggregate import PEOPLE
from cdp_pipelines.marts.mart import (
    build_mart_table,
    build_permitted,
    build_permitted_table,
    protect,
    quasi_identifiers,
)
from cdp_pipelines.marts.measures import compute_measures
from cdp_pipelines.schema import CROSSWALK, CUSTOMER, DECISION, INTERACTION, PROVENANCE
from cdp_pipelines.schema.duration import start_of_window
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_all_contracts, purpose_file
from warehouse.keys import mart_key
from warehouse.mart_sql import run_mart_sql


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
        table = build_mart_table(purpose)
        if purpose.shape:
            # A query that does not fit its declaration is told when the definitions load, not in the night.
            run_mart_sql(purpose, build_permitted_table(purpose).empty())
        reads = (DECISION, PROVENANCE, CUSTOMER, INTERACTION, CROSSWALK)
        # No purpose reads data collected for another.
        channels = [key for key, contract in load_all_contracts().items() if purpose.key in contract.collected_for]

        origins = "\n".join(f"- {line}" for line in describe_origins(purpose, load_all_contracts()))

        @lake_assets(
            name=f"build_{purpose.key}",
            specs=[
                build_spec(
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
            check_minimised(purpose, load_all_contracts(), purpose_file(purpose.key))
            store, as_of = lake.open, lake.as_of(context)
            decision, provenance, customer, interaction, crosswalk = (store.scan(each) for each in reads)
            done = compute_measures(interaction, crosswalk, channels, start_of_window(purpose.retention, as_of), as_of)
            taken = build_permitted(
                purpose, decision, provenance, customer, done, mart_key(store.path, purpose.key)
            ).collect()
            given = run_mart_sql(purpose, taken) if purpose.shape else taken
            rows = protect(purpose, given, taken)
            steps = dg.MetadataValue.md(draw_funnel(build_funnel(current(decision), purpose.key)))
            told = {
                "reach": steps,
                "derives from": dg.MetadataValue.md(origins),
                **count_suppressed(purpose, given, rows),
            }
            yield from check_and_write(
                store, lake.night(context), StagedWrite(table, rows, lambda: store.replace(table, rows), told)
            )

        return dg.Definitions(assets=[build])


def count_suppressed(purpose: policies.Purpose, given: pl.DataFrame, rows: pl.DataFrame) -> dict[str, object]:
    """How much of a mart is not told, lest people be singled out: values by column, or cells; counts alone."""
    if purpose.mart_kind == "aggregate":
        return {"cells": rows.height, "cells suppressed": rows[PEOPLE].null_count()}
    if purpose.mart_kind == "identified":
        return {}
    lost = {name: rows[name].null_count() - given[name].null_count() for name in quasi_identifiers(purpose)}
    return {"values suppressed": dg.MetadataValue.json(lost)}
