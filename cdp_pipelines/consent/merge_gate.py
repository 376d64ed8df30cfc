"""The merge gate: which records may join the profile of their customer; each other record has its reason.

The decisions that it needs come from `decide`; which records are one customer belongs in `cdp_pipelines.identity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.schema import CROSSWALK, DECISION_POINT_KINDS, RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdp_pipelines.schema import ClusterFrame, CrosswalkFrame, DecisionFrame, PartyFrame


def list_non_linking(collected_for: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Channels whose data may not link records: it was not collected for unification (GDPR Art. 5(1)(b))."""
    return [channel for channel, purposes in collected_for.items() if UNIFICATION not in purposes]


def digest_links(cluster: ClusterFrame, party: PartyFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """One number for each customer out of what `build_crosswalk` reads of them; customer_id, digest.

    `decisions`: customer_id and a digest of the customer's decisions.
    """
    points = party.select(*RECORD_KEY, *DECISION_POINT_KINDS)
    records = cluster.join(points, on=list(RECORD_KEY), how="left").collect()
    digests = records.select("customer_id", records.hash_rows().alias("digest"))
    return pl.concat([digests, decisions]).group_by("customer_id").agg(pl.col("digest").sum())


def build_crosswalk(
    cluster: ClusterFrame,
    party: PartyFrame,
    decisions: DecisionFrame,
    collected_for: Mapping[str, tuple[str, ...]],
) -> CrosswalkFrame:
    """`CLUSTER` with `is_profiled` and `gate`; columns of `CROSSWALK`.

    A record joins if its channel collects for unification (`collected_for`), unification is allowed for its customer,
    and another purpose of its channel is allowed: person-wide, or on a contact point that the record carries.
    `decisions`: the current ones. A customer without a decision on unification is not unified. Source: GDPR
    Art. 5(1)(b), 6(4).
    """
    unified = decisions.filter(pl.col("purpose") == UNIFICATION).select(
        "customer_id", pl.col("reason").alias("unified")
    )
    purposes = pl.LazyFrame(
        [(channel, key) for channel, keys in collected_for.items() for key in keys if key != UNIFICATION],
        schema={"channel": pl.String, "purpose": pl.String},
        orient="row",
    )
    allowed = decisions.filter("is_allowed").select("customer_id", "purpose", "contact_point")
    person_wide = allowed.filter(pl.col("contact_point") == "").join(purposes, on="purpose")
    on_points = allowed.filter(pl.col("contact_point") != "").join(purposes, on="purpose")
    points = (
        party.select(*RECORD_KEY, *DECISION_POINT_KINDS)
        .unpivot(index=RECORD_KEY, on=list(DECISION_POINT_KINDS), value_name="contact_point")
        .filter(pl.col("contact_point").is_not_null())
        .join(cluster.select(*RECORD_KEY, "customer_id"), on=RECORD_KEY)
    )
    by_point = points.join(on_points, on=["customer_id", "channel", "contact_point"], how="semi").select(RECORD_KEY)
    by_person = cluster.join(person_wide, on=["customer_id", "channel"], how="semi").select(RECORD_KEY)
    has_purpose = pl.concat([by_point, by_person]).unique().with_columns(pl.lit(True).alias("has_purpose"))
    reason = pl.col("unified").fill_null("not_registered")
    gate = (
        pl.when(pl.col("channel").is_in(list_non_linking(collected_for)))
        .then(pl.lit("unification:not_collected_for"))
        .when(reason != "allowed")
        .then(pl.concat_str(pl.lit("unification:"), reason))
        .when(pl.col("has_purpose"))
        .then(pl.lit("joined"))
        .otherwise(pl.lit("no_purpose"))
    )
    joined = cluster.join(unified, on="customer_id", how="left").join(has_purpose, on=RECORD_KEY, how="left")
    return CROSSWALK.conform(
        joined.with_columns(gate.alias("gate")).with_columns((pl.col("gate") == "joined").alias("is_profiled"))
    )
