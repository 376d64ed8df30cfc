"""The protection of marts, computed again by brute force: pseudonyms, bands, small groups, suppressed cells.

An independent checker: it is written from the declarations (YAML) and the standards alone (RFC 2104, RFC 5869), and
imports nothing of the pipeline. `warehouse.verify.marts` compares whole marts with it.
"""

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from fractions import Fraction
from itertools import product
from pathlib import Path

import duckdb
import pyarrow as pa

UNGROUPED_SOURCES = ("subject.key", "subject.evidence", "decision.lawful_basis")
FIRST_MONTH = {"quarter": lambda month: (month - 1) // 3 * 3 + 1, "month": lambda month: month, "year": lambda _: 1}
MINIMUM_GROUP = 10


def derive_purpose_key(lake: Path, purpose: str) -> bytes:
    """HKDF by hand (RFC 5869): extract without salt, expand by one block; the key is the hex text of the result."""
    file = lake / "keys" / "marts.key"
    secret = bytes.fromhex((os.environ.get("CDP_MART_SECRET") or file.read_text()).strip())
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, f"cdp mart {purpose}".encode() + b"\x01", "sha256").hex().encode()


def compute_digest(key: bytes, text: str) -> str:
    """HMAC-SHA-256 in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def compute_reference(key: bytes, customer: str, point: str, version: str, evidence: list[str]) -> str:
    """The pseudonym of the evidence of a decision in one mart."""
    return compute_digest(key, "\x1f".join(["evidence", customer, point, version, *sorted(evidence)]))


def coarsen_value(value: object, column: dict) -> object:
    """A value in the bands or the period that its column declares."""
    if value is None:
        return None
    if bands := column.get("bands"):
        reached = [lower for lower in bands if lower <= value]
        if not reached:
            return f"under {bands[0]}"
        if len(reached) == len(bands):
            return f"{bands[-1]} or more"
        lower, upper = reached[-1], bands[len(reached)] - 1
        return str(lower) if lower == upper else f"{lower} to {upper}"
    if period := column.get("cut_to"):
        day = value.date() if isinstance(value, datetime) else value
        return day if period == "date" else date(day.year, FIRST_MONTH[period](day.month), 1)
    return value


def run_sql(sql: str, rows: list[dict], names: list[str]) -> list[dict]:
    """The rows that the query of a mart makes of these rows."""
    table = pa.table({name: [row[name] for row in rows] for name in names})
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        connection.register("permitted", table)
        return connection.sql(sql).to_arrow_table().to_pylist()


def remove_small_groups(rows: list[dict], names: list[str], minimum: int) -> list[dict]:
    """Rows of which each equals at least `minimum` rows in all of `names`; values are removed from the last name on."""
    rows = [dict(row) for row in rows]
    grouped: set[int] = set()

    def group_of(n: int) -> tuple:
        return tuple(rows[n][name] for name in names)

    for last in [None, *reversed(names)]:
        for n, row in enumerate(rows):
            if last is not None and n not in grouped:
                row[last] = None
        sizes = Counter(group_of(n) for n in range(len(rows)))
        grouped |= {n for n in range(len(rows)) if sizes[group_of(n)] >= minimum}
    if names and len(grouped) < len(rows) and grouped:
        sizes = Counter(group_of(n) for n in grouped)
        smallest = min(sizes, key=lambda group: (sizes[group], [(value is not None, value) for value in group]))
        for n in grouped:
            if group_of(n) == smallest:
                rows[n] |= dict.fromkeys(names)
    return rows


def build_cells(rows: list[dict], dimensions: list[str]) -> dict[tuple, list[dict]]:
    """Rows by the values of the dimensions, and by `all` in place of each value."""
    rows_by_cell: dict[tuple, list[dict]] = {}
    for row in rows:
        values = ["none" if row[name] is None else str(row[name]) for name in dimensions]
        for cell in product(*((value, "all") for value in values)):
            rows_by_cell.setdefault(cell, []).append(row)
    return rows_by_cell


def find_wrong_cells(purpose: dict, rows: list[dict], published: list[dict]) -> Iterator[str]:
    """Differences of a published aggregate from these rows, and cells that it must not show."""
    dimensions, sums = purpose["aggregate"]["dimensions"], purpose["aggregate"].get("sums", [])
    expected = build_cells(rows, dimensions)
    actual = {tuple(row[name] for name in dimensions): row for row in published}
    if set(expected) != set(actual) or len(actual) < len(published):
        yield f"{len(set(expected) ^ set(actual))} cells are missing or should not exist"
        return
    for cell, people in expected.items():
        yield from (f"the cell {', '.join(cell)} {problem}" for problem in check_cell(purpose, people, actual[cell]))
    for name in ("people", *sums):
        hidden = {cell for cell, row in actual.items() if row[name] is None}
        if derivable := find_derivable_cells(set(expected), hidden):
            yield f"{len(derivable)} suppressed values of {name} can be derived from the others"


def check_cell(purpose: dict, people: list[dict], row: dict) -> Iterator[str]:
    """What is wrong with one published cell; `people`: the rows that it counts."""
    sums, minimum = purpose["aggregate"].get("sums", []), purpose.get("minimum_group", MINIMUM_GROUP)
    if row["lawful_basis"] != purpose["lawful_basis"]:
        yield "has another lawful basis"
    if row["people"] is None:
        if any(row[name] is not None for name in sums):
            yield "is suppressed but shows a sum"
        return
    if len(people) < minimum:
        yield "shows a group that is too small"
    if row["people"] != len(people):
        yield "has a wrong count"
    for name in sums:
        values = [person[name] or 0 for person in people]
        sizes = [abs(value) for value in values]
        if row[name] is not None and 2 * max(sizes) > sum(sizes):
            yield f"shows a sum of {name} that is mostly one person's"
        if row[name] not in {None, sum(values)}:
            yield f"has a wrong sum of {name}"


def find_derivable_cells(cells: set[tuple], hidden: set[tuple]) -> set[tuple]:
    """Suppressed cells whose values follow from the published ones, by Gaussian elimination."""
    solved: dict[tuple, dict[tuple, Fraction]] = {}
    for row in build_equations(cells, hidden):
        for pivot, other in solved.items():
            _eliminate(row, other, pivot)
        if row:
            pivot = min(row)
            scaled = {cell: value / row[pivot] for cell, value in row.items()}
            for other in solved.values():
                _eliminate(other, scaled, pivot)
            solved[pivot] = scaled
    return {pivot for pivot, row in solved.items() if len(row) == 1}


def build_equations(cells: set[tuple], hidden: set[tuple]) -> Iterator[dict[tuple, Fraction]]:
    """Equations between suppressed cells: the parts of each sum with 1, the sum itself with -1."""
    parts: dict[tuple, list[tuple]] = {}
    for cell in cells:
        for n, value in enumerate(cell):
            if value != "all":
                parts.setdefault((n, *cell[:n], "all", *cell[n + 1 :]), []).append(cell)
    for (_, *total), addends in parts.items():
        row = {addend: Fraction(1) for addend in addends if addend in hidden}
        if tuple(total) in hidden:
            row[tuple(total)] = Fraction(-1)
        if row:
            yield row


def _eliminate(row: dict[tuple, Fraction], other: dict[tuple, Fraction], pivot: tuple) -> None:
    """Subtract the multiple of `other` from `row` that makes its `pivot` zero."""
    if factor := row.get(pivot):
        for cell, value in other.items():
            row[cell] = row.get(cell, Fraction(0)) - factor * value
            if not row[cell]:
                del row[cell]
