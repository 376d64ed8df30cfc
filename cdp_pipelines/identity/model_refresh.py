"""Until when the weights hold: they are learned from the nights until the records last grew so much, and stay so long.

A model that every night moved a little would change every link's weight every night. So it is learned from what was
there when the number of records reached the last step of a ladder, each a `growth` above the one before; below the
ladder, from all. Which records these are depends on the records alone: night by night it is what it is all at once.
Where one of them changes or leaves, it is learned anew, but in a lake so large (`steady`) that one no longer tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.model import Model
from cdp_pipelines.schema import MODEL

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.state import IdentityState


@dataclass(frozen=True, slots=True)
class RefitPlan:
    """What a model is to be learned from, tonight.

    `records`: drop_date, record and fingerprint of each; `step`: their number on reaching which it was to be learned;
    `is_steady`: whether what changes or leaves later stays learned; `made_by`: digest of rules and code.
    """

    records: pl.DataFrame
    step: int
    growth: float
    is_steady: bool
    made_by: int

    @classmethod
    def of(cls, party: pl.DataFrame, marked: pl.DataFrame, policy: IdentityPolicy, made_by: int) -> RefitPlan:
        """That of the records of `party`; `marked`: their digests, as of `memory.marks`."""
        step = min(policy.settled, party.height)
        while 0 < step * policy.growth <= party.height:
            step = ceil(step * policy.growth)
        records = marked.with_columns(party["drop_date"])
        return cls(records, step, policy.growth, party.height >= policy.steady, made_by)

    @property
    def until(self) -> date:
        """The newest night to learn from; the first of all days where there are no records."""
        nights = self.records["drop_date"].value_counts().sort("drop_date")
        return nights.filter(pl.col("count").cum_sum() >= self.step)["drop_date"].min() or date.min

    def model(self, before: IdentityState | None, policy: IdentityPolicy) -> Model | None:
        """The model of before, where it still holds."""
        if before is None or before.model.is_empty() or before.model["made_by"][0] != self.made_by:
            return None
        told = before.model.row(0, named=True)
        is_same = (self.until, self._learned(self.until)) == (told["trained_until_date"], told["learned"])
        return Model.of(before.model, before.frequency, policy) if is_same or self._stays(told, before) else None

    def _stays(self, told: dict[str, object], before: IdentityState) -> bool:
        """Whether a model holds though some of what it was learned from has changed or left.

        Not where more records have come than it was learned for, or late ones that it should have been learned from, or
        where too many of these have left.
        """
        of_then = self.records.filter(pl.col("drop_date") <= told["trained_until_date"])
        late = of_then.join(before.seen, on="record", how="anti").height if before.seen.height else 0
        learned_count = told["training_record_count"]
        return self.is_steady and not late and self.step <= learned_count <= of_then.height * self.growth

    def _learned(self, until: date) -> int:
        """A digest of the records until a night, and of all that they say."""
        of_then = self.records.filter(pl.col("drop_date") <= until)
        # The sum wraps around, as it may.
        return int(of_then["fingerprint"].sum())

    def stored(self, model: Model) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A model that was learned tonight as rows of `MODEL` and of `FREQUENCY`."""
        rows, frequency = model.rows()
        told = rows.with_columns(
            trained_until_date=pl.lit(self.until, pl.Date()),
            training_record_count=self.records.filter(pl.col("drop_date") <= self.until).height,
            learned=pl.lit(self._learned(self.until), pl.Int64()),
            made_by=pl.lit(self.made_by, pl.Int64()),
            versions=pl.lit(""),
        )
        return MODEL.conform(told.lazy()).collect().sort(MODEL.key), frequency
