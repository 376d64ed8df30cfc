"""Two lakes compared, table by table and row by row, through a map of what was renamed between them.

`python -m tests.compare_lakes BEFORE AFTER`. Whoever changes names, types or the insides of the platform brings the
same drops into a lake before and after, under the same keys, and sees that nothing else became of them.

It imports nothing of the project: a checker does not share the reader of what it checks.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow as pa
import yaml
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

RENAMES = Path(__file__).with_name("lake_renames.yaml")
SERVED = "serving/marts.duckdb"
# The most differences of a table that are printed one by one.
SHOWN = 10
WIDTH = 110
# Names that no column has: on which side a row is, and which of several rows that say the same.
SIDE, NTH = "\0side", "\0nth"
UNREADABLE = (DeltaError, OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error)

HELP = f"""\
Compare two lakes: every Delta table below the two folders, and the tables of {SERVED}.

Compared are the columns, their types (widths of numbers and units of time do not matter), and the rows. Neither the
order of rows nor that of columns matters. Differences are reported by table, column and number of rows, never by a value.

Lakes can be compared only where they were made under the same keys: copy BEFORE/keys into AFTER before its first run.

  cdp run --drops D --lake before
  mkdir after && cp -r before/keys after/
  ... change the code ...
  cdp run --drops D --lake after
  python -m tests.compare_lakes before after
"""
MAP_HELP = """\
The map is YAML, with any of these five:

  tables:   {old/name: new/name}
  columns:  {old/name: {old_column: new_column}}
  values:   {table: {column: {old: new}}}       of text, and of lists of text; "old:*": "new:*" for what begins so
  added:    {table: {column: what it says}}     of columns that AFTER alone has
  ignored:  {table: {column: why its values differ by construction}}

Tables and columns are called as they are in BEFORE; their new names do as well. A table of marts.duckdb is called
serving/<schema>.<table>, and is not renamed along with its mart. What is ignored must still be there, and of the same
type: its values alone are not compared.

It ends with 0 where there is no difference, with 1 where there is one, with 2 where something cannot be read.
"""


class CompareError(Exception):
    """The lakes, or the map, cannot be compared; the message says which and why."""


@dataclass(frozen=True)
class Renames:
    """What was renamed from BEFORE to AFTER; all but `tables` by new names of tables, `values` and `ignored` wholly."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    added: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ignored: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, document: object, file: object) -> Renames:
        """Out of the YAML `document` of `file`; `CompareError` where it is no such map."""
        depths = {"tables": 1, "columns": 2, "values": 3, "added": 2, "ignored": 2}
        document = {} if document is None else document
        if not isinstance(document, dict) or not set(document) <= set(depths):
            raise CompareError(f"{file}: its keys are {', '.join(depths)}, and no others")
        tables, columns, values, added, ignored = (
            _texts(document.get(name), depth, f"{file}: {name}") for name, depth in depths.items()
        )
        columns = {tables.get(table, table): names for table, names in columns.items()}

        def by_new(named: dict) -> dict:
            return {
                (new := tables.get(table, table)): {
                    columns.get(new, {}).get(column, column): each for column, each in of.items()
                }
                for table, of in named.items()
            }

        for where, renamed in [
            ("tables", tables),
            *((f"columns: {table}", names) for table, names in columns.items()),
            *((f"values: {table}: {column}", each) for table, of in values.items() for column, each in of.items()),
        ]:
            if len(set(renamed.values())) < len(renamed):
                raise CompareError(f"{file}: {where}: two get the same name and could no longer be distinguished")
            if where.startswith("values") and any(_is_beginning(a) != _is_beginning(b) for a, b in renamed.items()):
                raise CompareError(f"{file}: {where}: what begins so (old:*) gets a new beginning (new:*)")
        return cls(tables, columns, by_new(values), by_new(added), by_new(ignored))

    @classmethod
    def read(cls, path: Path) -> Renames:
        """The map in the file `path`; `CompareError` where there is none."""
        try:
            return cls.of(yaml.safe_load(path.read_text(encoding="utf-8")), path)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CompareError(f"the map {path} cannot be read: {_line(error)}") from error


