"""The golden record: of all values that a customer's records give for an attribute, which one is the best, and why.

Every candidate is kept with its rank and the purposes it was collected for, so that a mart can take the best value
*among those its purpose may use*, which need not be the golden one. Attributes that make sense only with each other,
such as the parts of an address, survive together: all from one record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
from pydantic import Field, model_validator

from cdp_pipelines.golden.contact_point import KINDS
from cdp_pipelines.golden.rectification import CHANNEL
from cdp_pipelines.policy import PolicyModel
from cdp_pipelines.schema import CUSTOMER, GOLDEN_ATTRIBUTES, PREFERENCE_COLUMNS, PROVENANCE, RECORD_KEY, TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GOLDEN_COLUMNS = (*GOLDEN_ATTRIBUTES, *PREFERENCE_COLUMNS)
Rule = Literal["source_priority", "recency", "frequency", "completeness", "verified", "longest"]
Rules = Annotated[tuple[Rule, ...], Field(min_length=1)]
# Attributes on which a will may be expressed: what it grants, its very value may serve.
GRANTED_ON = ("email", "phone", "loyalty_card")


class SurvivorshipPolicy(PolicyModel):
    """Which value survives. Rules are asked in order; what all of them leave equal, the smaller record id decides."""

    source_priority: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Channels from the most to the least trusted; others come after them"
    )
    default: Rules = Field(
        description="Rules of attributes that have none of their own: source_priority, recency (latest observed), "
        "frequency (told by most records; of attributes together, each part counts), completeness (of attributes "
        "together the most parts, else the record that tells the most), verified (a contact point that was verified "
        "first, one that bounced last), longest"
    )
    attributes: dict[str, Rules] = Field(
        {}, description="Rules per attribute of golden/customer; of attributes together, by the first of them"
    )
    together: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = Field(
        (), description="Attributes that come from one record, or not at all: an address of mixed parts is none"
    )
    verified_by: tuple[str, ...] = Field(
        (), description="Methods of a grant that prove that its e-mail or phone reaches the person"
    )
    household_max: int = Field(
        12, ge=2, description="More customers than that with one family name at one address are no household"
    )

    @model_validator(mode="after")
    def _knows_its_attributes(self) -> SurvivorshipPolicy:
        grouped = [name for group in self.together for name in group]
        if unknown := sorted({*self.attributes, *grouped} - {*GOLDEN_COLUMNS}):
            raise ValueError(f"no attributes: {', '.join(unknown)}; there are: {', '.join(GOLDEN_COLUMNS)}")
        if twice := sorted({name for name in grouped if grouped.count(name) > 1}):
            raise ValueError(f"together has twice: {', '.join(twice)}")
        for group in self.together:
            if points := [name for name in group if name in KINDS]:
                raise ValueError(f"together has {', '.join(points)}: each purpose decides on contact points one by one")
            if len({name in PREFERENCE_COLUMNS for name in group}) > 1:
                raise ValueError(f"together has {', '.join(group)}: a record tells of a person or of preferences")
            if ruled := [name for name in group[1:] if name in self.attributes]:
                raise ValueError(f"attributes has {', '.join(ruled)}, which survive by the rules of {group[0]}")
        return self

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """What survives as one, in order of the first attribute: those together, and each of the others alone."""
        group_of = {name: group for group in self.together for name in group}
        return tuple(dict.fromkeys(group_of.get(name, (name,)) for name in GOLDEN_COLUMNS))

    @property
    def unit_of(self) -> dict[str, str]:
        """Attribute to the first of those that it survives with."""
        return {name: unit[0] for unit in self.units for name in unit}

    def rules(self, attribute: str) -> tuple[Rule, ...]:
        """The rules of an attribute that is the first of its unit, in order."""
        return self.attributes.get(attribute, self.default)


def build_provenance(
    party: pl.LazyFrame,
    preference: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    consent_event: pl.LazyFrame,
    states: pl.LazyFrame,
    rectified: pl.LazyFrame,
    collected_for: Mapping[str, tuple[str, ...]],
    policy: SurvivorshipPolicy,
) -> pl.LazyFrame:
    """Every candidate value of every golden attribute, ranked; key (customer_id, attribute, rank).

    Takes records that may join a profile (`crosswalk.is_profiled`) alone. `states`: see `contact_point.states`;
    `rectified`: see `rectification.standing`; `collected_for`: purposes by channel; to them comes any purpose that
    the record itself grants on the very value. Of what one channel says in one way the latest record stands for all.
    Rank 1 is the golden value; ranks have no ties, and of attributes together one rank is one record, so a rank is
    missing where that record lacks the part. A rectified value comes first and may serve what all that it replaces
    could; what it replaces comes last and serves nothing any more.
    """
    profiled = crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id")
    granted = (
        consent_event.filter(pl.col("status") == "granted", pl.col("notice_version").is_not_null())
        .group_by(*RECORD_KEY, pl.col("subject_kind"), pl.col("subject_value"))
        .agg(pl.col("purpose").alias("granted"))
    )
    channels = pl.LazyFrame(
        {"channel": list(collected_for), "of_channel": [list(purposes) for purposes in collected_for.values()]},
        schema={"channel": pl.String, "of_channel": TEXTS},
    )
    told = {
        False: _told(party, "observed_at", GOLDEN_ATTRIBUTES, profiled),
        True: _told(preference, "updated_at", PREFERENCE_COLUMNS, profiled),
    }
    found = []
    for unit in policy.units:
        candidates = _candidates(told[unit[0] in PREFERENCE_COLUMNS], unit, granted, channels, states)
        ranked = _ranked(_with_rectified(candidates, rectified, unit, channels), policy, unit[0])
        found += [
            ranked.filter(pl.col(name).is_not_null()).with_columns(
                pl.lit(name).alias("attribute"), pl.col(name).alias("value"), pl.lit(unit[0]).alias("together")
            )
            for name in unit
        ]
    return pl.concat([PROVENANCE.conform(each) for each in found])


def _told(frame: pl.LazyFrame, at: str, names: Sequence[str], profiled: pl.LazyFrame) -> pl.LazyFrame:
    """Records with a profile: their attributes as texts, and how many of them each tells."""
    return frame.select(
        *RECORD_KEY,
        pl.col(at).alias("observed_at"),
        *(pl.col(name).cast(pl.String) for name in names),
        pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in names).alias("reported_count"),
    ).join(profiled, on=list(RECORD_KEY))


def _candidates(
    told: pl.LazyFrame, unit: Sequence[str], granted: pl.LazyFrame, channels: pl.LazyFrame, states: pl.LazyFrame
) -> pl.LazyFrame:
    """What each channel says of a unit, each way once; key (customer_id, channel, *unit), smaller measures better."""
    name = unit[0]
    frequency = (
        pl.when(pl.col(part).is_not_null()).then(pl.len().over("customer_id", part)).otherwise(0).cast(pl.Int64)
        for part in unit
    )
    mine = (
        told.filter(pl.any_horizontal(pl.col(part).is_not_null() for part in unit))
        .select(
            *RECORD_KEY,
            "customer_id",
            "observed_at",
            "reported_count",
            *unit,
            pl.sum_horizontal(frequency).alias("frequency"),
        )
        .join(channels, on="channel", how="left")
    )
    if name in GRANTED_ON:
        on_it = granted.filter(pl.col("subject_kind") == name).drop("subject_kind")
        mine = mine.join(on_it, left_on=[*RECORD_KEY, name], right_on=[*RECORD_KEY, "subject_value"], how="left")
    else:
        mine = mine.with_columns(pl.lit(None, TEXTS).alias("granted"))
    if name in KINDS:
        doubts = states.filter(pl.col("kind") == name).select("value", "doubt")
        mine = mine.join(doubts, left_on=name, right_on="value", how="left")
    else:
        mine = mine.with_columns(pl.lit(None, pl.Int64).alias("doubt"))
    part_count = pl.sum_horizontal(pl.col(part).is_not_null().cast(pl.Int64) for part in unit)
    return (
        mine.sort("observed_at", "source_record_id", descending=[True, False])
        .group_by("customer_id", "channel", *unit, maintain_order=True)
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
            (-pl.col("reported_count") if len(unit) == 1 else -part_count).alias("completeness"),
            pl.col("doubt").fill_null(1).alias("verified"),
            -pl.sum_horizontal(pl.col(part).str.len_chars().fill_null(0).cast(pl.Int64) for part in unit).alias(
                "longest"
            ),
        )
    )


def _with_rectified(
    candidates: pl.LazyFrame, rectified: pl.LazyFrame, unit: Sequence[str], channels: pl.LazyFrame
) -> pl.LazyFrame:
    """Candidates with those that were put right, as of channel `rectification`, and what these replace marked."""
    mine = (
        rectified.filter(pl.col("together") == unit[0])
        .group_by("customer_id", "number")
        .agg(
            pl.col("channel", "replaces", "rectified_at").first(),
            *(pl.col("value").filter(pl.col("attribute") == part).first().alias(part) for part in unit),
        )
        .join(channels, on="channel", how="left")
    )
    slots = mine.select("customer_id", "number", "replaces")
    replaced = candidates.select("customer_id", "channel", *unit, "collected_for").join(slots, on="customer_id")
    if unit[0] in KINDS:
        replaced = replaced.filter(pl.col(unit[0]) == pl.col("replaces"))
    heirs = replaced.group_by("customer_id", "number").agg(
        pl.col("collected_for").explode().drop_nulls().unique().sort().alias("inherited")
    )
    right = mine.join(heirs, on=["customer_id", "number"], how="left").select(
        "customer_id",
        "number",
        *unit,
        pl.lit(CHANNEL).alias("channel"),
        pl.col("number").cast(pl.String).alias("source_record_id"),
        pl.col("rectified_at").alias("observed_at"),
        pl.coalesce("inherited", pl.col("of_channel").list.sort(), pl.lit([], TEXTS)).alias("collected_for"),
    )
    gone = replaced.select("customer_id", "channel", *unit).unique().with_columns(pl.lit(value=True).alias("is_gone"))
    on = ["customer_id", "channel", *unit]
    left = candidates.join(gone, on=on, how="left", nulls_equal=True).with_columns(
        pl.when("is_gone").then(pl.lit([], TEXTS)).otherwise("collected_for").alias("collected_for")
    )
    return pl.concat([left, right], how="diagonal")


def _ranked(candidates: pl.LazyFrame, policy: SurvivorshipPolicy, name: str) -> pl.LazyFrame:
    """`rank` by the rules of a unit, after what was put right (the latest first) and before what that replaces."""
    priority = {channel: place for place, channel in enumerate(policy.source_priority)}
    # Smaller is better in each of them.
    order = {
        "source_priority": pl.col("channel").replace_strict(priority, default=len(priority), return_dtype=pl.Int64),
        "recency": -pl.col("observed_at").dt.epoch("us"),
    }
    rules = [order.get(rule, pl.col(rule)) for rule in policy.rules(name)]
    put_right = [-pl.col("number").fill_null(0), pl.col("is_gone").fill_null(value=False)]
    return candidates.sort("customer_id", *put_right, *rules, "channel", "source_record_id").with_columns(
        (pl.int_range(pl.len()).over("customer_id") + 1).alias("rank")
    )


def build_customer(provenance: pl.LazyFrame, party: pl.LazyFrame, crosswalk: pl.LazyFrame) -> pl.LazyFrame:
    """One row per customer with a profile; key customer_id, columns of `CUSTOMER`; `provenance`: see above."""
    records = (
        crosswalk.filter("is_profiled")
        .join(party.select("channel", "source_record_id", "observed_at"), on=["channel", "source_record_id"])
        .group_by("customer_id")
        .agg(
            pl.len().alias("record_count"),
            pl.col("channel").n_unique().alias("channel_count"),
            pl.col("observed_at").min().alias("first_seen_at"),
            pl.col("observed_at").max().alias("last_seen_at"),
        )
    )
    best = select_best_values(provenance.filter(pl.col("rank") == 1))
    return CUSTOMER.conform(records.join(best, on="customer_id", how="left"))


def select_best_values(provenance: pl.LazyFrame) -> pl.LazyFrame:
    """The best ranked values among these candidates, as columns in their types; key customer_id.

    Attributes that survive together all come from the best ranked of them; what that lacks is null.
    """
    best = provenance.filter(pl.col("rank") == pl.col("rank").min().over("customer_id", "together"))
    wide = best.group_by("customer_id").agg(
        pl.col("value").filter(pl.col("attribute") == attribute).first().alias(attribute)
        for attribute in GOLDEN_COLUMNS
    )
    integers = [name for name in GOLDEN_COLUMNS if CUSTOMER.schema[name] == pl.Int64]
    return wide.with_columns(pl.col("birth_date").str.to_date("%Y-%m-%d"), pl.col(integers).cast(pl.Int64))
