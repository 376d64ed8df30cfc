"""Every consent event and request of every drop file, and its outcome in the lake, by brute force.

An independent checker: it reads the raw files and the declarations (YAML) itself, shares no code with the pipeline, and
then looks for each statement in the tables. Rows are dicts. A statement without a trace is unaccounted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from warehouse.verify.decisions import KINDS, PERMISSIVE, TOLERANCE
from warehouse.verify.drop_files import DropRecord, read_drops
from warehouse.verify.marts import load_declarations
from warehouse.verify.profiles import read_rows
from warehouse.verify.statements import Statement, find_addresses, is_named, read_statements

OBEYED, SUPERSEDED, UNRESOLVED, REFUSED, WAITING, UNACCOUNTED = (
    "obeyed", "superseded", "unresolved", "refused", "waiting", "unaccounted",
)  # fmt: skip
INVALID_METHODS = {None, "bundled", "pre_ticked", "silence"}
ABOUT_SUBJECT = "*"
# Later permissive statuses that end a block of the person, or of the contact point itself.
ENDED_BY = {"restricted": "restriction_lifted", "complained": "verified", "bounced": "verified"}
OF_PERSON, OF_POINT = {"erased", "restricted"}, {"unsubscribed", "complained", "bounced"}
# Statuses that a statement may stand as; a string may be read more strictly than its consent bits alone.
STRICTER = {"granted": {"granted", "denied"}}


@dataclass
class Tables:
    """Rows of the lake that show what became of a statement. `raw` and `quarantine` by channel, identifying columns."""

    ledger: list[dict] = field(default_factory=list)
    unresolved: list[dict] = field(default_factory=list)
    resolution: list[dict] = field(default_factory=list)
    consent_event: list[dict] = field(default_factory=list)
    privacy_request: list[dict] = field(default_factory=list)
    party: list[dict] = field(default_factory=list)
    crosswalk: list[dict] = field(default_factory=list)
    decision: list[dict] = field(default_factory=list)
    retention: list[dict] = field(default_factory=list)
    file: list[dict] = field(default_factory=list)
    quarantine: dict[str, list[dict]] = field(default_factory=dict)
    raw: dict[str, list[dict]] = field(default_factory=dict)


@dataclass
class ConsentReport:
    """`outcomes`: (channel, outcome, reason) to the number of statements. `unaccounted` and `differences`: texts."""

    record_count: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    unaccounted: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def read_tables(lake: Path, channels: Iterable[str]) -> Tables:
    """What the verifier needs of a lake."""
    record = ["channel", "source_record_id"]
    return Tables(
        ledger=read_rows(lake, "consent/ledger"),
        unresolved=read_rows(lake, "consent/unresolved"),
        resolution=read_rows(lake, "consent/resolution"),
        consent_event=read_rows(lake, "standardised/consent_event", [*record, "purpose", "status"]),
        privacy_request=read_rows(lake, "standardised/privacy_request"),
        party=read_rows(lake, "standardised/party", [*record, *KINDS, "defects"]),
        crosswalk=read_rows(lake, "identity/crosswalk", [*record, "customer_id"]),
        decision=[row for row in read_rows(lake, "consent/decision") if row["valid_to"] is None],
        retention=read_rows(lake, "audit/retention"),
        file=read_rows(lake, "audit/file", ["channel", "file_sha256"]),
        quarantine={name: read_rows(lake, f"quarantine/{name}") for name in channels},
        raw={name: read_rows(lake, f"raw/{name}", ["source_record_id"]) for name in channels},
    )


def read_channels(defs: Path) -> dict[str, dict]:
    """The declarations of the channels that carry consent events or requests, by name."""
    channels = load_declarations(defs, "channels")
    return {name: each for name, each in channels.items() if each.get("consents") or each.get("privacy_request")}


def verify_consent(
    lake: Path, drops: Path, defs: Path, show_progress: Callable[[str, int, int], None] = lambda *_: None
) -> ConsentReport:
    """Account for every statement of the drop files. `defs`: the folder of the company's declarations.

    `show_progress` takes what is done, how many are done, and of how many.
    """
    channels = read_channels(defs)
    show_progress("drop files", 0, 3)
    records = list(read_drops(drops, channels))
    show_progress("tables", 1, 3)
    tables = read_tables(lake, channels)
    show_progress("statements", 2, 3)
    return account(records, channels, tables)


def account(records: list[DropRecord], channels: dict[str, dict], tables: Tables) -> ConsentReport:
    """The outcome of every statement of the records, and what the tables have that no record states."""
    report, accounts = ConsentReport(record_count=len(records)), Accounts(tables)
    stated = []
    current: dict[tuple, int] = {}
    for number, record in enumerate(records):
        channel = channels[record.channel]
        statements, record_id = read_statements(record, channel), record.values.get(channel["key"])
        not_read = accounts.find_not_read(record, record_id, channel)
        stated.append((record, record_id, statements, not_read))
        if channel.get("records") == "state" and not_read is None:
            current |= {(record.channel, record_id, each.purpose): number for each in statements}
    for number, (record, record_id, statements, not_read) in enumerate(stated):
        # A record that cannot be read may state anything.
        for statement in statements or ([Statement("?", "unreadable", None, None)] if record.problem else []):
            last = current.get((record.channel, record_id, statement.purpose), number)
            if not_read is not None:
                outcome, reason = not_read
            elif record.problem or record_id is None:
                outcome, reason = UNACCOUNTED, record.problem or "has no id"
            elif last > number:
                # The newer state is looked up itself.
                outcome, reason = SUPERSEDED, "by a newer state of the record"
            else:
                outcome, reason = accounts.find_outcome(record, record_id, statement)
            report.outcomes[record.channel, outcome, reason] += 1
            if outcome == UNACCOUNTED:
                report.unaccounted.append(f"{record.place}: {statement.status} {statement.purpose}: {reason}")
    nights = {record.drop_date for record in records}
    grants = {
        (record.channel, record_id, each.purpose, each.status)
        for record, record_id, statements, _ in stated
        for each in statements
    }
    report.differences = [
        f"{row['event_id']}: {row['status']} {row['purpose']}: no drop record states it"
        for row in tables.ledger
        if row["status"] in PERMISSIVE
        and row["channel"] in channels
        and row["drop_date"] in nights
        and (row["channel"], row["source_record_id"], row["purpose"], row["status"]) not in grants
    ]
    report.differences += find_disobeyed(tables)
    return report


class Accounts:
    """The tables of a lake, by the keys of a statement."""

    def __init__(self, tables: Tables) -> None:
        self.events, self.latest = defaultdict(list), {}
        for row in tables.ledger:
            self.events[row["channel"], row["source_record_id"]].append(row)
            subject = row["subject_kind"], row["subject_value"], row["purpose"]
            self.latest[subject] = max(self.latest.get(subject, order_of(row)), order_of(row))
        self.usable = {
            (row["channel"], row["source_record_id"], row["purpose"], row["status"]) for row in tables.consent_event
        }
        self.listed = {(row["channel"], row["source_record_id"]): set(row["statements"]) for row in tables.unresolved}
        self.resolved = {(row["channel"], row["source_record_id"]) for row in tables.resolution}
        self.requests = {(row["channel"], row["source_record_id"], row["kind"]): row for row in tables.privacy_request}
        self.known = {(kind, row[kind]) for row in tables.party for kind in KINDS if row[kind] is not None}
        self.defects = {
            (row["channel"], row["source_record_id"]): row["defects"] for row in tables.party if row["defects"]
        }
        self.refused = defaultdict(list)
        for rows in tables.quarantine.values():
            for row in rows:
                place = row["row_number"] if row["line_number"] is None else f"line {row['line_number']}"
                self.refused[row["file_sha256"], place].append(row)
        self.loaded = {(row["channel"], row["file_sha256"]) for row in tables.file}
        self.raw_ids = {(name, row["source_record_id"]) for name, rows in tables.raw.items() for row in rows}
        # Rows that retention removed, by table and file: no more statements can have left with them.
        self.removed: Counter[tuple[str, str]] = Counter()
        for row in tables.retention:
            if not row["field"]:
                self.removed[row["table"], row["file_sha256"]] += row["removed_count"]

    def find_not_read(self, record: DropRecord, record_id: str | None, channel: dict) -> tuple[str, str] | None:
        """(outcome, reason) of a record whose statements the lake did not take in; None where it did."""
        if channel.get("complete_when") and (record.channel, record.sha256) not in self.loaded:
            return WAITING, "its file may be half-written"
        rule = self.find_refusal(record, record_id, is_split="one_row_per" in channel)
        return None if rule is None else (REFUSED, rule)

    def find_refusal(self, record: DropRecord, record_id: str | None, *, is_split: bool) -> str | None:
        """The rule that refused the record, or the retention of refused records; None where it was not refused.

        `is_split`: elements of one record stand on one line, and each has its own id.
        """
        place = record.number if record.line is None else f"line {record.line}"
        for row in self.refused.get((record.sha256, place), ()):
            if not is_split or record_id is None or row["source_record_id"] in {None, "", record_id}:
                return row["rule"]
        key = record.channel, record_id
        is_gone = key not in self.raw_ids and key not in self.events
        if is_gone and self.take_removed(f"quarantine/{record.channel}", record):
            return "retention of quarantine"
        return None

    def take_removed(self, table: str, record: DropRecord) -> bool:
        """Whether retention may have removed the record, by the counts of removed rows."""
        self.removed[table, record.sha256] -= 1
        return self.removed[table, record.sha256] >= 0

    def find_outcome(self, record: DropRecord, record_id: str, statement: Statement) -> tuple[str, str]:
        """(outcome, reason) of a statement whose record was not refused."""
        key = record.channel, record_id
        if statement.purpose == "request":
            return self.find_request(record, key, statement)
        statuses = STRICTER.get(statement.status, {statement.status}) if statement.string else {statement.status}
        rows = [
            row for row in self.events.get(key, ()) if row["purpose"] == statement.purpose and row["status"] in statuses
        ]
        if any("~" in row["event_id"].removeprefix(":".join(key)) for row in rows):
            return OBEYED, "resolved by a clerk"
        if any(f"{status} {statement.purpose}" in self.listed.get(key, ()) for status in statuses):
            return UNRESOLVED, "listed"
        if not rows:
            return (
                (REFUSED, "a clerk decided") if key in self.resolved else (UNACCOUNTED, "the ledger does not have it")
            )
        text = statement.subject_value or ""
        named = [row for row in rows if is_named(text, row["subject_kind"], row["subject_value"])]
        if not named:
            return UNACCOUNTED, "the ledger has it for another subject"
        if not all(row["status"] in PERMISSIVE for row in named):
            return self.find_denial(key, text, named)
        if statement.status == "granted" and all(
            row["notice_version"] is None or row["method"] in INVALID_METHODS for row in named
        ):
            return REFUSED, "a grant without notice or method"
        return self.find_order(named)

    def find_denial(self, key: tuple[str, str], text: str, rows: list[dict]) -> tuple[str, str]:
        """The outcome of a denial that the ledger has: it must reach each subject, and be the record's last word."""
        emails = [row["subject_value"] for row in rows if row["subject_kind"] == "email"]
        if emails and not find_addresses(text) <= set[str]().union(*map(find_addresses, emails)):
            return UNACCOUNTED, "the ledger has it for some of its subjects alone"
        later = [
            row
            for row in self.events[key]
            if row["status"] in PERMISSIVE
            and row["purpose"] == rows[0]["purpose"]
            and row["event_at"] > max(own["event_at"] for own in rows)
        ]
        if later:
            return UNACCOUNTED, "the ledger has an earlier one alone, before a grant of the same record"
        is_usable = any((*key, row["purpose"], row["status"]) in self.usable for row in rows)
        is_known = any((row["subject_kind"], row["subject_value"]) in self.known for row in rows)
        if is_usable and not is_known and key not in self.resolved:
            return UNACCOUNTED, "it reaches nobody, and is not listed as unresolved"
        return self.find_order(rows)

    def find_order(self, rows: list[dict]) -> tuple[str, str]:
        """Whether a later event on the same subject and purpose decides."""
        subjects = [(row, (row["subject_kind"], row["subject_value"], row["purpose"])) for row in rows]
        is_last = any(order_of(row) >= self.latest[subject] for row, subject in subjects)
        return (OBEYED, "in the ledger") if is_last else (SUPERSEDED, "by a later event")

    def find_request(self, record: DropRecord, key: tuple[str, str], request: Statement) -> tuple[str, str]:
        """The outcome of a request of a data subject."""
        row = self.requests.get((*key, request.status))
        if f"request: {request.status}" in self.listed.get(key, ()):
            return UNRESOLVED, "listed"
        if row is None:
            is_removed = key not in self.raw_ids and self.take_removed(f"raw/{record.channel}", record)
            return (REFUSED, "retention") if is_removed else (UNACCOUNTED, "there is no request")
        if key in self.resolved:
            return OBEYED, "resolved by a clerk"
        if row["subject_value"] is None or not is_named(
            request.subject_value or "", row["subject_kind"], row["subject_value"]
        ):
            return UNACCOUNTED, "the request is about another subject"
        if (row["subject_kind"], row["subject_value"]) not in self.known:
            return UNACCOUNTED, "it reaches nobody, and is not listed as unresolved"
        return OBEYED, "a request"


