"""Survivorship: every candidate value of a customer's attributes, ranked by the declared rules.

Here belong candidates and their ranks, with source and purposes of each. A mart takes the best value *among those that
its purpose may use*, which need not be the golden one. Attributes that make sense only together, such as the parts of
an address, survive as one group: all from one record. The golden record is built out of the ranks in `customer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.golden.rectification import CHANNEL
from cdp_pipelines.schema import (
    CONTACT_POINT_KINDS,
    GOLDEN_ATTRIBUTES,
    PREFERENCE_COLUMNS,
    PROVENANCE,
    RECORD_KEY,
    TEXTS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdp_pipelines.golden.golden_input import GoldenInput
    from cdp_pipelines.golden.policy import SurvivorshipPolicy
    from cdp_pipelines.schema import (
        PartyFrame,
        PreferenceFrame,
        ProvenanceFrame,
        RectificationFrame,
    )

# Attributes on which a consent event may be given: a grant extends the use of that very value.
GRANTED_ON = ("email", "phone", "loyalty_card")


def build_provenance(
    golden_input: GoldenInput, collected_for: Mapping[str, tuple[str, ...]], policy: SurvivorshipPolicy
) -> ProvenanceFrame:
    """Every candidate value of every golden attribute, ranked; key (customer_id, attribute, rank).

    Reads only records that may join a profile (`crosswalk.is_profiled`). A value may serve the purposes of its channel
    (`collected_for`) and any purpose that the record itself grants on the very value. Equal values of one channel are
    one candidate, that of the latest record. Rank 1 is the golden value. Ranks have no ties; in an attribute group one
    rank is one record, so a rank is missing where that record lacks the attribute. A rectified value ranks first and
    may serve all purposes of the values that it replaces; replaced values rank last and serve no purpose.
    """
    profiled = golden_input.crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id")
    channels = pl.LazyFrame(
        {"channel": list(collected_for), "of_channel": [list(purposes) for purposes in collected_for.values()]},
        schema={"channel": pl.String, "of_channel": TEXTS},
    )
    personal = _select_attributes(golden_input.party, "observed_at", GOLDEN_ATTRIBUTES, profiled)
    preferences = _select_attributes(golden_input.preference, "updated_at", PREFERENCE_COLUMNS, profiled)
    parts = []
    for group in policy.groups:
        records = preferences if group[0] in PREFERENCE_COLUMNS else personal
        candidates = _build_candidates(records, group, golden_input.granted, channels, golden_input.states)
        ranked = _rank_candidates(_add_rectified(candidates, golden_input.rectified, group, channels), policy, group[0])
        parts += [
            ranked.filter(pl.col(name).is_not_null()).with_columns(
                pl.lit(name).alias("attribute"), pl.col(name).alias("value"), pl.lit(group[0]).alias("attribute_group")
            )
            for name in group
        ]
    return pl.concat([PROVENANCE.conform(part) for part in parts])


def _select_attributes(
    frame: PartyFrame | PreferenceFrame, time_column: str, names: Sequence[str], profiled: pl.LazyFrame
) -> pl.LazyFrame:
    """Records with a profile: their attributes as texts, and how many of these each record has (`reported_count`)."""
    return frame.select(
        *RECORD_KEY,
        pl.col(time_column).alias("observed_at"),
        *(pl.col(name).cast(pl.String) for name in names),
        pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in names).alias("reported_count"),
    ).join(profiled, on=list(RECORD_KEY))


def _build_candidates(
    records: pl.LazyFrame, group: Sequence[str], granted: pl.LazyFrame, channels: pl.LazyFrame, states: pl.LazyFrame
) -> pl.LazyFrame:
    """Distinct values of a group in each channel; key (customer_id, channel, *group).

    Has a column for each rule but source_priority and recency, in which smaller is better.
    """
    name = group[0]
    frequency = (
        pl.when(pl.col(part).is_not_null()).then(pl.len().over("customer_id", part)).otherwise(0).cast(pl.Int64)
        for part in group
    )
    values = (
        records.filter(pl.any_horizontal(pl.col(part).is_not_null() for part in group))
        .select(
            *RECORD_KEY,
            "customer_id",
            "observed_at",
            "reported_count",
            *group,
            pl.sum_horizontal(frequency).alias("frequency"),
        )
        .join(channels, on="channel", how="left")
    )
    if name in GRANTED_ON:
        on_value = granted.filter(pl.col("subject_kind") == name).drop("subject_kind")
        values = values.join(on_value, left_on=[*RECORD_KEY, name], right_on=[*RECORD_KEY, "subject_value"], how="left")
    else:
        values = values.with_columns(pl.lit(None, TEXTS).alias("granted"))
    if name in CONTACT_POINT_KINDS:
        doubts = states.filter(pl.col("kind") == name).select("value", "doubt")
        values = values.join(doubts, left_on=name, right_on="value", how="left")
    else:
        values = values.with_columns(pl.lit(None, pl.Int64).alias("doubt"))
    part_count = pl.sum_horizontal(pl.col(part).is_not_null().cast(pl.Int64) for part in group)
    return (
        values.sort("observed_at", "source_record_id", descending=[True, False])
        .group_by("customer_id", "channel", *group, maintain_order=True)
        .agg(
            pl.col("source_record_id", "observed_at", "reported_count", "frequency", "doubt").first(),
            pl.concat([pl.col("of_channel").explode(), pl.col("granted").explode()])
            .drop_nulls()
            .unique()
            .sort()
            .alias("collected_for"),
        )
        .with_columns(
            -pl.col("frequency"),
            (-pl.col("reported_count") if len(group) == 1 else -part_count).alias("completeness"),
            pl.col("doubt").fill_null(1).alias("verified"),
            -pl.sum_horizontal(pl.col(part).str.len_chars().fill_null(0).cast(pl.Int64) for part in group).alias(
                "longest"
            ),
        )
    )


def _add_rectified(
    candidates: pl.LazyFrame, rectified: RectificationFrame, group: Sequence[str], channels: pl.LazyFrame
) -> pl.LazyFrame:
    """Candidates and rectified values (channel `rectification`); `is_replaced` marks the values these replace."""
    corrections = (
        rectified.filter(pl.col("attribute_group") == group[0])
        .group_by("customer_id", "rectification_number")
        .agg(
            pl.col("channel", "replaces", "rectified_at").first(),
            *(pl.col("value").filter(pl.col("attribute") == part).first().alias(part) for part in group),
        )
        .join(channels, on="channel", how="left")
    )
    slots = corrections.select("customer_id", "rectification_number", "replaces")
    replaced = candidates.select("customer_id", "channel", *group, "collected_for").join(slots, on="customer_id")
    if group[0] in CONTACT_POINT_KINDS:
        replaced = replaced.filter(pl.col(group[0]) == pl.col("replaces"))
    inherited = replaced.group_by("customer_id", "rectification_number").agg(
        pl.col("collected_for").explode().drop_nulls().unique().sort().alias("inherited")
    )
    added = corrections.join(inherited, on=["customer_id", "rectification_number"], how="left").select(
        "customer_id",
        "rectification_number",
        *group,
        pl.lit(CHANNEL).alias("channel"),
        pl.col("rectification_number").cast(pl.String).alias("source_record_id"),
        pl.col("rectified_at").alias("observed_at"),
        pl.coalesce("inherited", pl.col("of_channel").list.sort(), pl.lit([], TEXTS)).alias("collected_for"),
    )
    key = ["customer_id", "channel", *group]
    marks = replaced.select(key).unique().with_columns(pl.lit(value=True).alias("is_replaced"))
    marked = candidates.join(marks, on=key, how="left", nulls_equal=True).with_columns(
        pl.when("is_replaced").then(pl.lit([], TEXTS)).otherwise("collected_for").alias("collected_for")
    )
    return pl.concat([marked, added], how="diagonal")


def _rank_candidates(candidates: pl.LazyFrame, policy: SurvivorshipPolicy, name: str) -> pl.LazyFrame:
    """`rank` by the rules of a group: after rectified values (the latest first), and before replaced values."""
    priority = {channel: position for position, channel in enumerate(policy.source_priority)}
    # Smaller is better in each of them.
    computed = {
        "source_priority": pl.col("channel").replace_strict(priority, default=len(priority), return_dtype=pl.Int64),
        "recency": -pl.col("observed_at").dt.epoch("us"),
    }
    rules = [computed.get(rule, pl.col(rule)) for rule in policy.rules(name)]
    rectified_first = [-pl.col("rectification_number").fill_null(0), pl.col("is_replaced").fill_null(value=False)]
    return candidates.sort("customer_id", *rectified_first, *rules, "channel", "source_record_id").with_columns(
        (pl.int_range(pl.len()).over("customer_id") + 1).alias("rank")
    )
