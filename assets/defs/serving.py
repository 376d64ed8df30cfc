"""`serving/*`: the marts for BI tools, in a DuckDB file and on a server; `audit/*`: what the night did to them."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import polars as pl
from dagster_duckdb import DuckDBResource

from assets.runtime.lake import (
    DROPS,
    RETRY_POLICY,
    LakeResource,
    StagedWrite,
    asset_key,
    build_spec,
    check_and_write,
    lake_assets,
    read_setting,
    redact_errors,
)
from cdp_pipelines.errors import ServerError
from cdp_pipelines.marts.correction import build_corrections, find_split_customers
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.marts.membership import update_membership
from cdp_pipelines.schema import (
    CORRECTION,
    DECISION,
    FILE,
    HISTORY,
    MEMBERSHIP,
    RECTIFICATION,
    REVIEW,
    RUN,
    TABLES,
    VERSION,
)
from cdp_pipelines.schema.duration import add_duration
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.decisions import decide_lake
from cdp_pipelines.services.declarations import load_company_register, load_retention
from cdp_pipelines.services.marts import find_people, resolve_customers, select_publishable
from warehouse.serving import mart_file as serving
from warehouse.serving import postgres

MARTS = {purpose.key: build_mart_table(purpose) for purpose in load_company_register().values() if purpose.columns}


@dg.asset(
    key=["serving", "marts"],
    # Who has received what is no more so is noted before it is replaced.
    deps=[asset_key(table.name) for table in (*MARTS.values(), CORRECTION)],
    description="The marts in one DuckDB file, a schema per purpose, swapped in whole: open it read-only.",
    group_name="serving",
    owners=["team:data"],
    kinds={"duckdb"},
    tags={"layer": "serving"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    check_specs=[
        dg.AssetCheckSpec(
            "rights",
            asset=["serving", "marts"],
            description="Every row of every mart is allowed by a decision made at publication, on the ledger as it is "
            "then; a row that is not stays unpublished",
        )
    ],
    code_version="1",
)
def marts(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Decide again for every row that is to be published; build the file anew where any mart changed."""
    store = lake.open
    location = serving.mart_file_path(store)
    decisions = decide_lake(store, lake.as_of(context)).lazy()
    rows = {key: store.read(table) for key, table in MARTS.items()}
    if undeclared := [key for key, table in MARTS.items() if rows[key].columns != list(table.schema)]:
        raise dg.Failure(
            f"{', '.join(undeclared)}: the columns are not those that the purpose declares. Nothing was published.",
            allow_retries=False,
        )
    frames = {
        key: select_publishable(store, load_company_register()[key], frame, decisions) for key, frame in rows.items()
    }
    withheld = {key: rows[key].height - frame.height for key, frame in frames.items()}
    is_changed = serving.read_publication(store) != serving.read_mart_states(store, MARTS, frames)
    if is_changed:
        with serving.replace_file(store) as draft, DuckDBResource(database=str(draft)).get_connection() as connection:
            serving.build_mart_file(connection, store, MARTS, frames)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(location)),
            "bytes": location.stat().st_size,
            "changed": is_changed,
            "rows": dg.MetadataValue.json({key: frame.height for key, frame in frames.items()}),
            "dagster/row_count": sum(frame.height for frame in frames.values()),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not any(withheld.values()),
                check_name="rights",
                severity=dg.AssetCheckSeverity.WARN,
                description=", ".join(f"{key}: {n} rows withheld" for key, n in withheld.items() if n) or None,
                metadata={"withheld": dg.MetadataValue.json(withheld)},
            )
        ],
    )


@dg.asset(
    key=["serving", "postgres"],
    deps=[dg.AssetKey(["serving", "marts"])],
    description=f"The published marts on the PostgreSQL server that {postgres.SERVER} names: a schema per purpose, "
    "readable by the role cdp_<purpose> alone, all changed in one transaction. Without a server, nothing.",
    group_name="serving",
    owners=["team:data"],
    kinds={"postgresql"},
    tags={"layer": "serving"},
    partitions_def=DROPS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRY_POLICY,
    output_required=False,
    code_version="1",
)
def served_by_postgres(lake: LakeResource) -> Iterator:
    """Make the server hold what the published file holds."""
    server = read_setting(postgres.SERVER, "")
    if not server:
        return
    with redact_errors():
        try:
            done = postgres.publish(server, lake.open)
        except ServerError as error:
            raise dg.Failure(
                f"{error}. Every mart there is whole, of tonight or of before.", allow_retries=error.is_passing
            ) from None
    yield dg.MaterializeResult(
        metadata={
            "database": done.database,
            "changed": ", ".join(done.changed) or "nothing",
            "rows": dg.MetadataValue.json(done.rows),
            "rows inserted": done.inserted_count,
            "rows deleted": done.deleted_count,
            "dagster/row_count": sum(done.rows.values()),
        }
    )


