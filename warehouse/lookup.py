"""Look-ups of one person's rows that skip the rows of others.

Here belong predicates on the columns by which the rows of a table are sorted (`Table.found_by`, or its key), so that
groups of rows that cannot match are skipped. Reports on a person are in `cdp_pipelines.services`.
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

NEVER = pl.lit(value=False)


def is_in(column: str, values: Iterable[object]) -> pl.Expr:
    """Whether a column is one of these values. A plain list lets Polars skip row groups."""
    return pl.col(column).is_in(list(values))


def find_customers(lake: Lake, values: Iterable[str]) -> pl.DataFrame:
    """Rows of `IDENTIFIER` with any of these values, of any kind."""
    return lake.scan(IDENTIFIER).filter(is_in("value", values)).collect()


def standard_forms(identifier: str) -> list[str]:
    """Forms in which the lake may store an identifier that somebody typed."""
    value = identifier.strip()
    return sorted({value, value.lower(), re.sub(r"[^\d+]", "", value)} - {""})


def find_records(lake: Lake, customers: Iterable[str]) -> pl.DataFrame:
    """Rows of `CLUSTER` of these customers, in order of its key."""
    return lake.scan(CLUSTER).filter(is_in("customer_id", customers)).collect().sort(CLUSTER.key)


def match_records(records: pl.DataFrame, channel: str = "channel", record: str = "source_record_id") -> pl.Expr:
    """Whether a row is about one of these `records`; `channel` and `record` name the row's columns."""
    conditions = (
        (pl.col(channel) == name) & is_in(record, of_channel["source_record_id"])
        for (name,), of_channel in records.select(RECORD_KEY).group_by("channel", maintain_order=True)
    )
    return reduce(or_, conditions, NEVER)


def read_records_of(lake: Lake, table: Table, records: pl.DataFrame) -> pl.DataFrame:
    """Rows about these `records` of a table that is keyed by record."""
    return lake.scan(table).filter(match_records(records)).collect()


def list_record_identifiers(party: pl.DataFrame) -> pl.DataFrame:
    """Identifiers in rows of `PARTY`; columns kind and value, key both, sorted."""
    return (
        party.select(IDENTIFIER_KINDS)
        .unpivot(on=list(IDENTIFIER_KINDS), variable_name="kind", value_name="value")
        .drop_nulls()
        .unique()
        .sort("kind", "value")
    )
