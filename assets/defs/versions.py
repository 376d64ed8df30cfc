"""`audit/version`: the last act of a night, which notes what it left."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.runtime.lake import LakeResource, StagedWrite, build_spec, check_and_write, lake_assets
from cdp_pipelines.schema import RECTIFICATION, REVIEW, TABLES, UTC, VERSION
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

# All that a night makes in the lake; what clerks say, it finds. What servers hold is no version of a table, and a step
# that waits for one that has no server to serve would be left out with it.
MADE = [
    *(name for name in TABLES if name not in {VERSION.name, REVIEW.name, RECTIFICATION.name}),
    *(table.name for each in load_all_contracts().values() for table in (each.raw, each.quarantine)),
    *(f"mart/{each.key}" for each in load_company_register().values() if each.columns),
    "serving/marts",
]


@lake_assets(specs=[build_spec(VERSION, deps=MADE, owner="team:privacy")])
def record_versions(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Note every table's version, rows and code; of the same night, what is the same is told the same."""
    store, night, as_of = lake.open, lake.night(context), lake.as_of(context)
    left = store.list_versions().filter(pl.col("table_name") != VERSION.name)
    tonight = left.with_columns(pl.lit(night).alias("night"), pl.lit(as_of, UTC).alias("as_of"))
    earlier = store.read(VERSION).filter(pl.col("night") < night)
    rows = pl.concat([earlier, VERSION.conform(tonight.lazy()).collect()])
    yield from check_and_write(
        store,
        night,
        StagedWrite(
            VERSION,
            rows,
            lambda: store.replace(VERSION, rows),
            {"code that wrote them": dg.MetadataValue.json(dict(left["code_version"].value_counts().iter_rows()))},
        ),
    )
