"""What the marts rest on, read once for marts that are built one after another.

Here belong reading these tables and telling whether anything has changed for one purpose. Building is `mart_build`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import CUSTOMER, DECISION, PROVENANCE
from cdp_pipelines.schema.interval import current

if TYPE_CHECKING:
    from cdp_pipelines.purposes import Purpose
    from cdp_pipelines.schema import ProvenanceRows
    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class MartInputs:
    """`decided`: purpose to a digest of its decisions in force. `values`: rows of `PROVENANCE`. `customers`: ids."""

    decided: dict[str, int]
    values: ProvenanceRows
    value_digests: pl.Series
    customers: pl.DataFrame

    @classmethod
    def read(cls, lake: Lake) -> MartInputs:
        """Those of the lake as it is."""
        return _read(lake, tuple(lake.name_version(table.name) for table in (DECISION, PROVENANCE, CUSTOMER)))

    def describe(self, purpose: Purpose) -> str:
        """A text that is another one as soon as a row has changed that the purpose may use."""
        is_usable = self.values.select(pl.col("collected_for").list.contains(purpose.key)).to_series()
        parts = (self.decided.get(purpose.key, 0), self.value_digests.filter(is_usable).sum(), is_usable.sum())
        return " ".join(map(str, (*parts, self.customers.height, self.customers.hash_rows().sum())))


@lru_cache(maxsize=1)
def _read(lake: Lake, _: tuple[str | None, ...]) -> MartInputs:
    # A digest of each row in turn takes a third of the memory of all rows at once.
    digests = current(lake.scan(DECISION)).select("purpose", pl.struct(pl.all()).hash().alias("digest"))
    decided = digests.group_by("purpose").agg(pl.col("digest").sum()).collect(engine="streaming")
    values = lake.scan(PROVENANCE).collect()
    customers = lake.scan(CUSTOMER).select("customer_id").collect()
    return MartInputs(dict(decided.iter_rows()), values, values.hash_rows(), customers)
