"""Until when the model holds: it is learned from the nights until the records last grew so much, and stays till then.

A model that every night moved a little would change every link's weight every night. So it is learned from what was
there when the number of records reached the last step of a ladder, each a `policy.growth` above the one before: which
records these are depends on the records alone, and night by night it is what it is all at once. Below the ladder it is
learned anew each night. What leaves later stays learned, until so much of it has left that it is learned anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.model import Model
from cdp_pipelines.tables import MODEL

if TYPE_CHECKING:
    from cdp_pipelines.identity.memory import Memory
    from cdp_pipelines.identity.policy import IdentityPolicy


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a model is to be learned from, tonight.

    `records`: drop_date and record of each; `step`: the number of records from whose night on it holds, None where
    every night learns anew; `decided`, `made_by`: digests of decisions, and of rules and code.
    """

    records: pl.DataFrame
    step: int | None
    growth: float
    decided: int
    made_by: int

    @classmethod
    def of(
        cls, party: pl.DataFrame, marked: pl.DataFrame, policy: IdentityPolicy, review: pl.DataFrame, made_by: int
    ) -> Epoch:
        """That of the records of `party`, whose digests `marked` has; `review`: `REVIEW`."""
        step = policy.settled if party.height >= policy.settled else None
        while step and step * policy.growth <= party.height:
            step = int(step * policy.growth)
        decided = review.drop("decided_by", "decided_at").hash_rows(seed=0).reinterpret(signed=True).sum()
        return cls(pl.DataFrame([party["drop_date"], marked["record"]]), step, policy.growth, decided, made_by)

    @property
    def until(self) -> date:
        """The newest night to learn from; the first of all days where there are no records."""
        nights = self.records["drop_date"].value_counts().sort("drop_date")
        enough = nights.filter(pl.col("count").cum_sum() >= (self.step or self.records.height))
        return enough["drop_date"].min() or date.min

    def model(self, before: Memory | None, policy: IdentityPolicy) -> Model | None:
        """The model of before, where it still holds.

        It does not where the rules, the code or a decision is another, where more records have come than it was learned
        for, or some that it should have been learned from, or where too many of these have left.
        """
        if before is None or before.model.is_empty():
            return None
        told = before.model.row(0, named=True)
        if (told["made_by"], told["decided"]) != (self.made_by, self.decided):
            return None
        of_then = self.records.filter(pl.col("drop_date") <= told["learned_until"])
        ours = of_then if self.step else self.records
        n_learned, n_least = told["learned_from"], self.step or 0
        if not n_least <= n_learned <= of_then.height * self.growth or ours.height > n_learned:
            return None
        if not before.seen.is_empty() and ours.join(before.seen, on="record", how="anti").height:
            return None
        return Model.of(before.model, before.frequency, policy)

    def stored(self, model: Model) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A model that was learned tonight as rows of `MODEL` and of `FREQUENCY`."""
        rows, frequency = model.rows()
        told = rows.with_columns(
            learned_until=pl.lit(self.until, pl.Date()),
            learned_from=self.records.filter(pl.col("drop_date") <= self.until).height,
            made_by=pl.lit(self.made_by, pl.Int64()),
            decided=pl.lit(self.decided, pl.Int64()),
            versions=pl.lit(""),
        )
        return MODEL.conform(told.lazy()).collect().sort(MODEL.key), frequency
