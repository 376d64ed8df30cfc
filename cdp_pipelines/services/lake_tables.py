"""The tables that a lake should have, and those of them that are gone.

Which tables are declared and what the last night wrote belongs here; what is wrong with a table that is there is
`doctor`'s question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import LakeError
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.lineage.raw import FED_BY
from cdp_pipelines.marts.mart import build_mart_table
from cdp_pipelines.schema import TABLES, VERSION, Table
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register

if TYPE_CHECKING:
    from warehouse.delta.lake import Lake

RESTORE = "restore this folder from a backup: the next run cannot make it again"


def list_declared_tables() -> dict[str, Table]:
    """Full name to declaration of every table that a lake of this company may have."""
    contracts = load_all_contracts().values()
    channels = [table for contract in contracts for table in (contract.raw, contract.quarantine)]
    standard = [with_raw_sources(TABLES[name], contracts) for name in FED_BY]
    marts = [build_mart_table(purpose) for purpose in load_company_register().values() if purpose.columns]
    return {**TABLES, **{table.name: table for table in (*channels, *standard, *marts)}}


def can_be_made_again(table: Table | None) -> bool:
    """Whether a run makes the table from others; never of a table that is not declared."""
    return table is not None and table.lifecycle is not None and table.lifecycle.kind == "derived"


def find_missing_tables(lake: Lake) -> list[str]:
    """Full names of the tables that the last night wrote and that have no log any more."""
    last = lake.scan(VERSION).filter(pl.col("night") == pl.col("night").max()).select("table_name").collect()
    return sorted(name for name in last["table_name"] if not any(lake.location(name).glob("_delta_log/*.json")))


def require_lasting_tables(lake: Lake) -> None:
    """`LakeError` where a table is gone that no run can make again: going on would take it for one without rows."""
    missing = find_missing_tables(lake)
    declared = list_declared_tables() if missing else {}
    lost = [name for name in missing if name in declared and not can_be_made_again(declared[name])]
    if lost:
        raise LakeError(f"{', '.join(lost)} of {lake.path} is gone; {RESTORE}")