def _texts(node: object, depth: int, where: str) -> dict:
    """`node`, which is mappings to so great a depth, and texts in the last; `CompareError` where it is not."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise CompareError(f"{where}: a mapping is meant")
    for key, each in node.items():
        if not isinstance(key, str) or (depth == 1 and not (isinstance(each, str) and each.strip())):
            raise CompareError(f"{where}: {key}: texts are meant, in quotes where YAML takes them for something else")
    return node if depth == 1 else {key: _texts(each, depth - 1, f"{where}: {key}") for key, each in node.items()}


def _line(error: Exception) -> str:
    """What an error says, in one line."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


# --- what a lake holds ---


def tables_of(lake: Path) -> dict[str, Callable[[], pl.DataFrame]]:
    """Every table of a lake by name, as what reads it; `CompareError` where there is no lake."""
    if not lake.is_dir():
        raise CompareError(f"there is no lake at {lake}")
    found = {}
    try:
        for folder, within, _ in os.walk(lake, onerror=_refuse):
            if "_delta_log" in within:
                found[Path(folder).relative_to(lake).as_posix()] = partial(_delta, Path(folder))
                within.clear()
    except OSError as error:
        raise CompareError(f"{lake} cannot be read: {_line(error)}") from error
    if not found:
        raise CompareError(f"{lake} is no lake: there is no Delta table in it")
    return dict(sorted(found.items())) | _served(lake / SERVED)


def _refuse(error: OSError) -> None:
    raise error


def _delta(folder: Path) -> pl.DataFrame:
    """The newest version of a Delta table. Not by Polars' scan, which does not find a path with a blank in it."""
    try:
        return pl.DataFrame(DeltaTable(str(folder)).to_pyarrow_table())
    except UNREADABLE as error:
        raise CompareError(f"the table {folder} cannot be read: {_line(error)}") from error


def _served(file: Path) -> dict[str, Callable[[], pl.DataFrame]]:
    """Every table and view of a DuckDB file by name; a schema without any is there too, as a table without columns."""
    if not file.exists():
        return {}
    named = """
        SELECT schema_name, table_name, internal, database_name FROM duckdb_tables()
        UNION ALL SELECT schema_name, view_name, internal, database_name FROM duckdb_views()
        UNION ALL SELECT schema_name, NULL, internal, database_name FROM duckdb_schemas()
    """
    served_columns = _queried(file, f"FROM ({named}) WHERE database_name = current_database() AND NOT internal").sort(
        pl.all()
    )
    tables = [(schema, name) for schema, name, *_ in served_columns.rows() if name is not None]
    empty = {*served_columns["schema_name"]} - {schema for schema, _ in tables} - {"main"}
    return {f"serving/{schema}.{name}": partial(_relation, file, schema, name) for schema, name in tables} | {
        f"serving/{schema}": pl.DataFrame for schema in sorted(empty)
    }


def _relation(file: Path, schema: str, name: str) -> pl.DataFrame:
    quoted = ".".join('"{}"'.format(part.replace('"', '""')) for part in (schema, name))
    return _queried(file, f"SELECT * FROM {quoted}")


def _queried(file: Path, sql: str) -> pl.DataFrame:
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            return pl.DataFrame(connection.sql(sql).to_arrow_table())
    except UNREADABLE as error:
        raise CompareError(f"{file} cannot be read: {_line(error)}") from error


# --- one table on both sides ---


