"""`audit/file`: every file is accounted for, those that no channel claims included."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Gated, LakeResource, asset_key, end_of, lake_assets, publish, spec
from assets.policies import contracts
from cdp_pipelines.channel.records import matches
from cdp_pipelines.retention import rows_left
from cdp_pipelines.tables import FILE, RETENTION
from warehouse.drops import drop_files

RECONCILED = "received_is_held_plus_left"


@lake_assets(
    specs=[
        spec(
            FILE,
            deps=[
                RETENTION.name,
                *(table.name for each in contracts().values() for table in (each.raw, each.quarantine)),
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
                .agg(pl.len().cast(pl.Int64).alias("n_held"))
                .with_columns(pl.lit(each.key_).alias("channel"))
                for each in contracts().values()
                for table in (each.raw, each.quarantine)
            ]
            + [
                rows_left(store.scan(RETENTION), [each.raw.name, each.quarantine.name]).select(
                    "file_sha256", pl.col("n_left").alias("n_held"), pl.lit(each.key_).alias("channel")
                )
                for each in contracts().values()
            ]
        )
        .group_by("channel", "file_sha256")
        .agg(pl.col("n_held").sum())
    )
    compared = (
        known.lazy()
        .join(held, on=["channel", "file_sha256"], how="full", coalesce=True)
        .filter(pl.col("channel") != "", pl.col("n_received").fill_null(-1) != pl.col("n_held").fill_null(0))
        .collect()
    )
    yield dg.AssetCheckResult(
        asset_key=asset_key(FILE.name),
        check_name=RECONCILED,
        passed=compared.is_empty(),
        metadata={
            "files": known.height,
            "rows received": int(known["n_received"].sum()),
            "files that differ": compared.height,
        },
    )
    if not compared.is_empty():
        raise dg.Failure(f"{compared.height} files hold other rows than were received", allow_retries=False)
    outcomes = known.group_by("outcome").len().sort("outcome")
    yield from publish(
        store,
        night,
        Gated(
            FILE,
            pl.concat([known, unclaimed]),
            lambda: store.append(FILE, unclaimed),
            {"outcomes": dg.MetadataValue.md("\n".join(f"- {outcome}: {n}" for outcome, n in outcomes.iter_rows()))},
        ),
    )


def _unclaimed(lake: LakeResource, night: object, known: set[str]) -> pl.DataFrame:
    rows = []
    for file in drop_files(lake.drop_folder, night):
        is_dated = file.drop_date is not None
        if is_dated and any(matches(each, file.name) for each in contracts().values()):
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
                "n_bytes": len(data),
                "n_received": 0,
                "n_raw": 0,
                "n_quarantined": 0,
                "n_duplicates": 0,
                "outcome": "no_channel",
                "ingested_at": end_of(file.drop_date) if file.drop_date else None,
                "detail": "no channel claims a file of this name" if is_dated else "the folder is not named by a date",
            }
        )
    return pl.DataFrame(rows, schema=FILE.schema)
