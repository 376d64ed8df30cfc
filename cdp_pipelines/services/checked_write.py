"""Check, then write: frames go through their tables' gates, and are written only if all of them pass.

Running gates before a write belongs here and nowhere else; computing frames, and reporting to Dagster, does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.services.check_results import read_result, store_result
from expectations.changed_rows import update_result
from expectations.gate import validate_frame
from warehouse.state_file import read_state, store_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from cdp_pipelines.schema import Table
    from expectations.result import GateResult
    from warehouse.delta.lake import Lake
    from warehouse.delta.write_modes import WriteResult

GATE = "gate"


@dataclass(frozen=True)
class StagedWrite:
    """A frame that becomes a table's content, or part of it, after it has passed the table's gate.

    `write`: writes it. `metadata`: what a run reports of it, by label; values are counts, texts, or a list or mapping
    of these, never a person's. `is_addition`: the frame adds rows to the table, so it may be empty. `replaced`: whether
    a row of the table leaves for the frame; by default every row does. The gate judges the table as it will be.
    """

    table: Table
    frame: pl.DataFrame
    write: Callable[[], WriteResult]
    metadata: Mapping[str, object] = field(default_factory=dict)
    is_addition: bool = False
    replaced: pl.Expr | None = None


@dataclass(frozen=True)
class TableCheck:
    """One check of a table. `result`: of its gate; None where an addition has no rows, and for other checks.

    `is_warning`: where it does not pass, people are warned and nothing stops.
    """

    table: Table
    name: str
    is_passed: bool
    description: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    result: GateResult | None = None
    is_warning: bool = False


@dataclass(frozen=True)
class TableWrite:
    """One table as it was written. `is_recalled`: by an earlier run, on whose inputs nothing has changed."""

    table: Table
    written: WriteResult
    metadata: Mapping[str, object]
    is_recalled: bool = False


@dataclass(frozen=True)
class WriteReport:
    """Checks and writes of one step, in their order. `night`: of the run; None between runs."""

    night: date | None
    checks: tuple[TableCheck, ...]
    writes: tuple[TableWrite, ...]


class CheckFailedError(CdpError):
    """A table's new content did not pass; the step wrote nothing. `checks`: all of the step, `failed`: which failed."""

    def __init__(self, checks: tuple[TableCheck, ...]) -> None:
        self.checks = checks
        self.failed = tuple(check for check in checks if not check.is_passed)
        failures = "; ".join(check.description or f"{check.table.name}: {check.name}" for check in self.failed)
        super().__init__(f"{failures}. The table is unchanged.")


def check_and_write(lake: Lake, night: date | None, *staged: StagedWrite) -> WriteReport:
    """Check every frame, then write them all in their order.

    The result of each gate is stored for the quality page of `night`; for a write between nights (`night` is None),
    which the page does not show, it is not. Raises `CheckFailedError` before anything is written.
    """
    checks = tuple(_check(lake, night, each) for each in staged)
    if not all(check.is_passed for check in checks):
        raise CheckFailedError(checks)
    writes = []
    for each, check in zip(staged, checks, strict=True):
        writes.append(TableWrite(each.table, each.write(), each.metadata))
        if check.result and not each.is_addition:
            store_state(lake.path, _passed(each.table.name), _describe_passed(lake, check.result))
    return WriteReport(night, checks, tuple(writes))


def describe_failure(result: GateResult) -> str:
    """The failed expectations of a gate in one line, without values."""
    broken = ", ".join(
        f"{each.expectation}({each.column or 'table'})"
        + (f" failed on {each.failed_count} rows" if each.failed_count else "")
        for each in result.failures
    )
    return f"{result.table}: {broken}"


def _check(lake: Lake, night: date | None, staged: StagedWrite) -> TableCheck:
    if staged.is_addition and staged.frame.is_empty():
        return TableCheck(staged.table, GATE, is_passed=True, description="No new rows")
    result = _judge(lake, staged, read_result(lake, staged.table.name))
    if night is not None:
        store_result(lake, result, night)
    description = None if result.passed else describe_failure(result)
    return TableCheck(staged.table, GATE, result.passed, description, result=result)


def _judge(lake: Lake, staged: StagedWrite, earlier: GateResult | None) -> GateResult:
    """The result of the gate on the table as it will be, from the rows that change where the others passed before."""
    table, frame, columns = staged.table, staged.frame, list(staged.table.schema)
    stored, kept = lake.scan(table), frame.clear().lazy()
    if staged.replaced is not None and stored.collect_schema() == frame.schema:
        kept = stored.filter(~staged.replaced)
    if (
        earlier is not None
        and not staged.is_addition
        and _has_passed(lake, earlier)
        and stored.collect_schema() == frame.schema
    ):
        leaving = (stored if staged.replaced is None else stored.filter(staged.replaced)).collect()
        added, removed = _keep_others(frame, leaving), _keep_others(leaving, frame)
        if updated := update_result(earlier, added, removed, pl.concat([kept, frame.lazy()]), columns):
            return updated
    return validate_frame(table.name, pl.concat([kept, frame.lazy()]).collect(), columns, earlier)


def _keep_others(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~rows.hash_rows().is_in(known.hash_rows().implode()))


def _has_passed(lake: Lake, earlier: GateResult) -> bool:
    """Whether this result is that of the rows that the table has."""
    return read_state(lake.path, _passed(earlier.table)) == _describe_passed(lake, earlier)


def _describe_passed(lake: Lake, result: GateResult) -> dict[str, str | None]:
    digest = sha256(result.to_json().encode()).hexdigest()
    return {"version": lake.name_version(result.table), "result": digest}


def _passed(table: str) -> str:
    return f"passed.{table}"
