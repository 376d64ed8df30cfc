"""The merge gate: which records may join their customer's profile. The others stay outside, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.consent.identifiers import RECORD
from cdp_pipelines.purposes.purpose import UNIFICATION
from cdp_pipelines.schema import CROSSWALK

if TYPE_CHECKING:
    from collections.abc import Mapping

POINTS = ("email", "phone", "device_id")


def list_non_linking(collected_for: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Channels whose data may not unify profiles: it was not collected for that (GDPR Art. 5(1)(b))."""
    return [channel for channel, purposes in collected_for.items() if UNIFICATION not in purposes]


def build_crosswalk(
    cluster: pl.LazyFrame, party: pl.LazyFrame, decisions: pl.LazyFrame, collected_for: Mapping[str, tuple[str, ...]]
) -> pl.LazyFrame:
    """`CLUSTER` with `is_profiled` and `gate`; columns of `CROSSWALK`.

    A record joins if its channel collects for unification (`collected_for`), its customer may be unified and any other
    purpose of its channel is allowed for it: person-wide, or on a contact point that the record carries. `decisions`:
    those that stand. Where no decision on unification is known nobody is unified. Source: GDPR Art. 5(1)(b), 6(4).
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
        party.select(*RECORD, *POINTS)
        .unpivot(index=RECORD, on=list(POINTS), value_name="contact_point")
        .filter(pl.col("contact_point").is_not_null())
        .join(cluster.select(*RECORD, "customer_id"), on=RECORD)
    )
    by_point = points.join(on_points, on=["customer_id", "channel", "contact_point"], how="semi").select(RECORD)
    by_person = cluster.join(person_wide, on=["customer_id", "channel"], how="semi").select(RECORD)
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
    joined = cluster.join(unified, on="customer_id", how="left").join(has_purpose, on=RECORD, how="left")
    return CROSSWALK.conform(
        joined.with_columns(gate.alias("gate")).with_columns((pl.col("gate") == "joined").alias("is_profiled"))
    )