@dataclass
class Outcome:
    """The result of comparing one table; rows are None where the table is not there."""

    name: str
    before: int | None
    after: int | None
    compared: int = 0
    ignored: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def compared(before: Path, after: Path, renames: Renames) -> list[Outcome]:
    """Every table that one of the lakes has, by its new name."""
    if before.resolve() == after.resolve():
        raise CompareError(f"{before} and {after} are one lake")
    old, new = tables_of(before), tables_of(after)
    renamed: dict[str, str] = {}
    for name in old:
        if other := renamed.get(to := renames.tables.get(name, name)):
            raise CompareError(f"{before}: {other} and {name} would both be {to}: see `tables` of the map")
        renamed[to] = name
    outcomes = []
    for name in sorted({*renamed, *new}):
        left = old[renamed[name]]() if name in renamed else None
        right = new[name]() if name in new else None
        outcomes.append(of_table(name, left, right, renames))
    return outcomes


def of_table(name: str, before: pl.DataFrame | None, after: pl.DataFrame | None, renames: Renames) -> Outcome:
    """The table `name` (its new one) on both sides; None where it is not there."""
    found = Outcome(name, *(None if frame is None else frame.height for frame in (before, after)))
    if before is None or after is None:
        found.differences.append(f"{name}: only {'AFTER' if before is None else 'BEFORE'} has this table")
        return found
    before, merged = under_new_names(name, before, renames)
    found.differences += merged
    shared = []
    for column in dict.fromkeys([*before.columns, *after.columns]):
        if column not in after.columns or column not in before.columns:
            if column not in before.columns and column in renames.added.get(name, {}):
                continue
            side = "BEFORE" if column in before.columns else "AFTER"
            found.differences.append(f"{name}.{column}: only {side} has this column")
            continue
        types = before.schema[column], after.schema[column]
        if (dtype := common(*types)) is None:
            found.differences.append(f"{name}.{column}: {types[0]} in BEFORE, {types[1]} in AFTER")
        elif why := renames.ignored.get(name, {}).get(column):
            found.ignored[column] = why
        else:
            shared.append(pl.col(column).cast(dtype))
    found.compared = len(shared)
    before, after = before.select(shared), after.select(shared)
    if shared:
        found.differences += _of_rows(name, *surplus(before, after))
    elif found.before != found.after:
        found.differences.append(f"{name}: {found.before} rows in BEFORE, {found.after} in AFTER")
    return found


