"""Whether a lake that was grown night by night is what computing everything again would make of it.

Here belong the copy that is computed again and the report. Computing it is the nightly job's work; the comparison is
`warehouse.verify.tables`'.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.schema import MODEL, RECORD_STATE, VERSION
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.identity_resolution import describe_versions
from cdp_pipelines.services.nights import read_nights
from warehouse.delta.lake import Lake
from warehouse.state_file import forget_states
from warehouse.verify.tables import compare_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

# How often, and by which code, a table was written says nothing of its rows.
_LEFT_OUT = {MODEL.name: ("table_versions",), VERSION.name: ("delta_version", "code_version")}


@dataclass(frozen=True)
class IncrementalVerification:
    """The answer, and whether no row differs."""

    document: Document
    is_equal: bool


def verify_incremental(
    lake: Lake, recompute: Callable[[Path, datetime], None], step: Callable[[str], None]
) -> IncrementalVerification:
    """Compute a copy of the lake again as of its last run, from its raw rows and histories, and compare every table.

    `recompute`: runs the nightly job of a lake. `step`: shows the current step. The lake itself is only read. The copy
    keeps what no run can make again: raw rows, the ledger, histories, what staff entered, and the weights of the last
    model.
    """
    as_of = read_nights(lake).last_as_of
    with tempfile.TemporaryDirectory(prefix="cdp_verify_", dir=lake.path.parent) as folder:
        step("copying the lake")
        copy = Lake(Path(folder) / "lake")
        with lake.lock_writer():
            shutil.copytree(lake.path, copy.path, symlinks=True)
        forget_states(copy.path)
        _forget_records(copy)
        step("computing everything again")
        recompute(copy.path, as_of)
        compared = []
        for each in compare_tables(lake.path, copy.path, _LEFT_OUT):
            step(f"comparing {each.table}")
            compared.append(each)
    differing = [each for each in compared if not each.is_equal]
    differing_count = sum(each.only_first_count + each.only_second_count for each in differing)
    answer = (
        f"{sum(each.row_count for each in compared):,} rows of {len(compared)} tables compared as of "
        f"{as_of:%Y-%m-%d %H:%M} UTC: {differing_count:,} rows differ."
    )
    rows = [
        {
            "table": each.table,
            "row_count": each.row_count,
            "in_lake_only_count": each.only_first_count,
            "computed_only_count": each.only_second_count,
        }
        for each in compared
    ]
    differences = [row for row, each in zip(rows, compared, strict=True) if not each.is_equal]
    sections = [Section("differences", differences, title="Tables that differ"), Section("tables", rows)]
    return IncrementalVerification(Document("The lake, and all of it computed again", answer, sections), not differing)


def _forget_records(lake: Lake) -> None:
    """Make the next night resolve every record, by the weights that the lake has."""
    lake.replace(RECORD_STATE, RECORD_STATE.empty())
    model = lake.read(MODEL)
    lake.replace(MODEL, model.with_columns(table_versions=pl.lit(describe_versions(lake))))
