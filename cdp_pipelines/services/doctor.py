"""The state of a lake: every table, key, seal, file and right, what is wrong with it, and what heals it.

Here belongs finding and repairing what faults of disks and processes leave behind. Whether decisions and marts are
right is `mart_verification`'s question, and whether the ledger is as it was sealed `warehouse.verify`'s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from stat import S_IMODE
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import FILE, LEDGER, RETENTION, RUN, SEAL, VERSION, Table
from cdp_pipelines.services.document import Document, Row, Section
from cdp_pipelines.services.file_accounting import find_unaccounted_files
from cdp_pipelines.services.lake_tables import (
    RESTORE,
    can_be_made_again,
    find_missing_tables,
    list_declared_tables,
)
from cdp_pipelines.services.night_record import list_older_versions
from warehouse import keys
from warehouse.delta.lake import Lake
from warehouse.delta.versions import find_size_problem
from warehouse.serving.mart_file import find_fault, mart_file_path
from warehouse.verify import ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Repair = Callable[[], object]
REBUILD = "`cdp doctor --repair` removes it, and the next `cdp run` makes it again"
_OTHERS = 0o077


@dataclass(frozen=True)
class Finding:
    """What is wrong with one part of a lake, what heals it, and the repair where there is one."""

    part: str
    problem: str
    remedy: str
    repair: Repair | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The tables of a lake, and the findings."""

    lake: Path
    tables: list[Row]
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def document(self) -> Document:
        """Keys: findings (part, problem, remedy), tables (table, version, row_count, file_count, byte_count)."""
        rows = [{"part": each.part, "problem": each.problem, "remedy": each.remedy} for each in self.findings]
        answer = f"{len(self.tables)} tables were read; " + (f"{len(rows)} findings." if rows else "nothing is wrong.")
        sections = [Section("findings", rows), Section("tables", self.tables)]
        return Document(f"State of the lake {self.lake}", answer, sections)


def examine_lake(
    path: Path, damaged_databases: Iterable[str] = (), step: Callable[..., None] = lambda *_: None
) -> Diagnosis:
    """Read every file of every table, and check keys, seals, served marts and rights; `LakeError` where there is none.

    `damaged_databases`: those of Dagster, which its own layer finds. `step` is called with the name of what is read,
    its number and the count of all.
    """
    lake = Lake(path.absolute())
    folders = sorted(log.parent for log in lake.path.glob("*/*/_delta_log"))
    if not folders:
        raise LakeError(f"{path} is not a lake: it has no table. `cdp run` makes one")
    declared = list_declared_tables()
    older = _list_older_versions(lake)
    tables: list[Row] = []
    findings: list[Finding] = []
    for number, folder in enumerate(folders):
        name = str(folder.relative_to(lake.path))
        step(name, number, len(folders))
        row, found = _examine_table(lake, name, declared.get(name), older)
        tables += row
        findings += found
    step("keys, seals and files", len(folders), len(folders))
    findings += _find_missing(lake, declared)
    findings += _check_keys(lake)
    damaged = {each.part for each in findings}
    if not damaged & {LEDGER.name, SEAL.name}:
        findings += _check_ledger(lake)
    if not any(part.startswith(("raw/", "quarantine/", FILE.name, RETENTION.name)) for part in damaged):
        findings += _check_files(lake)
    findings += _check_served(lake)
    findings += _check_rights(lake.path)
    remedy = "the next `cdp run` keeps it aside and makes a new one"
    findings += [Finding(name, "Dagster cannot read this database of runs", remedy) for name in damaged_databases]
    return Diagnosis(path, tables, findings)


def repair_lake(diagnosis: Diagnosis) -> list[str]:
    """Carry out all repairs as the lake's only writer; the parts repaired. Raises `LakeError` where it is locked."""
    repaired = [each for each in diagnosis.findings if each.repair]
    with Lake(diagnosis.lake.absolute()).lock_writer():
        for each in repaired:
            if each.repair:
                each.repair()
    return [each.part for each in repaired]


def _list_older_versions(lake: Lake) -> dict[str, list[int]] | None:
    """The versions that the last night kept besides the newest; None where no night is recorded or readable."""
    try:
        last = lake.scan(VERSION).select(pl.col("as_of").max()).collect().item()
        return list_older_versions(lake, last) if last else None
    except (LakeError, OSError, pl.exceptions.PolarsError):
        return None  # Its own finding says so.


