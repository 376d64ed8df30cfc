"""Everything that the golden record of a customer rests on, and one number for it.

Here belongs the choice of these rows, of some customers or of all. What is made of them belongs in `survivorship`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CONTACT_POINT_KINDS, RECORD_KEY

if TYPE_CHECKING:
    from cdp_pipelines.schema import (
        ConsentEventFrame,
        CrosswalkFrame,
        PartyFrame,
        PreferenceFrame,
        RectificationFrame,
    )


@dataclass(frozen=True)
class GoldenInput:
    """Records, their customers, and what is known of their values.

    `states`: see `contact_point.build_contact_point_states`; `rectified`: see `rectification.select_current`.
    """

    party: PartyFrame
    preference: PreferenceFrame
    crosswalk: CrosswalkFrame
    consent_event: ConsentEventFrame
    states: pl.LazyFrame
    rectified: RectificationFrame

    def select(self, customers: pl.Series) -> GoldenInput:
        """The rows of these customers, read once; the states are those of all."""
        is_of = pl.col("customer_id").is_in(customers.implode())
        crosswalk = self.crosswalk.filter(is_of).collect().lazy()
        of_records = [
            frame.join(crosswalk, on=list(RECORD_KEY), how="semi")
            for frame in (self.party, self.preference, self.consent_event)
        ]
        rows = pl.collect_all([*of_records, self.rectified.filter(is_of)])
        party, preference, consent_event, rectified = (frame.lazy() for frame in rows)
        return replace(
            self,
            party=party,
            preference=preference,
            crosswalk=crosswalk,
            consent_event=consent_event,
            rectified=rectified,
        )

    @cached_property
    def granted(self) -> pl.LazyFrame:
        """The purposes that a record grants on its values; key `RECORD_KEY`, subject_kind, subject_value."""
        return (
            self.consent_event.filter(pl.col("status") == "granted", pl.col("notice_version").is_not_null())
            .group_by(*RECORD_KEY, "subject_kind", "subject_value")
            .agg(pl.col("purpose").alias("granted"))
        )

    def digest(self) -> pl.DataFrame:
        """One number for each customer out of all of the customer's rows; customer_id, digest, sorted."""
        profiled = self.crosswalk.filter("is_profiled").select(*RECORD_KEY, "customer_id")
        points = self.party.select(*RECORD_KEY, *CONTACT_POINT_KINDS).unpivot(
            index=list(RECORD_KEY), on=list(CONTACT_POINT_KINDS), variable_name="kind", value_name="value"
        )
        of_records = (
            self.party,
            self.preference,
            self.granted.with_columns(pl.col("granted").list.sort().list.join(" ")),
            points.join(self.states.select("kind", "value", "doubt"), on=["kind", "value"]),
        )
        rows = pl.collect_all([*(frame.join(profiled, on=list(RECORD_KEY)) for frame in of_records), self.rectified])
        # With a seed of its own, a row of one frame never stands for that of another.
        numbers = [
            frame.select("customer_id", frame.hash_rows(seed=seed).alias("digest")) for seed, frame in enumerate(rows)
        ]
        return pl.concat(numbers).group_by("customer_id").agg(pl.col("digest").sum()).sort("customer_id")
