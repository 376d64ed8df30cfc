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

from cdp_pipelines.schema import CLUSTER, IDENTIFIER, IDENTIFIER_KINDS, RECORD_KEY, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.delta.lake import Lake

NONE = pl.lit(value=False)


def is_in(column: str, values: Iterable[object]) -> pl.Expr:
    """Is a column one of these values? A plain list, for by nothing else does Polars pass groups of rows over."""
    return pl.col(column).is_in(list(values))


def find_customers(lake: Lake, values: Iterable[str]) -> pl.DataFrame:
    """Rows of `IDENTIFIER` with any of these values, of any kind."""
    return lake.scan(IDENTIFIER).filter(is_in("value", values)).collect()


def standard_forms(identifier: str) -> list[str]:
    """Forms in which the lake may hold an identifier as somebody writes it."""
    value = identifier.strip()
    return sorted({value, value.lower(), re.sub(r"[^\d+]", "", value)} - {""})


def find_records(lake: Lake, customers: Iterable[str]) -> pl.DataFrame:
    """Rows of `CLUSTER` of these customers, in order of its key."""
    return lake.scan(CLUSTER).filter(is_in("customer_id", customers)).collect().sort(CLUSTER.key)


def match_records(records: pl.DataFrame, channel: str = "channel", record: str = "source_record_id") -> pl.Expr:
    """Is a row about one of these `records`? `channel` and `record` are what its columns are called."""
    named = (
        (pl.col(channel) == key) & is_in(record, mine["source_record_id"])
        for (key,), mine in records.select(RECORD_KEY).group_by("channel", maintain_order=True)
    )
    return reduce(or_, named, NONE)


def read_records_of(lake: Lake, table: Table, records: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table keyed by record that are about these `records`."""
    return lake.scan(table).filter(match_records(records)).collect()


def list_record_identifiers(party: pl.DataFrame) -> pl.DataFrame:
    """Identifiers that rows of `PARTY` carry; kind and value, key both, sorted."""
    return (
        party.select(IDENTIFIER_KINDS)
        .unpivot(on=list(IDENTIFIER_KINDS), variable_name="kind", value_name="value")
        .drop_nulls()
        .unique()
        .sort("kind", "value")
    )
