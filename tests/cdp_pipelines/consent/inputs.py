"""Inputs of decisions: built by hand for named cases, and random ones that are small, with shared identifiers and ties."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from cdp_pipelines.consent import DecisionInput, decide, list_identifiers
from cdp_pipelines.consent.cases import CASE
from cdp_pipelines.purposes import Register, load_register
from cdp_pipelines.schema import (
    CROSSWALK,
    INTERACTION,
    LEDGER,
    PARTY,
    PRIVACY_REQUEST,
    PURPOSE_STATUSES,
    SUBJECT_KINDS,
    SUBJECT_STATUSES,
    Table,
)
from warehouse.verify.decisions import Facts, decide_all, read_register

REGISTER_FOLDER = Path(__file__).parent / "register"
REGISTER = load_register(REGISTER_FOLDER)
ORACLE_REGISTER = read_register(REGISTER_FOLDER)


def at(text: str) -> datetime:
    """`2011-06-01` or `2011-06-01 12:00`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


LATER = at("2030-01-01")


def build_rows(table: Table, values: list[dict]) -> pl.DataFrame:
    """Rows of a table; a column without a value is null."""
    return pl.DataFrame([dict.fromkeys(table.schema) | row for row in values], schema=table.schema)


@dataclass(frozen=True)
class InputFrames:
    """The frames that a decision may rest on."""

    ledger: pl.DataFrame
    party: pl.DataFrame
    interactions: pl.DataFrame
    crosswalk: pl.DataFrame
    requests: pl.DataFrame
    cases: pl.DataFrame
    silent: dict[str, date] = field(default_factory=dict)

    def build_input(self, as_of, known_at=LATER, register=REGISTER) -> DecisionInput:
        return DecisionInput(
            register=register,
            ledger=self.ledger.lazy(),
            identifiers=list_identifiers(self.party.lazy(), self.crosswalk.lazy()),
            interactions=self.interactions.lazy(),
            crosswalk=self.crosswalk.lazy(),
            as_of=as_of,
            known_at=known_at,
            party=self.party.lazy(),
            requests=self.requests.lazy(),
            cases=self.cases,
            silent=self.silent,
        )

    def decide(self, as_of, known_at=LATER, register=REGISTER) -> pl.DataFrame:
        return decide(self.build_input(as_of, known_at, register))

    def decide_by_oracle(self, as_of, known_at=LATER, register=ORACLE_REGISTER) -> dict:
        frames = (self.ledger, self.party, self.interactions, self.crosswalk)
        more = (frame.to_dicts() for frame in (self.requests, self.cases))
        facts = Facts(*(frame.to_dicts() for frame in frames), as_of, known_at, *more, silent=self.silent)
        return decide_all(register, facts)

    def with_event(self, **fields) -> "InputFrames":
        return replace(self, ledger=pl.concat([self.ledger, build_ledger([fields], self.ledger.height)]))


def build_ledger(events: list[dict], n: int = 0) -> pl.DataFrame:
    """Rows of the ledger: recorded at once, under the accepted notice, unless a event says otherwise."""
    return build_rows(
        LEDGER,
        [
            {
                "position": n + number,
                "event_id": f"w{n + number}",
                "recorded_at": event["event_at"],
                "notice_version": "2010-06" if event["status"] == "granted" else None,
                "method": "web_form",
            }
            | event
            for number, event in enumerate(events, start=1)
        ],
    )


def build_test_input(*, events=(), records=(), interactions=(), requests=(), cases=()) -> InputFrames:
    """Input frames from a few values.

    `records`: (customer, fields of party, is_exact); `interactions`: (customer, type, instant, other fields).
    """
    party, crosswalk, interaction_rows = [], [], []
    for number, (customer, fields, is_exact) in enumerate(records):
        key = {"channel": "crm", "source_record_id": f"r{number}"}
        defaults = {"observed_at": at("2010-06-01"), "ingested_at": at("2010-06-02")}
        party.append(key | defaults | fields)
        crosswalk.append(key | {"customer_id": customer, "is_exact": is_exact, "is_profiled": True})
    for number, (customer, type_, instant, fields) in enumerate(interactions):
        key = {"channel": "shop", "source_record_id": f"i{number:02}"}
        interaction_rows.append(
            key | {"interaction_type": type_, "occurred_at": instant, "ingested_at": instant} | fields
        )
        crosswalk.append(key | {"customer_id": customer, "is_exact": True, "is_profiled": True})
    return InputFrames(
        build_ledger(list(events)),
        build_rows(PARTY, party),
        build_rows(INTERACTION, interaction_rows),
        build_rows(CROSSWALK, crosswalk),
        build_rows(PRIVACY_REQUEST, list(requests)),
        pl.DataFrame([dict.fromkeys(CASE) | case for case in cases], schema=CASE),
    )


