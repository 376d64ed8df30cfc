"""One customer as an access report reads them: their records, identifiers and rows, each read when it is needed.

Here belongs what every section of the report shares. The sections are in `subject_records` and `access_report`.
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cdp_pipelines.schema import INTERACTION, PARTY, Table
from warehouse.delta.lake import Lake
from warehouse.lookup import find_customers, find_records, list_record_identifiers, read_records_of


@dataclass(frozen=True)
class ReportSubject:
    """One customer of a lake; each table is read once, and only the rows of the customer."""

    lake: Lake
    customer_id: str

    @cached_property
    def records(self) -> pl.DataFrame:
        """Rows of `CLUSTER`."""
        return find_records(self.lake, [self.customer_id])

    @cached_property
    def party(self) -> pl.DataFrame:
        """Rows of `PARTY`."""
        return read_records_of(self.lake, PARTY, self.records)

    @cached_property
    def interactions(self) -> pl.DataFrame:
        """Rows of `INTERACTION`."""
        return read_records_of(self.lake, INTERACTION, self.records)

    @cached_property
    def identifiers(self) -> pl.DataFrame:
        """kind, value and is_exclusive of the identifiers by which consent events and requests find the customer."""
        own = list_record_identifiers(self.party)
        known = find_customers(self.lake, own["value"]).filter(customer_id=self.customer_id)
        return own.join(known.select("kind", "value", "is_exclusive"), on=["kind", "value"], how="left")

    def rows(self, table: Table) -> pl.DataFrame:
        """Rows of a table with their customer_id."""
        return self.lake.scan(table).filter(pl.col("customer_id") == self.customer_id).collect()

    def by_channel(self) -> list[tuple[str, pl.DataFrame]]:
        """Channel and its records, in order of channels."""
        return [(str(name), records) for (name,), records in sorted(self.records.group_by("channel"))]
