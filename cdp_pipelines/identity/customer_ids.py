"""Customer ids over time: a customer keeps its id from night to night; each merge and split is recorded with its cause.

Ids and the history of customers belong here; which records are one customer belongs in `clusters`. An id is a digest of
the record that the customer was named after, and belongs to the customer who has that record. So a merge that is undone
restores the ids from before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

from cdp_pipelines.schema import CLUSTER, HISTORY, RECORD_KEY, UTC

if TYPE_CHECKING:
    from datetime import datetime

    from cdp_pipelines.schema import ClusterRows, HistoryRows, LinkRows

ID = "customer_id"


def assign_customer_ids() -> pl.Expr:
    """The id of a customer that is named after this record (channel, source_record_id)."""
    record = plh.concat_str(*RECORD_KEY, separator=":")
    return pl.concat_str(pl.lit("c_"), record.chash.sha2_256().str.head(16))


def keep_customer_ids(
    cluster: ClusterRows, previous: ClusterRows, history: HistoryRows, link: LinkRows, as_of: datetime
) -> tuple[ClusterRows, HistoryRows]:
    """`cluster` under the ids that its customers had, and the new events of these customers.

    `cluster` names each customer after its earliest record; `previous`: the cluster rows of these records, and of those
    that left, before this night; `history`: all events so far; `link`: tonight's links between the records. If several
    ids come together the oldest is kept, of one night that with the earliest record; the others refer to it. If a
    customer is split, the part with the record that it was named after keeps the id. Events that are in `history` are
    not repeated, so a run completes an interrupted one.
    """
    own_ids = cluster.select(ID, assign_customer_ids().alias("own_id"))
    ids = pl.concat([own_ids["own_id"], previous[ID]]).unique()
    known = history.filter(pl.col(ID).is_in(ids.implode()))
    created = known.filter(pl.col("event") == "created").group_by(ID).agg(pl.col("occurred_at").min().alias("since"))
    # Of each of tonight's customers, the oldest id whose own record it has.
    candidates = own_ids.join(created, left_on="own_id", right_on=ID)
    candidates = candidates.sort("since", pl.col("own_id") != pl.col(ID), "own_id")
    oldest = candidates.unique(ID, keep="first", maintain_order=True).select(ID, pl.col("own_id").alias("oldest"))
    named = (
        cluster.join(oldest, on=ID, how="left")
        .with_columns(pl.coalesce("oldest", ID).alias(ID))
        .select(*CLUSTER.schema)
        .sort(CLUSTER.key)
    )
    events = pl.concat([_list_created(named, created), _list_moved(named, previous, link)])
    events = events.with_columns(pl.lit(as_of, UTC).alias("occurred_at"))
    new = HISTORY.conform(events.lazy()).collect().join(known, on=HISTORY.key, how="anti", nulls_equal=True)
    return named, new.sort(HISTORY.key)


def _list_created(named: ClusterRows, created: pl.DataFrame) -> pl.DataFrame:
    new = named.select(ID).unique().join(created, on=ID, how="anti")
    return _build_events(new, event="created", other=pl.lit(None, pl.String), cause=pl.lit("first record"))


def _list_moved(named: ClusterRows, previous: ClusterRows, link: LinkRows) -> pl.DataFrame:
    """Records that change their customer tonight: a merge if the former customer has no record left, else a split."""
    both = previous.select(*RECORD_KEY, pl.col(ID).alias("former")).join(
        named.select(*RECORD_KEY, ID), on=list(RECORD_KEY)
    )
    moved = both.filter(pl.col("former") != pl.col(ID)).group_by("former", ID).agg(pl.len().alias("record_count"))
    remaining = both.filter(pl.col("former") == pl.col(ID)).select("former").unique()
    merged = moved.join(remaining, on="former", how="anti")
    split = moved.join(remaining, on="former", how="semi")
    causes = _find_causes(merged, both, link)
    return pl.concat(
        [
            _build_events(
                merged.join(causes, on=["former", ID], how="left").rename({ID: "other", "former": ID}),
                event="merged",
                other=pl.col("other"),
                cause=pl.col("cause").fill_null("its records went there"),
            ),
            _build_events(
                split.rename({"former": ID, ID: "other"}),
                event="split",
                other=pl.col("other"),
                cause=pl.format("{} records are no longer held together", "record_count"),
            ),
        ]
    )


def _find_causes(merged: pl.DataFrame, both: pl.DataFrame, link: LinkRows) -> pl.DataFrame:
    """For each merge the rule of the surest link between the two; key (former, customer_id)."""
    of_record = both.select(*RECORD_KEY, "former")
    ends = link
    for side in ("left", "right"):
        names = {name: f"{side}_{name}" for name in (*RECORD_KEY, "former")}
        ends = ends.join(of_record.rename(names), on=[names[name] for name in RECORD_KEY])
    across = pl.concat(
        [
            ends.select(pl.col(one).alias("former"), pl.col(other).alias("other"), "rule", "is_exact", "match_weight")
            for one, other in (("left_former", "right_former"), ("right_former", "left_former"))
        ]
    ).filter(pl.col("former") != pl.col("other"))
    surest = across.sort("is_exact", "match_weight", "rule", descending=[True, True, False], nulls_last=True)
    causes = surest.unique("former", keep="first", maintain_order=True).select(
        "former",
        pl.when("is_exact")
        .then(pl.format("exact match on {}", "rule"))
        .otherwise(pl.format("match weight {} by {}", pl.col("match_weight").round(1), "rule"))
        .alias("cause"),
    )
    return merged.select("former", ID).join(causes, on="former", how="left")


def _build_events(rows: pl.DataFrame, *, event: str, other: pl.Expr, cause: pl.Expr) -> pl.DataFrame:
    return rows.select(pl.col(ID), pl.lit(event).alias("event"), other.alias("other_customer_id"), cause.alias("cause"))
