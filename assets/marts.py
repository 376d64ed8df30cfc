"""Marts and the people behind them, for those who hold the lake and its keys: publication, history, audits."""

import re

import polars as pl

from assets.policies import register
from cdp_pipelines.consent import Purpose
from cdp_pipelines.golden import mart as golden
from cdp_pipelines.golden.pseudonym import evidence_reference, holders
from cdp_pipelines.tables import CUSTOMER, DECISION, PROVENANCE
from warehouse import serving
from warehouse.keys import mart_key
from warehouse.lake import Lake
from warehouse.subject import one_of


def people_of(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Customers whose rows the mart holds, or whom it counts; customer_id."""
    if purpose.aggregate:
        return _counted(lake, purpose).select("customer_id").collect()
    rows = lake.scan(golden.mart_table(purpose)).select(subject_key=golden.column_of(purpose, golden.KEY))
    known = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key)
    return holders(rows, known, mart_key(lake.path, purpose.key)).select("customer_id").collect()


def rows_of(lake: Lake, purpose: Purpose, rows: pl.LazyFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart of persons that are of these customers (customer_id), found by their keys in it."""
    names = customers.select(golden.subject_key("customer_id", mart_key(lake.path, purpose.key)))
    return rows.filter(one_of(golden.column_of(purpose, golden.KEY), names.to_series())).collect()


def holders_of(lake: Lake, key: str, rows: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart that are of these customers, each with its customer_id in place of its key in the mart."""
    own = golden.column_of(register()[key], golden.KEY)
    named = rows.lazy().rename({own: "subject_key"})
    return holders(named, customers.lazy(), mart_key(lake.path, key)).drop("subject_key").collect()


def published(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Rows of a mart of persons in the served file, with the customer_id of each beside them."""
    table = golden.mart_table(purpose)
    rows = serving.rows(lake, table, purpose.key).lazy().with_columns(subject_key=golden.column_of(purpose, golden.KEY))
    known = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key)
    found = holders(rows, known, mart_key(lake.path, purpose.key))
    return found.select("customer_id", *table.schema).collect()


def may_be_published(lake: Lake, purpose: Purpose, rows: pl.DataFrame, decisions: pl.LazyFrame) -> pl.DataFrame:
    """Rows of a mart that these decisions still allow, in groups as large as declared; see `golden.mart.justified`.

    Of an aggregate all, or none: where somebody whom it counts has lost the right, or a cell is too small to be told.
    """
    if purpose.aggregate is None:
        kept = golden.justified(purpose, rows.lazy(), decisions, mart_key(lake.path, purpose.key)).collect()
        return golden.protected(purpose, kept)
    is_small = rows.filter(pl.col(golden.PEOPLE) < purpose.minimum_group).height > 0
    lost = golden.counted_without_right(purpose, _counted(lake, purpose), decisions).collect()
    return rows.clear() if is_small or lost.height else rows


def is_key(name: str) -> bool:
    """Whether this has the form of a key or an evidence reference of a mart."""
    return re.fullmatch("[0-9a-f]{64}", name) is not None


def named_in(lake: Lake, purpose: Purpose, name: str) -> str | None:
    """The customer who has this key or this evidence reference in a mart, now or before; None where nobody has."""
    if purpose.aggregate or not purpose.columns:
        return None
    key = mart_key(lake.path, purpose.key)
    decided = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key, "is_allowed")
    told = evidence_reference(decided, key).with_columns(golden.subject_key("customer_id", key).alias("subject_key"))
    found = told.filter((pl.col("subject_key") == name) | (pl.col("evidence_reference") == name))
    ids = found.select(pl.col("customer_id").unique()).collect()["customer_id"]
    return ids.item() if ids.len() else None


def _counted(lake: Lake, purpose: Purpose) -> pl.LazyFrame:
    return golden.members(purpose, lake.scan(DECISION), lake.scan(PROVENANCE), lake.scan(CUSTOMER))[0]
