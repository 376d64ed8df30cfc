"""One person's rows, found without reading everybody's.

Every question here is a predicate on the columns by which a table is laid (`Table.found_by`, or its key), so that the
groups of rows that cannot hold an answer are passed over.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.tables import CLUSTER, IDENTIFIER, IDENTIFIERS, RECORD, Table

if TYPE_CHECKING:
    from collections.abc import Collection

    from warehouse.lake import Lake

NONE = pl.lit(value=False)


def customers_of(lake: Lake, values: Collection[str]) -> pl.DataFrame:
    """Rows of `IDENTIFIER` with any of these values, of any kind."""
    return lake.scan(IDENTIFIER).filter(pl.col("value").is_in(list(values))).collect()


def written(identifier: str) -> list[str]:
    """Forms in which the lake may hold an identifier as somebody writes it."""
    value = identifier.strip()
    return sorted({value, value.lower(), re.sub(r"[^\d+]", "", value)} - {""})


def records_of(lake: Lake, customers: Collection[str]) -> pl.DataFrame:
    """Rows of `CLUSTER` of these customers, in order of its key."""
    return lake.scan(CLUSTER).filter(pl.col("customer_id").is_in(list(customers))).collect().sort(CLUSTER.key)


def are_records(records: pl.DataFrame, channel: str = "channel", record: str = "source_record_id") -> pl.Expr:
    """Is a row about one of these `records`? `channel` and `record` are what its columns are called."""
    named = (
        (pl.col(channel) == key) & pl.col(record).is_in(mine["source_record_id"].implode())
        for (key,), mine in records.select(RECORD).group_by("channel", maintain_order=True)
    )
    return reduce(or_, named, NONE)


def of_records(lake: Lake, table: Table, records: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table keyed by record that are about these `records`."""
    return lake.scan(table).filter(are_records(records)).collect()


def identifiers_of(party: pl.DataFrame) -> pl.DataFrame:
    """Identifiers that rows of `PARTY` carry; kind and value, key both, sorted."""
    return (
        party.select(IDENTIFIERS)
        .unpivot(on=list(IDENTIFIERS), variable_name="kind", value_name="value")
        .drop_nulls()
        .unique()
        .sort("kind", "value")
    )