@lake_assets(
    specs=[
        build_spec(MEMBERSHIP, deps=[*(table.name for table in MARTS.values()), DECISION.name], owner="team:privacy"),
    ]
)
def record_membership(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Note who came into a mart tonight and who is gone, and why."""
    store, as_of = lake.open, lake.as_of(context)
    rows = {key: find_people(store, load_company_register()[key]) for key in MARTS}
    history = update_membership(store.read(MEMBERSHIP), rows, current(store.scan(DECISION)), as_of)
    moved = {
        "came tonight": history.filter(pl.col("valid_from") == as_of),
        "left tonight": history.filter(pl.col("valid_to") == as_of),
    }
    told = {
        name: dg.MetadataValue.md(
            "\n".join(f"- {key}: {n:,}" for key, n in each["purpose"].value_counts().sort("purpose").iter_rows())
        )
        for name, each in moved.items()
    }
    yield from check_and_write(
        store, lake.night(context), StagedWrite(MEMBERSHIP, history, lambda: store.replace(MEMBERSHIP, history), told)
    )


@lake_assets(
    specs=[build_spec(CORRECTION, deps=[*(table.name for table in MARTS.values()), HISTORY.name], owner="team:privacy")]
)
def record_correction(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Note what recipients have of customers who came apart, and what they are to have instead."""
    store, as_of = lake.open, lake.as_of(context)
    since = store.scan(RUN).filter(pl.col("as_of") < as_of).select(pl.col("as_of").max()).collect().item()
    split = find_split_customers(store.scan(HISTORY), since, as_of)
    found = CORRECTION.empty()
    if split.height and serving.read_publication(store):
        decisions = decide_lake(store, as_of).lazy()
        before, now = {}, {}
        for key, table in MARTS.items():
            # What counts people tells of none of them.
            if not load_company_register()[key].aggregate:
                frame = select_publishable(store, load_company_register()[key], store.read(table), decisions)
                before[key] = resolve_customers(store, key, serving.read_rows(store, table, key), split)
                now[key] = resolve_customers(store, key, frame, split)
        found = build_corrections(
            before, now, split, {key: load_company_register()[key].recipients for key in before}, as_of
        )
    # What was told already is not told again: a run that was cut short is made good by the next.
    history = pl.concat([store.read(CORRECTION), found]).unique(CORRECTION.key, keep="first", maintain_order=True)
    told = "\n".join(
        f"- {purpose}, {recipient}: {change} {n:,}"
        for purpose, recipient, change, n in found.group_by("purpose", "recipient", "change")
        .len()
        .sort("purpose", "recipient", "change")
        .iter_rows()
    )
    yield from check_and_write(
        store,
        lake.night(context),
        StagedWrite(
            CORRECTION,
            history,
            lambda: store.replace(CORRECTION, history),
            {"customers split": split["customer_id"].n_unique(), "corrected tonight": dg.MetadataValue.md(told)},
        ),
    )


# Nothing that holds a value of a person is written after the night is noted.
MADE_BEFORE = [name for name in TABLES if name not in {RUN.name, VERSION.name, REVIEW.name, RECTIFICATION.name}]


@lake_assets(specs=[build_spec(RUN, deps=["serving/marts", *MADE_BEFORE], owner="team:data")])
def record_night(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator:
    """Note every night that the lake holds, from its files alone: nights one by one give what nights at once give.

    First let go of all that only older versions of tables still hold. What a mart held in a night was in use then, so
    its version may stay for the hold, and audits compare with it; of all other tables the newest version stays.
    """
    store, night = lake.open, lake.night(context)
    in_hold = add_duration(pl.col("as_of"), load_retention().hold) > lake.as_of(context)
    of_marts = store.scan(VERSION).filter(in_hold, pl.col("table_name").str.starts_with("mart/")).collect()
    versions = dict(of_marts.group_by("table_name").agg(pl.col("delta_version").unique()).iter_rows())
    forgotten_count = sum(store.forget_versions(name, versions.get(name, ())) for name in store.tables())
    nights = pl.concat(
        [
            store.read(RUN).select("night"),
            store.read(FILE).select(pl.col("drop_date").alias("night")).drop_nulls(),
            pl.DataFrame({"night": [night]}),
        ]
    ).unique()
    files = (
        store.read(FILE)
        .group_by(pl.col("drop_date").alias("night"))
        .agg(pl.len().alias("file_count"), pl.col("received_count").sum())
    )
    rows = RUN.conform(
        nights.lazy()
        .join(files.lazy(), on="night", how="left")
        .with_columns(
            pl.col("file_count", "received_count").fill_null(0),
            (pl.col("night").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + timedelta(days=1)).alias("as_of"),
        )
    ).collect()
    told = {"files of older versions forgotten": forgotten_count}
    yield from check_and_write(store, night, StagedWrite(RUN, rows, lambda: store.replace(RUN, rows), told))
