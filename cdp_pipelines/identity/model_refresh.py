"""Model refresh: from which records the model is trained, and whether the last night's model still holds.

When to train belongs here, how in `fellegi_sunter` and `classifiers`. A model that every night changed a little would
change the weight of every link every night. So it is trained on the nights up to the one in which the number of records
reached the last step of a ladder, each step `growth` times the one before; below the first step, on all records. Which
records these are depends on the records alone: night by night it is the same as all at once. If one of them changes or
leaves, the model is trained anew, unless there are so many (`frozen_above`) that a single one makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from cdp_pipelines.identity.model import load_model
from cdp_pipelines.schema import MODEL

if TYPE_CHECKING:
    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.state import IdentityState
    from cdp_pipelines.schema import FrequencyRows, ModelRows, PartyRows


@dataclass(frozen=True, slots=True)
class RefitPlan:
    """On which records tonight's model is to be trained.

    `records`: drop_date, record_digest and fingerprint of each record; `step`: the number of records on reaching which
    the model was to be trained; `is_frozen`: whether later changes of training records leave the model as it is;
    `configuration`: digest of rules and code.
    """

    records: pl.DataFrame
    step: int
    growth: float
    is_frozen: bool
    configuration: int

    @classmethod
    def of(cls, party: PartyRows, fingerprints: pl.DataFrame, policy: IdentityPolicy, configuration: int) -> RefitPlan:
        """The plan for the records of `party`; `fingerprints`: as of `fingerprint_records`."""
        refit = policy.refit
        step = min(refit.min_records, party.height)
        while 0 < step * refit.growth <= party.height:
            step = ceil(step * refit.growth)
        records = fingerprints.with_columns(party["drop_date"])
        return cls(records, step, refit.growth, party.height >= refit.frozen_above, configuration)

    @property
    def until(self) -> date:
        """The newest night to train on; the first possible date if there are no records."""
        nights = self.records["drop_date"].value_counts().sort("drop_date")
        reached = nights.filter(pl.col("count").cum_sum() >= self.step)["drop_date"].min()
        return cast("date | None", reached) or date.min

    def reuse_model(self, previous: IdentityState | None, policy: IdentityPolicy) -> Model | None:
        """The previous night's model if it still holds."""
        if previous is None or previous.model.is_empty():
            return None
        trained = previous.model.row(0, named=True)
        if trained["configuration_digest"] != self.configuration:
            return None
        is_same = (self.until, self._digest_training(self.until)) == (
            trained["trained_until_date"],
            trained["training_digest"],
        )
        if is_same or self._is_kept(trained, previous):
            return load_model(previous.model, previous.frequency, policy)
        return None

    def _is_kept(self, trained: dict[str, Any], previous: IdentityState) -> bool:
        """Whether a frozen model holds though some of its training records have changed or left.

        It does not if more records have come than it was trained for, or late ones that it should have been trained on,
        or if too many of its records have left.
        """
        of_then = self.records.filter(pl.col("drop_date") <= trained["trained_until_date"])
        known = previous.records
        late = of_then.join(known, on="record_digest", how="anti").height if known.height else 0
        trained_count: int = trained["training_record_count"]
        return self.is_frozen and not late and self.step <= trained_count <= of_then.height * self.growth

    def _digest_training(self, until: date) -> int:
        """A digest of the records until a night, and of all their fields."""
        of_then = self.records.filter(pl.col("drop_date") <= until)
        # The sum may wrap around.
        return int(of_then["fingerprint"].sum())

    def describe_model(self, model: Model) -> tuple[ModelRows, FrequencyRows]:
        """A model that was trained tonight as rows of `MODEL`, without the versions of the tables, and `FREQUENCY`."""
        rows, frequency = model.to_rows()
        described = rows.with_columns(
            trained_until_date=pl.lit(self.until, pl.Date()),
            training_record_count=self.records.filter(pl.col("drop_date") <= self.until).height,
            training_digest=pl.lit(self._digest_training(self.until), pl.Int64()),
            configuration_digest=pl.lit(self.configuration, pl.Int64()),
            table_versions=pl.lit(""),
        )
        return MODEL.conform(described.lazy()).collect().sort(MODEL.key), frequency
