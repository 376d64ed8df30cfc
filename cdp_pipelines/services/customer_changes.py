"""The customers whose rows a step has to compute again: those for whom something has changed that the rows rest on.

A step makes one number for each customer out of everything that the customer's rows rest on, as it is at the instant of
the run. So new and removed records, merges and splits, the will of another holder of a contact point, and the mere
passing of time all show as another number. Which rows a number is made of belongs in the step's domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from cdp_pipelines.services.checked_write import StagedWrite
from cdp_pipelines.services.step_memory import describe_environment
from warehouse.state_file import read_frame_state, store_frame_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdp_pipelines.schema import Table
    from warehouse.delta.lake import Lake

    Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

CUSTOMER_ID = "customer_id"
# Customers whose rows are computed at once: the memory that a step takes follows them, not the history of the lake.
BUCKET_CUSTOMERS = 25_000


@dataclass(frozen=True)
class CustomerChanges:
    """Customers to compute again.

    `ids`: their ids, also of those who have no rows any more; None for every customer.
    """

    ids: pl.Series | None

    @property
    def is_of_changed(self) -> pl.Expr:
        """Whether a row is of one of these customers."""
        if self.ids is None:
            return pl.lit(value=True)
        return pl.col(CUSTOMER_ID).is_in(self.ids.implode()) if self.ids.len() else pl.lit(value=False)

    def select(self, rows: Frame) -> Frame:
        """The rows of these customers."""
        return rows if self.ids is None else rows.filter(self.is_of_changed)

    def include(self, ids: pl.Series) -> CustomerChanges:
        """With other customers too."""
        return self if self.ids is None else CustomerChanges(pl.concat([self.ids, ids]).unique())

    def complete(self, lake: Lake, table: Table, rows: pl.DataFrame) -> pl.LazyFrame:
        """A table as it will be with these new rows: those of all other customers stay."""
        if self.ids is None:
            return rows.lazy()
        return pl.concat([lake.scan(table).filter(~self.is_of_changed), rows.lazy()])

    def stage(self, lake: Lake, table: Table, rows: pl.DataFrame, metadata: Mapping[str, object]) -> StagedWrite:
        """The write that puts these new rows in place of those of these customers."""
        if self.ids is None:
            return StagedWrite(table, rows, partial(lake.replace, table, rows), metadata)
        write = partial(lake.merge, table, self.is_of_changed, rows)
        return StagedWrite(table, rows, write, metadata, replaced=self.is_of_changed)


def find_customer_changes(
    lake: Lake, tables: Sequence[Table], digests: pl.DataFrame, as_of: datetime
) -> CustomerChanges:
    """Customers whose number has changed since the step that writes these tables last ran.

    `digests`: customer_id, digest. All customers where the tables are not as the step left them, where the code, a
    declaration or a key has changed, or where the step last ran as of a later instant.
    """
    stored = read_frame_state(lake.path, _name(tables))
    if stored is None:
        return CustomerChanges(None)
    before, about = stored
    expected = _describe(lake, tables)
    is_known = before.schema == digests.schema and all(about.get(name) == text for name, text in expected.items())
    if not is_known or datetime.fromisoformat(about["as_of"]) > as_of:
        return CustomerChanges(None)
    new = digests.join(before, on=[CUSTOMER_ID, "digest"], how="anti")[CUSTOMER_ID]
    gone = before.join(digests, on=CUSTOMER_ID, how="anti")[CUSTOMER_ID]
    return CustomerChanges(pl.concat([new, gone]))


def split_customers(ids: pl.Series) -> list[pl.Series]:
    """Buckets of customers that are computed one after another; at least one, and always the same for the same ids."""
    count = max(1, -(-ids.len() // BUCKET_CUSTOMERS))
    return [ids.filter(ids.hash() % count == number) for number in range(count)]


def store_customer_digests(lake: Lake, tables: Sequence[Table], digests: pl.DataFrame, as_of: datetime) -> None:
    """Store the numbers from which a step has written these tables."""
    store_frame_state(lake.path, _name(tables), digests, {**_describe(lake, tables), "as_of": str(as_of)})


def _describe(lake: Lake, tables: Sequence[Table]) -> dict[str, str]:
    versions = {table.name: str(lake.name_version(table.name)) for table in tables}
    return {"environment": describe_environment(lake), **versions}


def _name(tables: Sequence[Table]) -> str:
    return f"customers.{tables[0].name}"
