"""Marts and the people behind them, for those who hold the lake and its keys: publication, history, audits."""

import re

import polars as pl

from cdp_pipelines.marts import mart as golden
from cdp_pipelines.marts.pseudonym import find_holders, reference_evidence
from cdp_pipelines.purposes import Purpose
from cdp_pipelines.schema import CUSTOMER, DECISION, PROVENANCE
from cdp_pipelines.services.declarations import load_company_register
from warehouse.delta.lake import Lake
from warehouse.keys import mart_key
from warehouse.lookup import is_in
from warehouse.serving import mart_file as serving


def find_people(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Customers whose rows the mart holds, or whom it counts; customer_id."""
    if purpose.aggregate:
        return _counted(lake, purpose).select("customer_id").collect()
    rows = lake.scan(golden.build_mart_table(purpose)).select(subject_key=golden.find_column(purpose, golden.KEY))
    known = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key)
    return find_holders(rows, known, mart_key(lake.path, purpose.key)).select("customer_id").collect()


def select_rows_of(lake: Lake, purpose: Purpose, rows: pl.LazyFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart of persons that are of these customers (customer_id), found by their keys in it."""
    names = customers.select(golden.pseudonymise("customer_id", mart_key(lake.path, purpose.key)))
    return rows.filter(is_in(golden.find_column(purpose, golden.KEY), names.to_series())).collect()


def resolve_customers(lake: Lake, key: str, rows: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
    """Rows of a mart that are of these customers, each with its customer_id in place of its key in the mart."""
    own = golden.find_column(load_company_register()[key], golden.KEY)
    named = rows.lazy().rename({own: "subject_key"})
    return find_holders(named, customers.lazy(), mart_key(lake.path, key)).drop("subject_key").collect()


def read_published(lake: Lake, purpose: Purpose) -> pl.DataFrame:
    """Rows of a mart of persons in the served file, with the customer_id of each beside them."""
    table = golden.build_mart_table(purpose)
    rows = (
        serving.read_rows(lake, table, purpose.key)
        .lazy()
        .with_columns(subject_key=golden.find_column(purpose, golden.KEY))
    )
    known = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key)
    found = find_holders(rows, known, mart_key(lake.path, purpose.key))
    return found.select("customer_id", *table.schema).collect()


def select_publishable(lake: Lake, purpose: Purpose, rows: pl.DataFrame, decisions: pl.LazyFrame) -> pl.DataFrame:
    """Rows of a mart that these decisions still allow, in groups as large as declared; see `golden.mart.justified`.

    Of an aggregate all, or none: where somebody whom it counts has lost the right, or a cell is too small to be told.
    """
    if purpose.aggregate is None:
        kept = golden.select_justified(purpose, rows.lazy(), decisions, mart_key(lake.path, purpose.key)).collect()
        return golden.protect(purpose, kept)
    is_small = rows.filter(pl.col(golden.PEOPLE) < purpose.minimum_group).height > 0
    lost = golden.find_counted_without_right(purpose, _counted(lake, purpose), decisions).collect()
    return rows.clear() if is_small or lost.height else rows


def is_mart_key(name: str) -> bool:
    """Whether this has the form of a key or an evidence reference of a mart."""
    return re.fullmatch("[0-9a-f]{64}", name) is not None


def find_by_mart_key(lake: Lake, purpose: Purpose, name: str) -> str | None:
    """The customer who has this key or this evidence reference in a mart, now or before; None where nobody has."""
    if purpose.aggregate or not purpose.columns:
        return None
    key = mart_key(lake.path, purpose.key)
    decided = lake.scan(DECISION).filter(pl.col("purpose") == purpose.key, "is_allowed")
    told = reference_evidence(decided, key).with_columns(golden.pseudonymise("customer_id", key).alias("subject_key"))
    found = told.filter((pl.col("subject_key") == name) | (pl.col("evidence_reference") == name))
    ids = found.select(pl.col("customer_id").unique()).collect()["customer_id"]
    return ids.item() if ids.len() else None


def _counted(lake: Lake, purpose: Purpose) -> pl.LazyFrame:
    return golden.select_members(purpose, lake.scan(DECISION), lake.scan(PROVENANCE), lake.scan(CUSTOMER))[0]
