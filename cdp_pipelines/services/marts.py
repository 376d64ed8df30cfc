"""Marts and the people behind their rows, found by the lake's keys: for publication, history and audits.

Here belongs reading marts together with their keys. How a mart is built is in `cdp_pipelines.marts`.
"""

import re
from functools import lru_cache

import polars as pl

from cdp_pipelines.marts.aggregate import PEOPLE
from cdp_pipelines.marts.mart import (
    build_mart_table,
    find_column,
    find_counted_without_right,
    protect,
    select_justified,
    select_members,
)
from cdp_pipelines.marts.pseudonym import find_holders, pseudonymise, reference_evidence
from cdp_pipelines.purposes import Purpose
from cdp_pipelines.purposes.mart_terms import KEY
from cdp_pipelines.schema import CUSTOMER, DECISION, MEMBERSHIP, PROVENANCE
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.declarations import load_company_register
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.lookup import is_in
from warehouse.serving import mart_file


def find_people(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Customers whose rows the mart has, or whom it counts; customer_id."""
    if purpose.aggregate:
        return _select_counted(lake, purpose).select("customer_id").collect()
    rows = lake.scan(build_mart_table(purpose)).select(subject_key=find_column(purpose, KEY))
    known = _list_decided(lake, lake.name_version(DECISION.name)).lazy()
    return find_holders(rows, known, mart_key(lake.path, purpose.key)).select("customer_id").collect()


@lru_cache(maxsize=1)
def _list_decided(lake: Lake, _: str | None) -> pl.DataFrame:
    """Every customer of any decision, read once for marts that are looked through one after another; customer_id."""
    return lake.scan(DECISION).select(pl.col("customer_id").unique()).collect()


def select_rows_of(lake: Lake, purpose: Purpose, rows: pl.LazyFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of these customers (customer_id) in a mart with rows of people, found by their keys in it."""
    keys = customers.select(pseudonymise("customer_id", mart_key(lake.path, purpose.key)))
    return rows.filter(is_in(find_column(purpose, KEY), keys.to_series())).collect()


def resolve_customers(lake: Lake, key: str, rows: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of these customers in a mart, each with its customer_id in place of its key in the mart."""
    renamed = rows.lazy().rename({find_column(load_company_register()[key], KEY): "subject_key"})
    return find_holders(renamed, customers.lazy(), mart_key(lake.path, key)).drop("subject_key").collect()


def read_published(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Rows of a mart with rows of people in the served file, each with its customer_id."""
    table = build_mart_table(purpose)
    rows = mart_file.read_rows(lake, table, purpose.key).lazy().with_columns(subject_key=find_column(purpose, KEY))
    known = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key)
    holders = find_holders(rows, known, mart_key(lake.path, purpose.key))
    return holders.select("customer_id", *table.schema).collect()


def select_publishable(lake: Lake, purpose: Purpose, rows: pl.DataFrame, decisions: pl.LazyFrame) -> pl.DataFrame:
    """Rows of a mart that these decisions still allow, in groups as large as declared.

    Of an aggregate all rows, or none: none where a counted customer has lost the right, or where a cell is too small.
    """
    if purpose.aggregate is None:
        justified = select_justified(purpose, rows.lazy(), decisions, mart_key(lake.path, purpose.key)).collect()
        return protect(purpose, justified)
    is_small = rows.filter(pl.col(PEOPLE) < purpose.minimum_group).height > 0
    lost = find_counted_without_right(purpose, _select_counted(lake, purpose), decisions).collect()
    return rows.clear() if is_small or lost.height else rows


def read_mart(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Rows of a mart in the columns that its purpose declares, whatever columns it was written with; else null.

    No rows where the mart was written without the columns of its key.
    """
    table = build_mart_table(purpose)
    rows = lake.read(table)
    if not {*table.key} <= {*rows.columns}:
        return table.empty()
    known = rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items() if name in rows.columns)
    return pl.concat([table.empty(), known], how="diagonal")


def select_lasting(lake: Lake, purpose: Purpose, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of an earlier night that the decisions in force still allow.

    Of an aggregate all rows, or none where somebody who was counted in it has lost the right.
    """
    decisions = current(lake.scan(DECISION))
    if purpose.aggregate is None:
        return select_publishable(lake, purpose, rows, decisions)
    counted = current(lake.scan(MEMBERSHIP)).filter(purpose=purpose.key).select("customer_id")
    allowed = decisions.filter(pl.col("is_allowed"), purpose=purpose.key)
    return rows if counted.join(allowed, on="customer_id", how="anti").collect().is_empty() else rows.clear()


def is_mart_key(name: str) -> bool:
    """Whether this has the form of a key or an evidence reference of a mart."""
    return re.fullmatch("[0-9a-f]{64}", name) is not None


def find_by_mart_key(lake: Lake, purpose: Purpose, name: str) -> str | None:
    """The customer with this key or this evidence reference in a mart, now or before; None where there is none."""
    if purpose.aggregate or not purpose.columns:
        return None
    key = mart_key(lake.path, purpose.key)
    decided = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key, "is_allowed")
    names = reference_evidence(decided, key).with_columns(pseudonymise("customer_id", key).alias("subject_key"))
    holders = names.filter((pl.col("subject_key") == name) | (pl.col("evidence_reference") == name))
    ids = holders.select(pl.col("customer_id").unique()).collect()["customer_id"]
    return str(ids.item()) if ids.len() else None


def _select_counted(lake: Lake, purpose: Purpose) -> pl.LazyFrame:
    return select_members(purpose, lake.scan(DECISION), lake.scan(PROVENANCE), lake.scan(CUSTOMER)).allowed.lazy()
