"""What a step did when it last ran: a step whose tables and declarations are the same reports that again.

Here belongs deciding whether anything has changed that a step rests on: the tables that it reads and writes, which the
lake records while it runs; the code and the declarations; the keys; and the instant as of which it runs. A step that
reads anything else, such as files of the drop folder, cannot be recalled.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cdp_pipelines.services.check_results import read_result
from cdp_pipelines.services.checked_write import TableCheck, TableWrite, WriteReport
from cdp_pipelines.services.declarations import digest_declarations
from cdp_pipelines.services.lake_tables import list_declared_tables
from warehouse.code_version import code_version, digest_code
from warehouse.delta.lake import record_tables
from warehouse.keys import digest_keys
from warehouse.state_file import read_state, store_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import date, datetime

    from cdp_pipelines.schema import Table
    from warehouse.delta.lake import Lake


def run_or_recall(
    lake: Lake,
    step: str,
    night: date,
    rests_on: str,
    run: Callable[[], WriteReport],
    described: Collection[Table] = (),
) -> WriteReport:
    """The report of a step; it runs only if something has changed that it rests on.

    `rests_on`: what it rests on besides the tables that it reads while it runs (`describe_environment`). `described`:
    tables of which `rests_on` has all that matters, so that other rows of them may change.
    """
    if memory := read_memory(lake, step, rests_on):
        return _recall(lake, night, memory)
    with record_tables() as tables:
        report = run()
    if all(check.is_passed or check.is_warning for check in report.checks):
        store_memory(lake, step, rests_on, tables - {table.name for table in described}, _describe(report))
    return report


def read_memory(lake: Lake, step: str, rests_on: str) -> dict[str, Any] | None:
    """What a step did, where it rests on the same as then and all of its tables are as it left them; else None."""
    stored = read_state(lake.path, f"step.{step}")
    if stored is None or stored.get("rests_on") != rests_on:
        return None
    is_same = all(lake.name_version(table) == version for table, version in stored["tables"].items())
    return stored["did"] if is_same else None


def store_memory(lake: Lake, step: str, rests_on: str, tables: Iterable[str], did: Mapping[str, Any]) -> None:
    """Store the report of a step, and the versions of the tables that it read and wrote."""
    versions = {table: lake.name_version(table) for table in sorted(tables)}
    store_state(lake.path, f"step.{step}", {"rests_on": rests_on, "tables": versions, "did": did})


def describe_environment(lake: Lake, as_of: datetime | None = None, rows: str = "") -> str:
    """A digest of what every step rests on besides tables: code, declarations, keys, and its instant if it has one.

    `rows`: digests of rows that it rests on, where those of other rows of their tables do not matter.
    """
    parts = (code_version(), digest_code(), digest_declarations(), digest_keys(lake.path), str(as_of), rows)
    return sha256(" ".join(parts).encode()).hexdigest()


def _describe(report: WriteReport) -> dict[str, Any]:
    return {
        "checks": [
            [each.table.name, each.name, each.is_passed, each.description, dict(each.metadata), each.is_warning]
            for each in report.checks
        ],
        "has_result": [each.result is not None for each in report.checks],
        "writes": [[each.table.name, dict(each.metadata)] for each in report.writes],
    }


def _recall(lake: Lake, night: date, memory: dict[str, Any]) -> WriteReport:
    tables = _declared_tables()
    checks = tuple(
        TableCheck(
            tables[table], name, is_passed, description, metadata,
            read_result(lake, table) if has_result else None, is_warning,
        )
        for (table, name, is_passed, description, metadata, is_warning), has_result in zip(
            memory["checks"], memory["has_result"], strict=True
        )
    )  # fmt: skip
    writes = []
    for name, metadata in memory["writes"]:
        table = tables[name]
        described = lake.describe(table)
        if described is not None:
            writes.append(TableWrite(table, replace(described, is_changed=False), metadata, is_recalled=True))
    return WriteReport(night, checks, tuple(writes))


@cache
def _declared_tables() -> dict[str, Table]:
    return list_declared_tables()