def _examine_table(
    lake: Lake, name: str, table: Table | None, older: Mapping[str, list[int]] | None
) -> tuple[list[Row], list[Finding]]:
    """The table's row in the report, or none where it cannot be read, and what is wrong with it.

    `older`: the versions that the lake keeps besides the newest; None where they are not known.
    """
    folder = lake.location(name)
    remedy, repair = (REBUILD, partial(shutil.rmtree, folder)) if can_be_made_again(table) else (RESTORE, None)
    try:
        delta = DeltaTable(folder)
        actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    except DeltaError as error:
        return [], [Finding(name, f"its log cannot be read ({type(error).__name__})", remedy, repair)]
    problems = [
        problem
        for file, size, row_count in actions.select("path", "size_bytes", "num_records").iter_rows()
        if (problem := _find_file_problem(folder / unquote(file), size, row_count))
    ]
    row = {
        "table": name,
        "version": delta.version(),
        "row_count": int(actions["num_records"].sum() or 0),
        "file_count": actions.height,
        "byte_count": int(actions["size_bytes"].sum() or 0),
    }
    findings = [Finding(name, problem, remedy, repair) for problem in problems[:1]]
    if not problems:
        findings += _check_schema(name, delta, table)
        # These two are written after a night has removed the old versions; the next night removes theirs.
        if older is not None and name not in {RUN.name, VERSION.name}:
            findings += _find_orphans(lake, name, older.get(name, []))
    return [row], findings


def _find_file_problem(file: Path, size: int, row_count: int | None) -> str | None:
    if problem := find_size_problem(file, size):
        return problem
    try:
        # Only a reader that decodes every page finds a changed byte.
        found = sum(batch.num_rows for batch in pq.ParquetFile(file).iter_batches())
    except (OSError, ValueError) as error:
        return f"the file {file.name} is damaged ({type(error).__name__})"
    if row_count is not None and found != row_count:
        return f"the file {file.name} has {found:,} rows instead of {row_count:,}"
    return None


def _check_schema(name: str, delta: DeltaTable, table: Table | None) -> Iterator[Finding]:
    if table is None:
        yield Finding(name, "no declaration names this table", "remove its folder, or declare its channel or purpose")
        return
    stored, declared = {field.name for field in delta.schema().fields}, set(table.schema)
    if stored != declared:
        missing, other = sorted(declared - stored), sorted(stored - declared)
        parts = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(other)}"] * bool(other)
        remedy = "build a new lake from the drops: this one was made by another version of the code or the declarations"
        yield Finding(name, f"its columns are not those declared: {' and '.join(parts)}", remedy)


def _find_orphans(lake: Lake, name: str, older: list[int]) -> Iterator[Finding]:
    """Files that no version reads which the lake keeps: remains of a killed writer, or files from elsewhere."""
    files = lake.list_unneeded_files(name, older)
    if files:
        problem = f"{len(files)} files of {sum(path.stat().st_size for path in files):,} bytes belong to no version"
        remedy = "`cdp doctor --repair` or the next `cdp run` deletes them"
        yield Finding(name, problem, remedy, partial(lake.forget_versions, name, older))


def _find_missing(lake: Lake, declared: Mapping[str, Table]) -> Iterator[Finding]:
    try:
        missing = find_missing_tables(lake)
    except (LakeError, OSError, pl.exceptions.PolarsError):
        return  # The table of versions has a finding of its own.
    for name in (name for name in missing if not lake.location(name).exists()):
        remedy = "the next `cdp run` makes it again" if can_be_made_again(declared.get(name)) else RESTORE
        yield Finding(name, "the table is gone", remedy)


def _check_keys(lake: Lake) -> Iterator[Finding]:
    for check in (keys.ledger_key, partial(keys.mart_key, purpose="")):
        try:
            check(lake.path)
        except LakeError as error:
            problem, _, remedy = str(error).partition(". ")
            yield Finding("keys", problem, remedy or "as the problem says")


def _check_ledger(lake: Lake) -> Iterator[Finding]:
    try:
        findings = ledger.verify_ledger(lake.path).findings
    except ledger.UnusableError as error:
        yield Finding("consent/ledger", str(error), RESTORE)
        return
    if findings:
        problem = f"it differs from what was sealed in {len(findings)} places"
        yield Finding("consent/ledger", problem, "`cdp verify ledger` names them; restore the folder from a backup")


def _check_files(lake: Lake) -> Iterator[Finding]:
    count = find_unaccounted_files(lake, lake.read(FILE)).height
    if count:
        problem = f"{count} files have other rows in raw and quarantine than were received"
        yield Finding(FILE.name, problem, "restore raw and quarantine from a backup of the same night")


def _check_served(lake: Lake) -> Iterator[Finding]:
    if fault := find_fault(lake):
        file = mart_file_path(lake)
        problem = f"the served file cannot be read ({fault})"
        remedy = "the next `cdp run` makes it again"
        yield Finding(str(file.relative_to(lake.path)), problem, remedy, partial(file.unlink, missing_ok=True))


def _check_rights(lake: Path) -> Iterator[Finding]:
    """Whether others than the owner may pass the lake's own folder, or read a secret."""
    open_to_others = [path for path in (lake, *(lake / "keys").glob("*")) if path.stat().st_mode & _OTHERS & ~0o010]
    for path in open_to_others:
        part = "the lake's folder" if path == lake else str(path.relative_to(lake))
        problem = f"others than its owner may read it (mode {S_IMODE(path.stat().st_mode):03o})"
        yield Finding(part, problem, "`cdp doctor --repair` closes it", partial(_close, path))


def _close(path: Path) -> None:
    os.chmod(path, S_IMODE(path.stat().st_mode) & ~_OTHERS | (path.stat().st_mode & 0o010))  # noqa: PTH101
