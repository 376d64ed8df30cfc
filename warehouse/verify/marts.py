"""Checks of a whole lake: every decision and every row of every mart, computed again by brute force and compared.

An independent checker: it is written from the rules and the declarations (YAML) alone, and imports nothing of the
pipeline but the checkers beside it. It has rows in memory instead of tables, and is slow on purpose. Of an aggregate it
does not choose again which cells to suppress: it checks that every published cell is right and big enough, and that no
suppressed cell can be derived from the others.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import yaml
from deltalake import DeltaTable

from warehouse.verify.decisions import (
    KIND_OF_SCOPE,
    KINDS,
    Facts,
    decide_unit,
    list_contact_points,
    read_register,
    record_id,
    record_key,
    select_version,
)
from warehouse.verify.profiles import Profiles, read_rows
from warehouse.verify.protection import (
    MINIMUM_GROUP,
    UNGROUPED_SOURCES,
    coarsen_value,
    compute_digest,
    compute_reference,
    derive_purpose_key,
    find_wrong_cells,
    remove_small_groups,
    run_sql,
)

UNIFICATION = "profile_unification"
COMPARED = ("is_allowed", "reason", "lawful_basis", "since_at", "evidence", "purpose_version")
# At most this many differences are printed.
MAX_PRINTED = 20


@dataclass
class Report:
    """What was compared, and every difference between the lake and the brute force."""

    decision_count: int = 0
    record_count: int = 0
    row_counts: dict[str, int] = field(default_factory=dict)
    # Marts that were held back: the night of their rows.
    earlier_nights: dict[str, date] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def load_declarations(defs: Path, folder: str) -> dict[str, dict]:
    """Attributes of each `<folder>/<key>/defs.yaml`."""
    return {
        path.parent.name: yaml.safe_load(path.read_text())["attributes"]
        for path in sorted((defs / folder).rglob("defs.yaml"))
    }


def find_last_night(lake: Path) -> datetime:
    """The instant as of which the last run of the lake decided."""
    return max(row["as_of"] for row in read_rows(lake, "audit/run"))


def find_end_of_night(as_of: datetime) -> datetime:
    """The midnight that ends the day of an instant: files of that day are noted with it."""
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    return as_of if as_of == midnight else midnight + timedelta(days=1)


def read_facts(lake: Path, defs: Path, as_of: datetime, known_at: datetime) -> Facts:
    """Everything that the lake knew at one instant, as of another."""
    party, interaction = read_rows(lake, "standardised/party"), read_rows(lake, "standardised/interaction")
    return Facts(
        read_rows(lake, "consent/ledger"),
        party,
        interaction,
        read_rows(lake, "identity/cluster"),
        as_of,
        known_at,
        read_rows(lake, "standardised/privacy_request"),
        list_cases(defs, party, interaction),
        find_silent(read_rows(lake, "audit/file"), load_declarations(defs, "channels"), known_at),
    )


def find_silent(files: list[dict], channels: dict[str, dict], known_at: datetime) -> dict[str, date]:
    """Channels with a gap in their files by what was known, and the first night whose grants do not count."""
    silent: dict[str, date] = {}
    last_night = (known_at - timedelta(seconds=1)).date()
    for key, channel in channels.items():
        declared = channel.get("continuity") or {}
        read = [
            row
            for row in files
            if row["channel"] == key
            and row["ingested_at"] <= known_at
            and row["outcome"] in {"loaded", "loaded_with_warnings", "empty", "repeated"}
        ]
        nights = {row["drop_date"] for row in read}
        if heartbeat := declared.get("heartbeat_days"):
            for night in nights:
                after = min((each for each in nights if each > night), default=last_night)
                if after - night > timedelta(days=heartbeat):
                    silent[key] = min(silent.get(key, date.max), night + timedelta(days=1))
        if sequence := declared.get("sequence"):
            found = [(re.fullmatch(sequence, row["file"]), row["drop_date"]) for row in read]
            numbers = [(int(match.group(1)), night) for match, night in found if match and match.group(1).isdecimal()]
            present = sorted({number for number, _ in numbers})
            for n, number in enumerate(present[1:]):
                if number != present[n] + 1:
                    since = min(night for other, night in numbers if other >= number)
                    silent[key] = min(silent.get(key, date.max), since)
    return silent


def list_cases(defs: Path, party: list[dict], interaction: list[dict]) -> list[dict]:
    """Each identifier that a declared case covers: those on the records of its interactions."""
    covered = []
    for path in sorted((defs / "purposes").rglob("cases/*.yaml")):
        case = yaml.safe_load(path.read_text())
        covers = case["covers"]
        records = {
            record_key(row)
            for row in interaction
            if row["interaction_type"] == covers["interaction_type"]
            and covers.get("since", row["occurred_at"]) <= row["occurred_at"]
            and row["occurred_at"] < covers.get("until", datetime.max.replace(tzinfo=UTC))
            and all(row[name] == covers[name] for name in ("name", "location_code") if name in covers)
        }
        subjects = {
            (kind, row[kind]) for row in party if record_key(row) in records for kind in KINDS if row[kind] is not None
        }
        fields = {"case_id": path.stem, "purpose": path.parent.parent.name, "ends_at": case.get("ends_at")}
        fields |= {name: case[name] for name in ("declared_at", "starts_at")}
        covered += [fields | {"subject_kind": kind, "subject_value": value} for kind, value in subjects]
    return covered


def compare_decisions(
    facts: Facts,
    register: dict[str, list[dict]],
    decisions: list[dict],
    report: Report,
    show_progress: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, list[tuple[str, dict]]]]:
    """Compare every decision unit with `decisions`; returns the allowed ones.

    They are by purpose and customer: [(contact point, decision)].
    """
    remaining = {(row["customer_id"], row["purpose"], row["contact_point"]): row for row in decisions}
    allowed: dict[str, dict[str, list[tuple[str, dict]]]] = {key: {} for key in register}
    for n, customer in enumerate(facts.customers):
        for key in register:
            for point in list_contact_points(facts, customer, select_version(register, key, facts.as_of)):
                expected = decide_unit(register, facts, customer, key, point)
                value = point[1] if point else ""
                report.decision_count += 1
                actual = remaining.pop((customer, key, value), None)
                if actual is None:
                    report.differences.append(f"{customer} {key}: not decided, by brute force {expected['reason']}")
                else:
                    wrong = [name for name in COMPARED if actual[name] != expected[name]]
                    if actual["ledger_position"] > facts.ledger_position:
                        wrong.append("ledger_position")
                    if wrong:
                        reasons = f"{actual['reason']}, by brute force {expected['reason']}"
                        report.differences.append(f"{customer} {key}: {reasons} ({', '.join(wrong)})")
                if expected["is_allowed"]:
                    allowed[key].setdefault(customer, []).append((value, expected))
        if n % 100 == 0:
            show_progress(n)
    report.differences += [f"{customer} {key}: should not be decided" for customer, key, _ in remaining]
    return allowed


def compare_gate(facts: Facts, crosswalk: list[dict], allowed: dict, channels: dict, report: Report) -> set[tuple]:
    """Compare the merge gate of every record; returns the keys of the records that may join a profile."""
    joined = set()
    points = {
        record_key(row): {row[kind] for kind in KIND_OF_SCOPE.values() if row[kind] is not None} for row in facts.party
    }
    for row in crosswalk:
        customer = row["customer_id"]
        purposes = channels[row["channel"]]["collected_for"]
        is_unified = UNIFICATION in purposes and customer in allowed.get(UNIFICATION, {})
        expected = is_unified and any(
            point == "" or point in points.get(record_key(row), ())
            for key in purposes
            if key != UNIFICATION
            for point, _ in allowed.get(key, {}).get(customer, ())
        )
        report.record_count += 1
        if expected != row["is_profiled"]:
            report.differences.append(f"{record_id(row)}: is_profiled {row['is_profiled']}, by brute force {expected}")
        if expected:
            joined.add(record_key(row))
    return joined


def build_expected_rows(
    key: str, purpose: dict, allowed: dict, profiles: Profiles, secret: bytes
) -> Iterator[tuple[str, dict]]:
    """The rows that a mart may have, by customer."""
    scope = purpose.get("scope", "person")
    since = start_of_window(profiles.facts.as_of, purpose["retention"])
    points = choose_points(scope, key, allowed, profiles)
    for customer, decisions in allowed.items():
        if customer not in profiles.party or customer not in points:
            continue
        by_point, point = dict(decisions), points[customer]
        row, decision = {}, by_point[point]
        version, evidence = decision["purpose_version"], decision["evidence"]
        for column in purpose["columns"]:
            table, _, name = column["source"].partition(".")
            if table == "subject":
                reference = compute_reference(secret, customer, point, version, evidence)
                value = {"key": compute_digest(secret, customer), "evidence": reference}[name]
            elif table == "decision":
                value = ({"purpose": key, "contact_point": point} | decision)[name]
            elif table == "measure":
                value = profiles.measure(customer, name, key, since)
            else:
                value = point if name == scope else profiles.choose_value(customer, name, key)
            row[column["name"]] = coarsen_value(value, column)
        yield customer, row


def choose_points(scope: str, key: str, allowed: dict, profiles: Profiles) -> dict[str, str]:
    """The contact point of each customer; of customers with the same one only that with the most known attributes.

    Of equal ones that with the smallest record key.
    """
    if scope == "person":
        return dict.fromkeys(allowed, "")
    by_point: dict[str, list[tuple]] = {}
    for customer, decisions in allowed.items():
        if customer in profiles.party:
            chosen = profiles.choose_candidate(customer, scope, key, set(dict(decisions)))
            if chosen:
                order = (-profiles.count_known(customer, key), chosen[2])
                by_point.setdefault(chosen[0][scope], []).append((order, customer))
    return {min(holders)[1]: point for point, holders in by_point.items()}


def start_of_window(as_of: datetime, duration: str) -> datetime:
    """The earliest instant within a duration: years and months back (at most the last day of the month), then days."""
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
    month = as_of.month - 1 - parts.get("M", 0) - 12 * parts.get("Y", 0)
    year, month, day = as_of.year + month // 12, month % 12 + 1, as_of.day
    while True:
        try:
            return as_of.replace(year=year, month=month, day=day) - timedelta(days=parts.get("D", 0))
        except ValueError:
            day -= 1


def compare_mart(lake: Path, key: str, purpose: dict, rows: dict[str, dict], sql: str | None, report: Report) -> None:
    """Compare the rows of a mart with those that it may have (`rows`, by customer), protected as its purpose says."""
    aggregate = purpose.get("aggregate")
    columns = [column["name"] for column in purpose.get("shape") or purpose["columns"]]
    if aggregate:
        columns = [*aggregate["dimensions"], "people", *aggregate.get("sums", []), "lawful_basis"]
    table = DeltaTable(str(lake / "mart" / key)).to_pyarrow_table()
    report.row_counts[key] = table.num_rows
    if table.column_names != columns:
        report.differences.append(f"mart/{key}: its columns are not the declared ones")
        return
    published, permitted = table.to_pylist(), list(rows.values())
    if sql:
        permitted = run_sql(sql, permitted, [column["name"] for column in purpose["columns"]])
    if aggregate:
        wrong_cells = find_wrong_cells(purpose, permitted, published)
        report.differences += [f"mart/{key}: {problem}" for problem in wrong_cells]
        return
    names = {column["source"]: column["name"] for column in purpose["columns"]}
    subject = names["subject.key"]
    if not purpose.get("identified_because"):
        grouped = [column for column in columns if column not in {names[source] for source in UNGROUPED_SOURCES}]
        permitted = remove_small_groups(permitted, grouped, purpose.get("minimum_group", MINIMUM_GROUP))
    customers = {row[subject]: customer for customer, row in rows.items()}
    remaining = {row[subject]: row for row in published}
    if len(remaining) < table.num_rows:
        report.differences.append(f"mart/{key}: a customer has two rows")
    for expected in permitted:
        customer, row = customers[expected[subject]], remaining.pop(expected[subject], None)
        if row is None:
            report.differences.append(f"mart/{key}: {customer} is missing")
        elif wrong := [column for column in columns if row[column] != expected[column]]:
            report.differences.append(f"mart/{key}: {customer} differs in {', '.join(wrong)}")
    report.differences += [f"mart/{key}: {value} has a row without a right" for value in remaining]


def read_earlier_nights(lake: Path) -> dict[str, date]:
    """Purpose to the night of its rows, for marts that the served file has from an earlier night than the last."""
    served = lake / "serving" / "marts.duckdb"
    if not served.exists():
        return {}
    with duckdb.connect(str(served), read_only=True) as connection:
        sql = "SELECT purpose, earlier_night FROM main.published WHERE earlier_night IS NOT NULL"
        return dict(connection.execute(sql).fetchall())


def compare_rights(lake: Path, key: str, purpose: dict, allowed: dict, secret: bytes, report: Report) -> None:
    """Compare a mart of an earlier night: each row must be about somebody whom a decision allows tonight.

    `allowed`: customer to [(contact point, decision)]. The cells of an aggregate are about no single person.
    """
    published = DeltaTable(str(lake / "mart" / key)).to_pyarrow_table().to_pylist()
    report.row_counts[key] = len(published)
    if purpose.get("aggregate"):
        return
    shown = {column["name"] for column in purpose.get("shape") or purpose["columns"]}
    names = {column["source"]: column["name"] for column in purpose["columns"] if column["name"] in shown}
    subject = names["subject.key"]
    point = names.get(f"customer.{purpose.get('scope', 'person')}") or names.get("decision.contact_point")
    rights = {
        (compute_digest(secret, customer), value if point else "")
        for customer, decisions in allowed.items()
        for value, _ in decisions
    }
    report.differences += [
        f"mart/{key}: {row[subject]} has a row without a right"
        for row in published
        if (row[subject], row[point] if point else "") not in rights
    ]


def verify_lake(
    lake: Path,
    defs: Path,
    purposes: tuple[str, ...] = (),
    show_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Report:
    """A whole lake, as of its last run; `purposes`: the marts of these alone.

    `show_progress` takes what is done, how many are done, and of how many.
    """
    register = read_register(defs / "purposes")
    channels = load_declarations(defs, "channels")
    (policy,) = load_declarations(defs, "golden").values() or [{}]
    as_of, report = find_last_night(lake), Report()
    show_progress("reading", 0, 1)
    facts = read_facts(lake, defs, as_of, find_end_of_night(as_of))
    decisions = [row for row in read_rows(lake, "consent/decision") if row["valid_to"] is None]
    total = len(facts.customers)
    allowed = compare_decisions(facts, register, decisions, report, lambda n: show_progress("decisions", n, total))
    joined = compare_gate(facts, read_rows(lake, "identity/crosswalk"), allowed, channels, report)
    profiles = Profiles(lake, facts, joined, channels, policy)
    report.earlier_nights = read_earlier_nights(lake)
    with_mart = [key for key in register if select_version(register, key, as_of).get("columns")]
    for n, key in enumerate(with_mart):
        if not purposes or key in purposes:
            show_progress(f"mart/{key}", n, len(with_mart))
            purpose = select_version(register, key, as_of)
            sql_file = defs / "purposes" / key / "mart.sql"
            sql = sql_file.read_text() if purpose.get("shape") else None
            secret = derive_purpose_key(lake, key)
            if key in report.earlier_nights:
                compare_rights(lake, key, purpose, allowed[key], secret, report)
                continue
            rows = dict(build_expected_rows(key, purpose, allowed[key], profiles, secret))
            compare_mart(lake, key, purpose, rows, sql, report)
    return report


def verify_decisions(
    lake: Path, defs: Path, as_of: datetime, known_at: datetime, decisions: list[dict],
    show_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Report:  # fmt: skip
    """Decisions that were made on this lake for two clocks, each computed again and compared."""
    report, facts = Report(), read_facts(lake, defs, as_of, known_at)
    register = read_register(defs / "purposes")
    total = len(facts.customers)
    compare_decisions(facts, register, decisions, report, lambda n: show_progress("decisions", n, total))
    return report
