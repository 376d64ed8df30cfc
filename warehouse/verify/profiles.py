"""Golden values and measures of customers, computed again by brute force from the standardised tables.

An independent checker: it is written from the rules and the declarations (YAML) alone, and imports nothing of the
pipeline. `warehouse.verify.marts` compares whole marts with it.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path

from deltalake import DeltaTable

from warehouse.verify.decisions import Facts, find_unended, record_key

PREFERENCES = ("language_code", "preferred_channel", "quiet_from", "quiet_until", "max_per_week")
PERSON_ATTRIBUTES = (
    "honorific", "first_name", "middle_name", "last_name", "birth_date", "email", "phone", "street", "city",
    "region_code", "postal_code", "country_code", "loyalty_card",
)  # fmt: skip
# A customer may have several of these; each of them is rectified on its own.
MULTIPLE = ("email", "phone")


def read_rows(lake: Path, table: str, columns: Iterable[str] | None = None) -> list[dict]:
    """The rows of a Delta table, with all columns or those named; empty where there is no such table."""
    if not (lake / table / "_delta_log").exists():
        return []
    return DeltaTable(str(lake / table)).to_pyarrow_table(columns=columns and [*columns]).to_pylist()


class Profiles:
    """Candidate values and interactions of customers, from the records that may join their profiles."""

    def __init__(self, lake: Path, facts: Facts, joined: set[tuple], channels: dict, policy: dict) -> None:
        """`joined`: keys of the records that may join; `policy`: the attributes of `golden/defs.yaml`."""
        self.channels, self.policy, self.facts = channels, policy, facts
        self.party, self.preferences, self.granted, self.interactions = {}, {}, {}, {}
        for row in facts.party:
            if record_key(row) in joined:
                self.party.setdefault(row["customer"], []).append(row)
        for row in read_rows(lake, "standardised/preference"):
            if record_key(row) in joined:
                self.preferences.setdefault(facts.customer_by_record[record_key(row)], []).append(row)
        for row in read_rows(lake, "standardised/consent_event"):
            if row["status"] == "granted" and row["notice_version"] is not None:
                subject = (*record_key(row), row["subject_kind"], row["subject_value"])
                self.granted.setdefault(subject, set()).add(row["purpose"])
        for row in facts.interactions:
            if record_key(row) in joined:
                self.interactions.setdefault(row["customer"], []).append(row)
        self.rectifications = read_rectifications(lake, facts, joined)
        self.ranked: dict[tuple, list] = {}

    def find_group(self, attribute: str) -> list[str]:
        """The attributes that come from the same record as this one."""
        return next((group for group in self.policy.get("attribute_groups", ()) if attribute in group), [attribute])

    def select_rectifications(self, customer: str, group: list[str]) -> list[list[dict]]:
        """The rectifications of a customer that are in force, each with its rows, the latest first."""
        newest: dict[object, int] = {}
        rows = [row for row in self.rectifications.get(customer, ()) if row["attribute"] in group]
        for row in rows:
            newest[row["replaces"]] = max(newest.get(row["replaces"], 0), row["rectification_number"])
        numbers = sorted(set(newest.values()), reverse=True)
        return [[row for row in rows if row["rectification_number"] == number] for number in numbers]

    def rate_doubt(self, kind: str, value: str) -> int:
        """0 for a verified contact point, 2 for one that bounced since, 1 for any other value."""
        if kind not in MULTIPLE:
            return 1
        events = self.facts.events_by_subject.get((kind, value), ())
        proofs = [
            event
            for event in events
            if (event["purpose"] == "*" and event["status"] == "verified")
            or (event["status"] == "granted" and event["method"] in self.policy.get("verified_by", ()))
        ]
        bounces = [event for event in events if event["purpose"] == "*" and event["status"] == "bounced"]
        if find_unended(bounces, proofs):
            return 2
        return 0 if proofs else 1

    def rank_candidates(self, customer: str, attribute: str) -> list[tuple[dict, set[str], tuple]]:
        """Candidates for an attribute and its group, the best first: values, purposes that they may serve, record."""
        group = self.find_group(attribute)
        if (customer, group[0]) not in self.ranked:
            self.ranked[customer, group[0]] = self.rank_group(customer, group)
        return self.ranked[customer, group[0]]

    def rank_group(self, customer: str, group: list[str]) -> list[tuple[dict, set[str], tuple]]:
        """As `rank_candidates`, for a whole group of attributes."""
        is_preference, is_multiple = group[0] in PREFERENCES, group[0] in MULTIPLE
        at = "updated_at" if is_preference else "observed_at"
        rows = (self.preferences if is_preference else self.party).get(customer, ())
        rows = [row for row in rows if any(row[name] is not None for name in group)]
        reports: dict[tuple, list] = {}
        for row in rows:
            reports.setdefault((row["channel"], *(row[name] for name in group)), []).append(row)
        rectifications = self.select_rectifications(customer, group)
        replaced = {row["replaces"] for rectification in rectifications for row in rectification}
        purposes_of_replaced: dict[object, set[str]] = {}
        candidates = []
        for (channel, *values), reporting in reports.items():
            latest = max(row[at] for row in reporting)
            newest = min((row for row in reporting if row[at] == latest), key=record_key)
            purposes = set(self.channels[channel]["collected_for"])
            for row in reporting:
                for name, value in zip(group, values, strict=True):
                    purposes |= self.granted.get((*record_key(row), name, str(value)), set())
            is_replaced = bool(rectifications) and (not is_multiple or values[0] in replaced)
            if is_replaced:
                purposes_of_replaced.setdefault(values[0] if is_multiple else None, set()).update(purposes)
            scores = self.score_candidate(group, values, newest, at, rows)
            order = (1, is_replaced, *scores, channel, newest["source_record_id"])
            served = set() if is_replaced else purposes
            candidates.append((order, dict(zip(group, values, strict=True)), served, record_key(newest)))
        for rectification in rectifications:
            first = rectification[0]
            collected_for = set(self.channels[first["channel"]]["collected_for"])
            values = {row["attribute"]: parse_value(row["attribute"], row["value"]) for row in rectification}
            purposes = purposes_of_replaced.get(first["replaces"], collected_for)
            order = (0, -first["rectification_number"])
            candidates.append((order, dict.fromkeys(group) | values, purposes, record_key(first)))
        return [candidate[1:] for candidate in sorted(candidates, key=lambda candidate: candidate[0])]

    def score_candidate(
        self, group: list[str], values: list, newest: dict, at: str, rows: list[dict]
    ) -> Iterator[float]:
        """The score of a candidate by each declared rule, less is better; `rows`: all records of the customer."""
        present = [(name, value) for name, value in zip(group, values, strict=True) if value is not None]
        for rule in self.policy.get("attributes", {}).get(group[0], self.policy["default"]):
            if rule == "source_priority":
                priority = self.policy["source_priority"]
                yield priority.index(newest["channel"]) if newest["channel"] in priority else len(priority)
            elif rule == "recency":
                yield -newest[at].timestamp()
            elif rule == "frequency":
                yield -sum(row[name] == value for row in rows for name, value in present)
            elif rule == "longest":
                yield -sum(len(str(value)) for _, value in present)
            elif rule == "verified":
                yield self.rate_doubt(group[0], values[0])
            else:
                attributes = PREFERENCES if group[0] in PREFERENCES else PERSON_ATTRIBUTES
                yield -(len(present) if len(group) > 1 else sum(newest[name] is not None for name in attributes))

    def choose_value(self, customer: str, attribute: str, key: str, among: set[str] | None = None) -> object:
        """The value of the best candidate that may serve a purpose; None where that candidate has none."""
        candidate = self.choose_candidate(customer, attribute, key, among)
        return candidate[0][attribute] if candidate else None

    def choose_candidate(
        self, customer: str, attribute: str, key: str, among: set[str] | None = None
    ) -> tuple[dict, set[str], tuple] | None:
        """As `choose_value`, with the purposes of the value and its record."""
        for candidate in self.rank_candidates(customer, attribute):
            if key in candidate[1] and (among is None or candidate[0][attribute] in among):
                return candidate
        return None

    def count_known(self, customer: str, key: str) -> int:
        """The number of attributes of which some candidate has a value that may serve a purpose."""
        return sum(
            any(
                key in purposes and values[name] is not None
                for values, purposes, _ in self.rank_candidates(customer, name)
            )
            for name in (*PERSON_ATTRIBUTES, *PREFERENCES)
        )

    def measure(self, customer: str, measure: str, key: str, since: datetime) -> object:  # noqa: PLR0911
        """A measure of the interactions of a customer since an instant, on channels that collect for the purpose."""
        interactions = sorted(
            (
                row
                for row in self.interactions.get(customer, ())
                if key in self.channels[row["channel"]]["collected_for"] and since <= row["occurred_at"]
            ),
            key=lambda row: (row["occurred_at"], row["channel"], row["source_record_id"]),
        )
        base = measure.removeprefix("last_").removeprefix("first_")
        kind = re.match("order|refund|receipt|event|visit|call|reading", base)
        of_kind = [row for row in interactions if row["interaction_type"] == (kind[0] if kind else "order")]
        if measure.endswith("_count"):
            return len(of_kind)
        if not interactions:
            return None
        if measure in {"order_amount_minor", "refund_amount_minor"}:
            return sum(row["amount_minor"] or 0 for row in of_kind)
        if not of_kind:
            return None
        if measure.startswith("first_"):
            return of_kind[0]["occurred_at"]
        if measure in {"last_order_at", "last_event_at", "last_reading_at"}:
            return of_kind[-1]["occurred_at"]
        return of_kind[-1]["currency_code" if measure == "currency_code" else "amount_minor"]


def read_rectifications(lake: Path, facts: Facts, joined: set[tuple]) -> dict[str, list[dict]]:
    """Rectifications that were not withdrawn, by the customer whose record they belong to."""
    rows, by_customer = read_rows(lake, "golden/rectification"), {}
    withdrawn = {row["withdraws_number"] for row in rows}
    for row in rows:
        if (
            row["withdraws_number"] is None
            and row["rectification_number"] not in withdrawn
            and record_key(row) in joined
        ):
            by_customer.setdefault(facts.customer_by_record[record_key(row)], []).append(row)
    return by_customer


def parse_value(attribute: str, text: str) -> object:
    """A value of the golden record from its text."""
    if attribute == "birth_date":
        return date.fromisoformat(text)
    return int(text) if attribute in {"quiet_from", "quiet_until", "max_per_week"} else text
