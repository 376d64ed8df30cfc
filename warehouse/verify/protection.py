"""What the marts hide, worked out anew by brute force: keys, bands, groups, cells. Used by `verify_marts`.

Written from the register's YAML and the standards alone (RFC 2104, RFC 5869): it imports nothing of the pipeline.
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

OWN = ("subject.key", "subject.evidence", "decision.lawful_basis")
FIRST_MONTH = {"quarter": lambda month: (month - 1) // 3 * 3 + 1, "month": lambda month: month, "year": lambda _: 1}
FEWEST = 10


def purpose_key(lake: Path, purpose: str) -> bytes:
    """HKDF by hand: extract without salt, expand by one block; as text, for it is used as text."""
    kept = lake / "keys" / "marts.key"
    secret = bytes.fromhex((os.environ.get("CDP_MART_SECRET") or kept.read_text()).strip())
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, f"cdp mart {purpose}".encode() + b"\x01", "sha256").hex().encode()


def digest(key: bytes, text: str) -> str:
    """HMAC-SHA-256 in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def reference(key: bytes, customer: str, point: str, version: str, evidence: list[str]) -> str:
    """What stands for a decision's evidence in one mart."""
    return digest(key, "\x1f".join(["evidence", customer, point, version, *sorted(evidence)]))


def coarsened(value: object, column: dict) -> object:
    """A value as its column declares it."""
    if value is None:
        return None
    if bands := column.get("bands"):
        below = [least for least in bands if least <= value]
        if not below:
            return f"under {bands[0]}"
        if len(below) == len(bands):
            return f"{bands[-1]} or more"
        least, most = below[-1], bands[len(below)] - 1
        return str(least) if least == most else f"{least} to {most}"
    if cut := column.get("cut_to"):
        day = value.date() if isinstance(value, datetime) else value
        return day if cut == "date" else date(day.year, FIRST_MONTH[cut](day.month), 1)
    return value


def by_sql(sql: str, rows: list[dict], names: list[str]) -> list[dict]:
    """What the query gives of these rows."""
    table = pa.table({name: [row[name] for row in rows] for name in names})
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        connection.register("permitted", table)
        return connection.sql(sql).to_arrow_table().to_pylist()


def in_groups(rows: list[dict], names: list[str], fewest: int) -> list[dict]:
    """Rows of which each shares all of `names` with at least `fewest`, by taking away the last of them first."""
    rows = [dict(row) for row in rows]
    settled: set[int] = set()

    def told(n: int) -> tuple:
        return tuple(rows[n][name] for name in names)

    for last in [None, *reversed(names)]:
        for n, row in enumerate(rows):
            if last is not None and n not in settled:
                row[last] = None
        sizes = Counter(told(n) for n in range(len(rows)))
        settled |= {n for n in range(len(rows)) if sizes[told(n)] >= fewest}
    if names and len(settled) < len(rows) and settled:
        sizes = Counter(told(n) for n in settled)
        smallest = min(sizes, key=lambda group: (sizes[group], [(value is not None, value) for value in group]))
        for n in settled:
            if told(n) == smallest:
                rows[n] |= dict.fromkeys(names)
    return rows


def cells(rows: list[dict], dimensions: list[str]) -> dict[tuple, list[dict]]:
    """Rows by what each dimension says, or by `all`."""
    found: dict[tuple, list[dict]] = {}
    for row in rows:
        values = ["none" if row[name] is None else str(row[name]) for name in dimensions]
        for cell in product(*((value, "all") for value in values)):
            found.setdefault(cell, []).append(row)
    return found


def wrong_cells(purpose: dict, rows: list[dict], told: list[dict]) -> Iterator[str]:
    """Where an aggregate is not what these rows give, or tells what it must not."""
    dimensions, sums = purpose["aggregate"]["dimensions"], purpose["aggregate"].get("sums", [])
    fewest = purpose.get("minimum_group", FEWEST)
    mine, theirs = cells(rows, dimensions), {tuple(row[name] for name in dimensions): row for row in told}
    if set(mine) != set(theirs) or len(theirs) < len(told):
        yield f"{len(set(mine) ^ set(theirs))} cells are missing or are nobody's"
        return
    hidden = set()
    for cell, people in mine.items():
        row = theirs[cell]
        found = {name: sum(person[name] or 0 for person in people) for name in sums}
        parts = [[abs(person[name] or 0) for person in people] for name in sums]
        is_small = len(people) < fewest or any(2 * max(part) > sum(part) for part in parts)
        if row["lawful_basis"] != purpose["lawful_basis"]:
            yield f"the cell {', '.join(cell)} has another basis"
        if row["people"] is None:
            hidden.add(cell)
            if any(row[name] is not None for name in sums):
                yield f"the cell {', '.join(cell)} is suppressed but for a sum"
        elif is_small:
            yield f"the cell {', '.join(cell)} tells of too few"
        elif row["people"] != len(people) or any(row[name] != found[name] for name in sums):
            yield f"the cell {', '.join(cell)} is not the number of those whom it counts"
    if given := determined(set(mine), hidden):
        yield f"{len(given)} suppressed cells can be subtracted back from the others"


def determined(there: set[tuple], hidden: set[tuple]) -> set[tuple]:
    """Suppressed cells that the published ones give away, by elimination: those that alone are left in a row."""
    done: dict[tuple, dict[tuple, Fraction]] = {}
    for row in equations(there, hidden):
        for pivot, other in done.items():
            _take(row, other, pivot)
        if row:
            pivot = min(row)
            scaled = {cell: value / row[pivot] for cell, value in row.items()}
            for other in done.values():
                _take(other, scaled, pivot)
            done[pivot] = scaled
    return {pivot for pivot, row in done.items() if len(row) == 1}


def equations(there: set[tuple], hidden: set[tuple]) -> Iterator[dict[tuple, Fraction]]:
    """What is known of suppressed cells together: the parts of each sum with 1, what they sum up to with -1."""
    parts: dict[tuple, list[tuple]] = {}
    for cell in there:
        for n, value in enumerate(cell):
            if value != "all":
                parts.setdefault((n, *cell[:n], "all", *cell[n + 1 :]), []).append(cell)
    for (_, *whole), below in parts.items():
        row = {part: Fraction(1) for part in below if part in hidden}
        if tuple(whole) in hidden:
            row[tuple(whole)] = Fraction(-1)
        if row:
            yield row


def _take(row: dict[tuple, Fraction], other: dict[tuple, Fraction], pivot: tuple) -> None:
    """Take as much of `other` from `row` as brings its `pivot` to nothing."""
    if factor := row.get(pivot):
        for cell, value in other.items():
            row[cell] = row.get(cell, Fraction(0)) - factor * value
            if not row[cell]:
                del row[cell]
