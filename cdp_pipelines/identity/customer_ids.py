"""Customer ids that stay: a customer keeps its id from night to night, and each merge and split is told with its cause.

An id is a digest of the record that the customer was named after, and lives where that record is. So a merge that is
undone gives back the very ids that were there before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

from cdp_pipelines.schema import CLUSTER, HISTORY, UTC

if TYPE_CHECKING:
    from datetime import datetime

RECORD = ["channel", "source_record_id"]
ID = "customer_id"


def assign_customer_ids() -> pl.Expr:
    """The id of a customer that is named after this record (channel, source_record_id)."""
    record = plh.concat_str("channel", "source_record_id", separator=":")
    return pl.concat_str(pl.lit("c_"), record.chash.sha2_256().str.head(16))


def keep_customer_ids(
    cluster: pl.DataFrame, before: pl.DataFrame, history: pl.DataFrame, link: pl.DataFrame, as_of: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`cluster` under the ids that its customers had, and what happened to them; of `CLUSTER` and `HISTORY`.

    `cluster` names each customer after its earliest record; `before` is the cluster table as it was, of these records
    and of those that left, `link` tonight's links between them; `history` all that was told so far. Of several ids that
    come together the oldest lives on, of one night that with the earliest record; the others point to it. Of a customer
    that comes apart the part with the record it was named after keeps the id. What was told already is not told twice,
    so that a run that was cut short is made good by the next.
    """
    names = _names(cluster)
    ids = pl.concat([names["name"], before[ID]]).unique()
    known = history.filter(pl.col(ID).is_in(ids.implode()))
    born = known.filter(pl.col("event") == "born").group_by(ID).agg(pl.col("occurred_at").min().alias("born_at"))
    # Ids that live on: of each customer of tonight, the oldest of those whose own record it holds.
    held = names.join(born, left_on="name", right_on=ID).sort("born_at", pl.col("name") != pl.col(ID), "name")
    kept = held.unique(ID, keep="first", maintain_order=True).select(ID, pl.col("name").alias("kept"))
    named = (
        cluster.join(kept, on=ID, how="left")
        .with_columns(pl.coalesce("kept", ID).alias(ID))
        .select(*CLUSTER.schema)
        .sort(CLUSTER.key)
    )
    told = pl.concat([_born(named, born), _moved(named, before, link)]).with_columns(
        pl.lit(as_of, UTC).alias("occurred_at")
    )
    new = HISTORY.conform(told.lazy()).collect().join(known, on=HISTORY.key, how="anti", nulls_equal=True)
    return named, new.sort(HISTORY.key)


def _names(cluster: pl.DataFrame) -> pl.DataFrame:
    """Each record's customer, and the id of a customer that is named after that record."""
    return cluster.select(ID, assign_customer_ids().alias("name"))


def _born(named: pl.DataFrame, born: pl.DataFrame) -> pl.DataFrame:
    new = named.select(ID).unique().join(born, on=ID, how="anti")
    return _told(new, event=pl.lit("born"), other=pl.lit(None, pl.String), cause=pl.lit("first record"))


def _moved(named: pl.DataFrame, before: pl.DataFrame, link: pl.DataFrame) -> pl.DataFrame:
    """Records that were one customer's and are another's tonight: a merge where no record stays, else a split."""
    both = before.select(*RECORD, pl.col(ID).alias("old")).join(named.select(*RECORD, ID), on=RECORD)
    moved = both.filter(pl.col("old") != pl.col(ID)).group_by("old", ID).agg(pl.len().alias("record_count"))
    stays = both.filter(pl.col("old") == pl.col(ID)).select("old").unique()
    merged = moved.join(stays, on="old", how="anti")
    split = moved.join(stays, on="old", how="semi")
    causes = _causes(merged, both, link)
    return pl.concat(
        [
            _told(
                merged.join(causes, on=["old", ID], how="left").rename({ID: "other", "old": ID}),
                event=pl.lit("merged"),
                other=pl.col("other"),
                cause=pl.col("cause").fill_null("its records went there"),
            ),
            _told(
                split.rename({"old": ID, ID: "other"}),
                event=pl.lit("split"),
                other=pl.col("other"),
                cause=pl.format("{} records are no longer held together", "record_count"),
            ),
        ]
    )


def _causes(merged: pl.DataFrame, both: pl.DataFrame, link: pl.DataFrame) -> pl.DataFrame:
    """Of each merge the rule of the surest link between the two; key (old, customer_id)."""
    of_record = both.select(*RECORD, "old")
    sides = link.join(of_record.rename({name: f"left_{name}" for name in (*RECORD, "old")}), on=_side("left")).join(
        of_record.rename({name: f"right_{name}" for name in (*RECORD, "old")}), on=_side("right")
    )
    across = pl.concat(
        [
            sides.select(pl.col(one).alias("old"), pl.col(other).alias("other"), "rule", "is_exact", "match_weight")
            for one, other in (("left_old", "right_old"), ("right_old", "left_old"))
        ]
    ).filter(pl.col("old") != pl.col("other"))
    surest = across.sort("is_exact", "match_weight", "rule", descending=[True, True, False], nulls_last=True)
    told = surest.unique("old", keep="first", maintain_order=True).select(
        "old",
        pl.when("is_exact")
        .then(pl.format("exact match on {}", "rule"))
        .otherwise(pl.format("match weight {} by {}", pl.col("match_weight").round(1), "rule"))
        .alias("cause"),
    )
    return merged.select("old", ID).join(told, on="old", how="left")


def _side(side: str) -> list[str]:
    return [f"{side}_{name}" for name in RECORD]


def _told(rows: pl.DataFrame, *, event: pl.Expr, other: pl.Expr, cause: pl.Expr) -> pl.DataFrame:
    return rows.select(pl.col(ID), event.alias("event"), other.alias("other_customer_id"), cause.alias("cause"))
