"""The record of a night: the nights of the lake, and the version of every table.

audit/run, audit/version and the removal of old table versions belong here; the content of other tables does not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import FILE, RUN, UTC, VERSION
from cdp_pipelines.schema.duration import add_duration
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_retention
from cdp_pipelines.services.file_accounting import drop_replaced

if TYPE_CHECKING:
    from datetime import date, datetime

    from warehouse.delta.lake import Lake


def record_night(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Remove old versions of tables, then record every night of the lake, from its files alone.

    Nights run one by one give the same rows as all nights at once. An instant within a night is recorded by its run.
    """
    removed_count = remove_old_versions(lake, as_of)
    rows = _list_runs(lake, night, as_of)
    metadata = {"files of older versions removed": removed_count}
    return check_and_write(lake, night, StagedWrite(RUN, rows, lambda: lake.replace(RUN, rows), metadata))


def remove_old_versions(lake: Lake, as_of: datetime) -> int:
    """Remove every data file that only older versions of tables read; the number of files."""
    older = list_older_versions(lake, as_of)
    return sum(lake.forget_versions(name, older.get(name, ())) for name in lake.tables())


def list_older_versions(lake: Lake, as_of: datetime) -> dict[str, list[int]]:
    """The versions that stay besides the newest, by full name of the table.

    A mart's versions stay for the hold, because audits compare with the rows of a mart in a night; other tables keep
    their newest version alone.
    """
    in_hold = add_duration(pl.col("as_of"), load_retention().hold) > as_of
    of_marts = lake.scan(VERSION).filter(in_hold, pl.col("table_name").str.starts_with("mart/")).collect()
    return dict(of_marts.group_by("table_name").agg(pl.col("delta_version").unique()).iter_rows())


def record_versions(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Record every table's version, rows and code after the night; a night that runs twice has the rows of the last."""
    states = lake.list_versions().filter(pl.col("table_name") != VERSION.name)
    tonight = states.with_columns(pl.lit(night).alias("night"), pl.lit(as_of, UTC).alias("as_of"))
    earlier = lake.read(VERSION).filter(pl.col("night") < night)
    rows = pl.concat([earlier, VERSION.conform(tonight.lazy()).collect()])
    metadata = {"tables by code version": dict(states["code_version"].value_counts().iter_rows())}
    return check_and_write(lake, night, StagedWrite(VERSION, rows, lambda: lake.replace(VERSION, rows), metadata))


def _list_runs(lake: Lake, night: date, as_of: datetime) -> pl.DataFrame:
    files, recorded = drop_replaced(lake.read(FILE)), lake.read(RUN)
    end = pl.col("night").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + timedelta(days=1)
    delivered = files.select(pl.col("drop_date").alias("night")).drop_nulls()
    nights = pl.concat([recorded.select("night"), delivered]).unique().with_columns(as_of=end)
    tonight = pl.DataFrame({"night": [night], "as_of": [as_of]}, schema_overrides={"as_of": UTC})
    counted = files.group_by(pl.col("drop_date").alias("night")).agg(
        pl.len().alias("file_count"), pl.col("received_count").sum()
    )
    counted_now = (
        # A night that goes on has no end yet.
        pl.concat([nights.filter(pl.col("as_of") < as_of), tonight])
        .join(counted, on="night", how="left")
        .with_columns(pl.col("file_count", "received_count").fill_null(0))
    )
    within = recorded.filter(pl.col("as_of") != end, pl.col("as_of") != as_of)
    return pl.concat([within, RUN.conform(counted_now.lazy()).collect()])