def common(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    """The type in which values of both types are compared; None where they are not comparable."""
    left, right = (pl.String() if isinstance(each, pl.Categorical | pl.Enum) else each for each in (left, right))
    found = None
    match left, right:
        case _ if left == right:
            found = left
        case (pl.Null(), other) | (other, pl.Null()):
            found = other
        case (pl.Datetime(), pl.Datetime()) if (left.time_zone is None) == (right.time_zone is None):
            found = pl.Datetime(_finer(left, right), left.time_zone)
        case pl.Duration(), pl.Duration():
            found = pl.Duration(_finer(left, right))
        case pl.List(), pl.List():
            inner = common(left.inner, right.inner)
            found = inner and pl.List(inner)
        case _ if left.is_integer() and right.is_integer():
            found = pl.Int128() if {pl.UInt64, pl.UInt128, pl.Int128} & {left, right} else pl.Int64()
        case _ if left.is_float() and right.is_float():
            found = pl.Float64()
    return found


def _finer(left: pl.Datetime | pl.Duration, right: pl.Datetime | pl.Duration) -> str:
    return min(left.time_unit, right.time_unit, key=("ns", "us", "ms").index)


def under_new_names(name: str, frame: pl.DataFrame, renames: Renames) -> tuple[pl.DataFrame, list[str]]:
    """`frame` of the table `name` with its columns and values renamed, and where that merges values that differed."""
    columns = {old: new for old, new in renames.columns.get(name, {}).items() if old in frame.columns}
    if taken := ({*frame.columns} - {*columns}) & {*columns.values()}:
        raise CompareError(f"{name}: BEFORE has a column {min(taken)} already, to which the map renames another")
    frame, merged = frame.rename(columns), []
    for column, renamed in renames.values.get(name, {}).items():
        if column not in frame.columns:
            continue
        dtype = frame.schema[column]
        if dtype not in {pl.String, pl.Categorical, pl.Enum, pl.List(pl.String)}:
            raise CompareError(f"{name}.{column}: the map renames values of it, but it is {dtype}")
        is_list = dtype == pl.List(pl.String)
        text = pl.col(column) if is_list else pl.col(column).cast(pl.String)
        if n := _merged(frame.select(text.explode() if is_list else text).to_series(), renamed):
            merged.append(
                f"{name}.{column}: {_rows(n)} of BEFORE {_verb(n, 'have', 'has')} a new value already, others the old"
            )
        new = text.list.eval(_renamed(pl.element(), renamed)) if is_list else _renamed(text, renamed)
        frame = frame.with_columns(new.alias(column))
    return frame, merged


def _renamed(value: pl.Expr, renamed: Mapping[str, str]) -> pl.Expr:
    """The new value: of a whole one before that of its longest beginning (`old:*`)."""
    found = value
    for old, new in sorted(renamed.items(), key=lambda each: len(each[0])):
        if _is_beginning(old):
            rest = pl.concat_str(pl.lit(new.removesuffix("*")), value.str.strip_prefix(old.removesuffix("*")))
            found = pl.when(_matches(value, [old])).then(rest).otherwise(found)
    whole = {old: new for old, new in renamed.items() if not _is_beginning(old)}
    return pl.when(_matches(value, whole)).then(value.replace(whole)).otherwise(found) if whole else found


def _is_beginning(text: str) -> bool:
    """`old:*`; a star alone is a value like any other."""
    return len(text) > 1 and text.endswith("*")


def _matches(value: pl.Expr, texts: Collection[str]) -> pl.Expr:
    """Whether the value is one of `texts`, or begins as one of them says."""
    beginnings = [value.str.starts_with(text.removesuffix("*")) for text in texts if _is_beginning(text)]
    whole = pl.Series([text for text in texts if not _is_beginning(text)], dtype=pl.String)
    return pl.any_horizontal(value.is_in(whole.implode()), *beginnings)


def _merged(values: pl.Series, renamed: Mapping[str, str]) -> int:
    """How many values are a new one without having been renamed, where others are renamed."""
    value = pl.col(values.name)
    is_old = _matches(value, renamed.keys())
    is_new = ~is_old & _matches(value, renamed.values())
    n_old, n_new = values.to_frame().select(is_old.sum().alias("old"), is_new.sum().alias("new")).row(0)
    return n_new if n_old else 0


# --- rows, as multisets ---


def surplus(before: pl.DataFrame, after: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that either side has more often than the other, as often as it has them more."""
    net = _both(before, after).group_by(before.columns).agg(pl.col(SIDE).sum()).filter(pl.col(SIDE) != 0)

    def repeated(n: pl.Expr) -> pl.DataFrame:
        return net.filter(n > 0).with_columns(pl.int_ranges(0, n).alias(SIDE)).explode(SIDE).drop(SIDE)

    return repeated(pl.col(SIDE)), repeated(-pl.col(SIDE))


def _both(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([before.with_columns(pl.lit(1).alias(SIDE)), after.with_columns(pl.lit(-1).alias(SIDE))])


def _of_rows(name: str, before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    """What to tell of the rows that one side alone has: the columns in which they differ, and those that match none."""
    pairs, counts = paired(before, after)
    differences = [f"{name}.{column}: {_rows(n)} {_verb(n, 'differ')}" for column, n in counts.items() if n]
    for side, n in (("BEFORE", before.height - pairs), ("AFTER", after.height - pairs)):
        if n:
            differences.append(f"{name}: {_rows(n)} {_verb(n, 'are', 'is')} in {side} only")
    return differences


def _rows(n: int) -> str:
    return f"{n} row" if n == 1 else f"{n} rows"


def _verb(n: int, many: str, one: str = "") -> str:
    return (one or f"{many}s") if n == 1 else many


def paired(before: pl.DataFrame, after: pl.DataFrame) -> tuple[int, dict[str, int]]:
    """How many rows of the two can be taken for one that changed, and in how many of these pairs each column differs.

    No key is known here: a pair is of rows alike in the columns that hold the same values on both sides, and in so
    few others left out as it takes for the most rows to find one.
    """
    most = min(before.height, after.height)
    if not most:
        return 0, {}
    # A column that misses as many values as rows are missing is none that changed.
    alike = [column for column in before.columns if _alike(before, after, [column]) == most]
    found = _alike(before, after, alike)
    while found < most and len(alike) > 1:
        fewer = [[other for other in alike if other != column] for column in alike]
        n, best = max(((_alike(before, after, columns), columns) for columns in fewer), key=lambda each: each[0])
        if n <= found:
            break
        found, alike = n, best
    if not found:
        return 0, {}
    changed = [column for column in before.columns if column not in alike]
    # Of several that are alike each takes the one of its own place.
    left, right = (
        frame.sort(changed).with_columns(pl.int_range(pl.len()).over(alike).alias(NTH)) for frame in (before, after)
    )
    pairs = left.join(right, on=[*alike, NTH], nulls_equal=True, suffix="\0")
    differing = pairs.select(pl.col(column).ne_missing(pl.col(f"{column}\0")).sum() for column in changed)
    return pairs.height, differing.row(0, named=True)


def _alike(before: pl.DataFrame, after: pl.DataFrame, columns: Sequence[str]) -> int:
    """How many rows find one of the other side that is alike in these columns; no columns, no row."""
    if not columns:
        return 0
    sides = ((pl.col(SIDE) == side).sum() for side in (1, -1))
    both = _both(before.select(columns), after.select(columns))
    return both.group_by(columns).agg(pl.min_horizontal(*sides).alias(SIDE))[SIDE].sum()


# --- the command ---


def show(outcomes: list[Outcome], renames: Renames, out: Console) -> int:
    """Print what was found, and give the number of differences."""
    old = {new: name for name, new in renames.tables.items()}
    table = Table("table", box=None, pad_edge=False)
    for heading in ("rows\nbefore", "rows\nafter", "columns\ncompared", "columns\nignored", "\ndifferences"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in outcomes:
        name = f"{each.name} (was {old[each.name]})" if each.name in old and each.before is not None else each.name
        rows = ("-" if n is None else f"{n:,}" for n in (each.before, each.after))
        difference_count = str(len(each.differences) or "")
        table.add_row(name, *rows, str(each.compared), str(len(each.ignored) or ""), difference_count)
    out.print(table)
    for each in outcomes:
        for column, why in each.ignored.items():
            out.print(f"ignored: {each.name}.{column}: {why}", soft_wrap=True)
    for each in outcomes:
        for difference in each.differences[:SHOWN]:
            out.print(f"differs: {difference}", soft_wrap=True)
        if len(each.differences) > SHOWN:
            out.print(f"differs: {each.name}: {len(each.differences) - SHOWN} differences more", soft_wrap=True)
    found = sum(len(each.differences) for each in outcomes)
    n_rows = sum(each.before or 0 for each in outcomes)
    out.print(f"{len(outcomes)} tables, {n_rows:,} rows: {found} {'difference' if found == 1 else 'differences'}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the lakes do not differ, 1 where they do, 2 where they cannot be compared."""
    parser = argparse.ArgumentParser(
        "python -m tests.compare_lakes",
        description=HELP,
        epilog=MAP_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="BEFORE", type=Path, help="folder of the lake as it was")
    parser.add_argument("after", metavar="AFTER", type=Path, help="folder of the lake as it is now")
    parser.add_argument("--renames", type=Path, default=RENAMES, metavar="MAP", help="default: tests/lake_renames.yaml")
    options = parser.parse_args(arguments)
    try:
        renames = Renames.read(options.renames)
        outcomes = compared(options.before, options.after, renames)
    except CompareError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Wide enough for the longest names also where the output goes into a file.
    out = Console(markup=False, highlight=False, width=max(WIDTH, Console().width))
    return 1 if show(outcomes, renames, out) else 0


if __name__ == "__main__":
    sys.exit(main())
