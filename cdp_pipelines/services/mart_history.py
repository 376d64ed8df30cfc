"""The history of marts: who was in which mart and when, and which published rows must be corrected.

audit/membership and audit/correction belong here; building and publishing a mart does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.marts.correction import build_corrections, find_split_customers
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.marts.membership import update_membership
from cdp_pipelines.marts.pseudonym import pseudonymise
from cdp_pipelines.schema import CORRECTION, DECISION, HISTORY, MEMBERSHIP, RUN, Table
from cdp_pipelines.schema.interval import current
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.decisions import select_allowed_now
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.marts import find_people, resolve_customers, select_publishable
from warehouse.keys import mart_key
from warehouse.lookup import is_in
from warehouse.serving import mart_file as serving

if TYPE_CHECKING:
    from datetime import date, datetime

    from warehouse.delta.lake import Lake


def list_mart_tables() -> dict[str, Table]:
    """The mart of every purpose that has one, by purpose."""
    return {purpose.key: build_mart_table(purpose) for purpose in load_company_register().values() if purpose.columns}


def record_membership(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Record who entered a mart tonight and who left it, and why."""
    people = {key: find_people(lake, load_company_register()[key]) for key in list_mart_tables()}
    history = update_membership(lake.read(MEMBERSHIP), people, current(lake.scan(DECISION)), as_of)
    entered, left = (history.filter(pl.col(name) == as_of)["purpose"] for name in ("valid_from", "valid_to"))
    metadata = {
        f"{label} tonight": dict(purposes.value_counts().sort("purpose").iter_rows())
        for label, purposes in (("entered", entered), ("left", left))
    }
    staged = StagedWrite(MEMBERSHIP, history, lambda: lake.replace(MEMBERSHIP, history), metadata)
    return check_and_write(lake, night, staged)


def list_split_customers(lake: Lake, as_of: datetime) -> pl.DataFrame:
    """Customers who were split since the last run; see `find_split_customers`."""
    last = lake.scan(RUN).filter(pl.col("as_of") < as_of).select(pl.col("as_of").max()).collect().item()
    return find_split_customers(lake.scan(HISTORY), last, as_of)


def record_corrections(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Record which published rows of customers who were split since the last night must be corrected, and how."""
    split = list_split_customers(lake, as_of)
    is_due = split.height and serving.read_publication(lake)
    found = _find_corrections(lake, split, as_of) if is_due else CORRECTION.empty()
    # Each correction is recorded once: a run that stops in between is completed by the next.
    history = pl.concat([lake.read(CORRECTION), found]).unique(CORRECTION.key, keep="first", maintain_order=True)
    by_recipient = found.group_by("purpose", "recipient", "change").len().sort("purpose", "recipient", "change")
    metadata = {
        "customers split": split["customer_id"].n_unique(),
        "corrected tonight": [
            f"{purpose}, {recipient}: {change} {count:,}" for purpose, recipient, change, count in by_recipient.rows()
        ],
    }
    staged = StagedWrite(CORRECTION, history, lambda: lake.replace(CORRECTION, history), metadata)
    return check_and_write(lake, night, staged)


def _find_corrections(lake: Lake, split: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    register, decisions = load_company_register(), select_allowed_now(lake, as_of)
    before, now = {}, {}
    for key, table in list_mart_tables().items():
        # An aggregate shows counts of groups; it has no row of a customer.
        if not register[key].aggregate:
            ids = split.select("customer_id").unique()
            keys = ids.select(pseudonymise("customer_id", mart_key(lake.path, key))).to_series()
            # Whether a row of an identified mart may be published depends on no other row.
            is_alone = register[key].mart_kind == "identified"
            rows = lake.scan(table).filter(is_in(table.key[0], keys)).collect() if is_alone else lake.read(table)
            publishable = select_publishable(lake, register[key], rows, decisions)
            before[key] = resolve_customers(lake, key, serving.read_rows(lake, table, key, keys), split)
            now[key] = resolve_customers(lake, key, publishable, split)
    return build_corrections(before, now, split, {key: register[key].recipients for key in before}, as_of)