def random_input(
    seed: int, customer_count: int = 12, consent_event_count: int = 900, register: Register = REGISTER
) -> InputFrames:
    """Random input frames with few identifiers, so that many are shared, and few instants, so that many tie."""
    rng = random.Random(seed)  # noqa: S311  random inputs must be repeatable, not secret
    start = at("2010-10-01")
    instants = [start + timedelta(days=rng.randrange(0, 400), hours=12 * rng.randrange(2)) for _ in range(25)]

    def some(values, none=0.0):
        return None if rng.random() < none else rng.choice(values)

    def value(kind):
        return f"{kind}{rng.randrange(customer_count * (3 if kind in {'loyalty_card', 'account_id'} else 2))}"

    def late(moment):
        return moment + timedelta(hours=rng.choice((0, 0, 0, 1, 24, 700)))

    purposes = list(register)
    of_cases = [key for key in purposes if register[key].lawful_basis in {"vital_interests", "public_interest"}]
    records = [
        (
            f"c{rng.randrange(customer_count):02}",
            {kind: value(kind) if rng.random() < 0.35 else None for kind in (*SUBJECT_KINDS, "advertising_id")}
            | {
                "observed_at": (seen := rng.choice(instants)),
                "ingested_at": late(seen),
                "birth_date": some([date(1996, 2, 29), date(1995, 6, 1), date(1980, 1, 1), date(1993, 4, 1)], 0.8),
                "country_code": (country := some(["US", "DE", "GB", "CH"], 0.5)),
                "region_code": some(["CA", "WA"], 0.1) if country == "US" else None,
            },
            rng.random() < 0.7,
        )
        for _ in range(customer_count * 4)
    ]
    events = []
    for _ in range(consent_event_count):
        is_own = rng.random() < 0.95
        status = rng.choice(PURPOSE_STATUSES + ("granted",) * 4) if is_own else rng.choice(SUBJECT_STATUSES)
        if status == "erased" and rng.random() < 0.8:
            status = "verified"
        kind, happened = rng.choice(SUBJECT_KINDS), rng.choice(instants)
        events.append(
            {
                "event_id": f"w{rng.randrange(10**6)}",
                "subject_kind": kind,
                "subject_value": value(kind),
                "purpose": rng.choice([*purposes, "unknown"]) if is_own else "*",
                "status": status,
                "event_at": happened,
                # Some are dated later than they were recorded, within the tolerance and beyond it.
                "recorded_at": happened - timedelta(hours=rng.choice((24, 25, 900)))
                if rng.random() < 0.1
                else late(happened),
                "expires_at": rng.choice(instants) if status == "granted" and rng.random() < 0.15 else None,
                "notice_version": some(["2010-06", "2010-06", "2011-06", "2010-05", "2010-06-15", "old"], 0.1),
                "method": some(["web_form", "web_form", "web_form", "pre_ticked"], 0.03),
                "jurisdiction": some(["EU", "US-CA", "US-WA"], 0.9),
            }
        )
    interactions = [
        (
            f"c{rng.randrange(customer_count):02}",
            rng.choice(["order", "order", "refund", "receipt", "call", "visit", "event", "warranty"]),
            (happened := rng.choice(instants)),
            {
                "amount_minor": some([100, -100, 200, 0], 0.1),
                "currency_code": some(["GBP", "GBP", "EUR"], 0.05),
                "ingested_at": late(happened),
            },
        )
        for _ in range(customer_count * 8)
    ]
    requests = [
        {
            "channel": "requests",
            "source_record_id": f"q{number}",
            "subject_kind": (kind := rng.choice(SUBJECT_KINDS)),
            "subject_value": value(kind),
            "received_at": (received := rng.choice(instants)),
            "ingested_at": late(received),
        }
        for number in range(customer_count)
    ]
    cases = [
        {
            "case_id": f"case{rng.randrange(100)}",
            "purpose": rng.choice(of_cases),
            "subject_kind": (kind := rng.choice(SUBJECT_KINDS)),
            "subject_value": value(kind),
            "starts_at": (begins := rng.choice(instants)),
            "ends_at": some([*instants], 0.5),
            "declared_at": late(begins),
        }
        for _ in range(customer_count * 3)
    ]
    return build_test_input(events=events, records=records, interactions=interactions, requests=requests, cases=cases)
