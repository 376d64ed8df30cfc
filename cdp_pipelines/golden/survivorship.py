"""The golden record: of all values that a customer's records give for an attribute, which one is the best, and why.

Every candidate is kept with its rank and the purposes it was collected for, so that a mart can take the best value
*among those its purpose may use*, which need not be the golden one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
from pydantic import Field

from cdp_pipelines.channel.contract import Model
from cdp_pipelines.tables import CUSTOMER, GOLDEN_ATTRIBUTES, PROVENANCE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_PREFERENCES = ("language_code", "preferred_channel")
Rule = Literal["source_priority", "recency", "frequency", "longest"]


class Survivorship(Model):
    """Which value survives. Rules are asked in order; what all of them leave equal, the smaller record id decides."""

    source_priority: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Channels from the most to the least trusted; others come after them"
    )
    default: Annotated[tuple[Rule, ...], Field(min_length=1)] = Field(
        description="Rules of attributes that have none of their own: source_priority, recency (latest observed), "
        "frequency (told by most records), longest"
    )
    attributes: dict[str, Annotated[tuple[Rule, ...], Field(min_length=1)]] = Field(
        {}, description="Rules per attribute of golden/customer"
    )

    def rules(self, attribute: str) -> tuple[Rule, ...]:
        """The rules of an attribute, in order."""
        return self.attributes.get(attribute, self.default)


def provenance(
    party: pl.LazyFrame,
    preference: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    consent_event: pl.LazyFrame,
    collected_for: Mapping[str, tuple[str, ...]],
    policy: Survivorship,
) -> pl.LazyFrame:
    """Every candidate value of every golden attribute, ranked; key (customer_id, attribute, value, channel).

    Takes records that may join a profile (`crosswalk.is_profiled`) alone. `collected_for`: purposes by channel; to
    them comes any purpose that the record itself grants on the very value. Of one value in one channel the latest
    record stands for all. Rank 1 is the golden value; ranks have no ties.
    """
    profiled = crosswalk.filter("is_profiled").select("channel", "source_record_id", "customer_id")
    record = ["channel", "source_record_id"]
    told = pl.concat(
        [
            party.select(*record, "observed_at", *(pl.col(name).cast(pl.String) for name in GOLDEN_ATTRIBUTES)).unpivot(
                index=[*record, "observed_at"], variable_name="attribute", value_name="value"
            ),
            preference.select(*record, pl.col("updated_at").alias("observed_at"), *OF_PREFERENCES).unpivot(
                index=[*record, "observed_at"], variable_name="attribute", value_name="value"
            ),
        ]
    ).filter(pl.col("value").is_not_null())
    granted = (
        consent_event.filter(pl.col("status") == "granted", pl.col("notice_version").is_not_null())
        .group_by(*record, pl.col("subject_value").alias("value"))
        .agg(pl.col("purpose").alias("granted"))
    )
    channels = pl.LazyFrame(
        {"channel": list(collected_for), "of_channel": [list(purposes) for purposes in collected_for.values()]},
        schema={"channel": pl.String, "of_channel": TEXTS},
    )
    candidates = (
        told.join(profiled, on=record)
        .join(granted, on=[*record, "value"], how="left")
        .join(channels, on="channel", how="left")
        .sort("observed_at", "source_record_id", descending=[True, False])
        .group_by("customer_id", "attribute", "value", "channel", maintain_order=True)
        .agg(
            pl.col("source_record_id").first(),
            pl.col("observed_at").first(),
            pl.len().alias("n_channel"),
            pl.concat([pl.col("of_channel").explode(), pl.col("granted").explode()])
            .drop_nulls()
            .unique()
            .sort()
            .alias("collected_for"),
        )
        .with_columns(pl.col("n_channel").sum().over("customer_id", "attribute", "value").alias("n_records"))
    )
    return PROVENANCE.conform(
        pl.concat(
            [
                _ranked(candidates.filter(pl.col("attribute") == attribute), policy, attribute)
                for attribute in (*GOLDEN_ATTRIBUTES, *OF_PREFERENCES)
            ]
        )
    )


def _ranked(candidates: pl.LazyFrame, policy: Survivorship, attribute: str) -> pl.LazyFrame:
    priority = {channel: place for place, channel in enumerate(policy.source_priority)}
    # Smaller is better in each of them.
    order = {
        "source_priority": pl.col("channel").replace_strict(priority, default=len(priority), return_dtype=pl.Int64),
        "recency": -pl.col("observed_at").dt.epoch("us"),
        "frequency": -pl.col("n_records").cast(pl.Int64),
        "longest": -pl.col("value").str.len_chars().cast(pl.Int64),
    }
    return candidates.sort(
        "customer_id", *(order[rule] for rule in policy.rules(attribute)), "channel", "source_record_id", "value"
    ).with_columns((pl.int_range(pl.len()).over("customer_id") + 1).alias("rank"))


def customer(provenance: pl.LazyFrame, party: pl.LazyFrame, crosswalk: pl.LazyFrame) -> pl.LazyFrame:
    """One row per customer with a profile; key customer_id, columns of `CUSTOMER`; `provenance`: see above."""
    records = (
        crosswalk.filter("is_profiled")
        .join(party.select("channel", "source_record_id", "observed_at"), on=["channel", "source_record_id"])
        .group_by("customer_id")
        .agg(
            pl.len().alias("n_records"),
            pl.col("channel").n_unique().alias("n_channels"),
            pl.col("observed_at").min().alias("first_seen_at"),
            pl.col("observed_at").max().alias("last_seen_at"),
        )
    )
    best = best_values(provenance.filter(pl.col("rank") == 1))
    return CUSTOMER.conform(records.join(best, on="customer_id", how="left"))


def best_values(provenance: pl.LazyFrame) -> pl.LazyFrame:
    """The best ranked value of each attribute, as columns in their types; key customer_id."""
    best = provenance.group_by("customer_id", "attribute").agg(pl.col("value").sort_by("rank").first())
    wide = best.group_by("customer_id").agg(
        pl.col("value").filter(pl.col("attribute") == attribute).first().alias(attribute)
        for attribute in (*GOLDEN_ATTRIBUTES, *OF_PREFERENCES)
    )
    return wide.with_columns(pl.col("birth_date").str.to_date("%Y-%m-%d"))