def order_of(row: dict) -> tuple[datetime, datetime, bool]:
    """The order of events: time, recorded time, then those that permit nothing."""
    return row["event_at"], row["recorded_at"], row["status"] not in PERMISSIVE


def find_disobeyed(tables: Tables) -> list[str]:
    """Decisions that allow somebody by consent whose identifier has a denial or a block of later date."""
    customer_of = {(row["channel"], row["source_record_id"]): row["customer_id"] for row in tables.crosswalk}
    holders = defaultdict(set)
    for row in tables.party:
        customer = customer_of.get((row["channel"], row["source_record_id"]))
        for kind in KINDS:
            if row[kind] is not None and customer is not None:
                holders[kind, row[kind]].add(customer)
    allowed = defaultdict(list)
    for row in tables.decision:
        if row["is_allowed"] and row["lawful_basis"] == "consent":
            allowed[row["customer_id"]].append(row)
    as_of = max((row["valid_from"] for row in tables.decision), default=None)
    ends: dict[tuple, datetime] = {}
    for row in tables.ledger:
        if row["status"] in ENDED_BY.values():
            key = row["subject_kind"], row["subject_value"], row["status"]
            ends[key] = max(ends.get(key, row["event_at"]), row["event_at"])
    found = []
    for row in tables.ledger:
        if row["status"] in PERMISSIVE or as_of is None:
            continue
        subject = row["subject_kind"], row["subject_value"]
        is_future = row["event_at"] > row["recorded_at"] + TOLERANCE
        counts_from = row["recorded_at"] if is_future else row["event_at"]
        end = ends.get((*subject, ENDED_BY.get(row["status"], "")))
        if counts_from > as_of or (end is not None and end > counts_from):
            continue
        found += [
            f"{row['event_id']}: {row['status']} {row['purpose']}: {customer} is allowed {decision['purpose']} by an "
            "earlier consent"
            for customer in holders.get(subject, ())
            for decision in allowed.get(customer, ())
            if concerns(row, decision) and not (ends_with_grant(row) and decision["since_at"] >= counts_from)
        ]
    return found


def concerns(event: dict, decision: dict) -> bool:
    """Whether a denial or a block is about what a decision allows."""
    if event["purpose"] != ABOUT_SUBJECT:
        return event["purpose"] == decision["purpose"]
    return event["status"] in OF_PERSON or (
        event["status"] in OF_POINT and event["subject_value"] == decision["contact_point"]
    )


def ends_with_grant(event: dict) -> bool:
    """Whether a later grant ends it: not an erasure, a restriction, a complaint or a bounce."""
    return event["status"] != "erased" and event["status"] not in ENDED_BY
