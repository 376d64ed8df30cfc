"""`audit/file`: every file is accounted for, those that no channel claims included."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.runtime.lake import LakeResource, StagedWrite, asset_key, build_spec, check_and_write, end_of, lake_assets
from cdp_pipelines.channels.records import matches_channel
from cdp_pipelines.retention import count_removed_rows
from cdp_pipelines.schema import FILE, RETENTION
from cdp_pipelines.services.declarations import load_all_contracts
from warehouse.sources.drop_folder import list_drop_files

RECONCILED = "received_is_held_plus_left"


@lake_assets(
    specs=[
        build_spec(
            FILE,
            deps=[
                RETENTION.name,
                *(table.name for each in load_all_contracts().values() for table in (each.raw, each.quarantine)),
            ],
            owner="team:data",
        )
    ],
    checks=[
        dg.AssetCheckSpec(
            RECONCILED,
            asset=asset_key(FILE.name),
            blocking=True,
            description="Per file, the rows found in it are those that raw and quarantine hold, and those that left",
        ),
    ],
)
def account_for_files(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Add the files that no channel claims, and count every file's rows again where they lie."""
    store, night = lake.open, lake.night(context)
    known = store.read(FILE)
    unclaimed = _unclaimed(lake, night, set(known.filter(pl.col("channel") == "")["file_sha256"]))
    for file, detail in unclaimed.select("file", "detail").iter_rows():
        context.log.warning("%s: %s", file, detail)
    held = (
        pl.concat(
            [
                store.scan(table)
                .group_by("file_sha256")
                .agg(pl.len().cast(pl.Int64).alias("stored_count"))
                .with_columns(pl.lit(each.name).alias("channel"))
                for each in load_all_contracts().values()
                for table in (each.raw, each.quarantine)
            ]
            + [
                count_removed_rows(store.scan(RETENTION), [each.raw.name, each.quarantine.name]).select(
                    "file_sha256", pl.col("removed_count").alias("stored_count"), pl.lit(each.name).alias("channel")
                )
                for each in load_all_contracts().values()
            ]
        )
        .group_by("channel", "file_sha256")
        .agg(pl.col("stored_count").sum())
    )
    compared = (
        known.lazy()
        .join(held, on=["channel", "file_sha256"], how="full", coalesce=True)
        .filter(pl.col("channel") != "", pl.col("received_count").fill_null(-1) != pl.col("stored_count").fill_null(0))
        .collect()
    )
    yield dg.AssetCheckResult(
        asset_key=asset_key(FILE.name),
        check_name=RECONCILED,
        passed=compared.is_empty(),
        metadata={
            "files": known.height,
            "rows received": int(known["received_count"].sum()),
            "files that differ": compared.height,
        },
    )
    if not compared.is_empty():
        raise dg.Failure(f"{compared.height} files hold other rows than were received", allow_retries=False)
    outcomes = known.group_by("outcome").len().sort("outcome")
    yield from check_and_write(
        store,
        night,
        StagedWrite(
            FILE,
            pl.concat([known, unclaimed]),
            lambda: store.append(FILE, unclaimed),
            {"outcomes": dg.MetadataValue.md("\n".join(f"- {outcome}: {n}" for outcome, n in outcomes.iter_rows()))},
        ),
    )


def _unclaimed(lake: LakeResource, night: object, known: set[str]) -> pl.DataFrame:
    rows = []
    for file in list_drop_files(lake.drop_folder, night):
        is_dated = file.drop_date is not None
        if is_dated and any(matches_channel(each, file.name) for each in load_all_contracts().values()):
            continue
        data, sha256 = file.read()
        if sha256 in known:
            continue
        known.add(sha256)
        rows.append(
            {
                "channel": "",
                "drop_date": file.drop_date,
                "file": file.name if is_dated else f"{file.path.parent.name}/{file.name}",
                "file_sha256": sha256,
                "byte_count": len(data),
                "received_count": 0,
                "raw_count": 0,
                "quarantined_count": 0,
                "duplicate_count": 0,
                "outcome": "no_channel",
                "ingested_at": end_of(file.drop_date) if file.drop_date else None,
                "detail": "no channel claims a file of this name" if is_dated else "the folder is not named by a date",
            }
        )
    return pl.DataFrame(rows, schema=FILE.schema)
