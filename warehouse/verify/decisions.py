"""Decisions by brute force, in plain Python: for every customer and purpose, look at every event, one check at a time.

An independent checker: it is written from the rules alone, shares no code with the engine, and reads the declarations
(YAML) itself. It is one file, longer than others, so that an auditor reads all rules in one place. Rows are dicts
(`DataFrame.to_dicts()`). It is simple and slow on purpose.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml

TOLERANCE = timedelta(hours=24)
KIND_OF_SCOPE = {"email": "email", "phone": "phone", "device": "device_id"}
KINDS = ("email", "phone", "device_id", "advertising_id", "loyalty_card", "account_id")
EEA = set("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split())  # noqa: SIM905
NOTICES = ("[0-9]{4}-[0-9]{2}(-[0-9]{2})?", "[1-9][0-9]*")
PERMISSIVE = {"granted", "objection_withdrawn", "restriction_lifted", "verified"}


def read_register(folder: Path) -> dict[str, list[dict]]:
    """All versions of each purpose as declared in YAML, the earliest first."""
    register = {}
    for path in folder.rglob("defs.yaml"):
        texts = [*path.parent.glob("versions/*.yaml"), path]
        versions = [yaml.safe_load(text.read_text())["attributes"] | {"key": path.parent.name} for text in texts]
        register[path.parent.name] = sorted(versions, key=lambda version: version["effective_from"])
    return register


def add_duration(instant: datetime, duration: str) -> datetime:
    """The instant after a duration: years and months first (at most the last day of the month), then days."""
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
    month = instant.month - 1 + parts.get("M", 0) + 12 * parts.get("Y", 0)
    year, month, day = instant.year + month // 12, month % 12 + 1, instant.day
    while True:
        try:
            return instant.replace(year=year, month=month, day=day) + timedelta(days=parts.get("D", 0))
        except ValueError:
            day -= 1


class Facts:
    """Everything that was known at one instant, as of another."""

    def __init__(self, ledger, party, interaction, crosswalk, as_of, known_at, requests=(), cases=(), silent=None):
        # `silent`: channel to the first night after a gap in its deliveries, from which its grants do not count.
        silent = silent or {}
        self.as_of, self.known_at = as_of, known_at
        self.customer_by_record = {(row["channel"], row["source_record_id"]): row["customer_id"] for row in crosswalk}
        self.customers = sorted({row["customer_id"] for row in crosswalk})
        # The identifiers of each customer, and whether a record with the identifier joins by an exact match.
        self.identifiers = {customer: {} for customer in self.customers}
        self.holders = {}
        exact = {record_key(row): row["is_exact"] for row in crosswalk}
        for row in party:
            for kind in KINDS:
                if row[kind] is not None and (customer := self.customer_by_record.get(record_key(row))):
                    own = self.identifiers[customer]
                    own[kind, row[kind]] = own.get((kind, row[kind]), False) or exact[record_key(row)]
                    self.holders.setdefault((kind, row[kind]), set()).add(customer)
        known = [row for row in ledger if row["recorded_at"] <= known_at]
        self.ledger_position = max((row["position"] for row in known), default=0)
        certain = [
            row
            for row in known
            if row["status"] not in PERMISSIVE
            or row["channel"] not in silent
            or row["drop_date"] < silent[row["channel"]]
        ]
        self.events = [event for row in certain if (event := self.count_event(row)) and event["event_at"] <= as_of]
        # Events by identifier, and by purpose and identifier.
        self.events_by_subject, self.events_by_purpose = {}, {}
        for event in self.events:
            subject = event["subject_kind"], event["subject_value"]
            self.events_by_subject.setdefault(subject, []).append(event)
            self.events_by_purpose.setdefault(event["purpose"], {}).setdefault(subject, []).append(event)
        self.interactions = [
            row | {"customer": self.customer_by_record[record_key(row)], "id": record_id(row)}
            for row in interaction
            if record_key(row) in self.customer_by_record
            and row["occurred_at"] < as_of
            and row["ingested_at"] <= known_at
        ]
        self.party = [
            row | {"customer": self.customer_by_record[record_key(row)], "id": record_id(row)}
            for row in party
            if record_key(row) in self.customer_by_record and row["ingested_at"] <= known_at
        ]
        self.requests = [row for row in requests if row["received_at"] < as_of and row["ingested_at"] <= known_at]
        self.cases = [row for row in cases if row["declared_at"] <= known_at]
        # Rows by customer, so that a check reads only the rows of its own customer.
        self.interactions_by_customer, self.party_by_customer, self.sure_identifiers = {}, {}, {}
        for row in [*self.interactions, *self.list_holdings()]:
            self.interactions_by_customer.setdefault(row["customer"], []).append(row)
        for row in self.party:
            self.party_by_customer.setdefault(row["customer"], []).append(row)
        self.requests_by_subject = {}
        for row in self.requests:
            self.requests_by_subject.setdefault((row["subject_kind"], row["subject_value"]), []).append(row)

    @staticmethod
    def count_event(row):
        """The event with the time from which it counts, or None if it never counts."""
        if row["status"] == "granted" and (
            row["notice_version"] is None or row["method"] in {None, "bundled", "pre_ticked", "silence"}
        ):
            return None
        if row["event_at"] - row["recorded_at"] > TOLERANCE:
            return None if row["status"] in PERMISSIVE else row | {"event_at": row["recorded_at"]}
        return row

    def list_holdings(self):
        """Every record that carries an account or a card, as a contract opened when the record was observed."""
        no_amount = {"amount_minor": None, "currency_code": None}
        for row in self.party:
            if row["observed_at"] < self.as_of:
                holding = {"customer": row["customer"], "id": row["id"], "occurred_at": row["observed_at"]} | no_amount
                if row["account_id"] is not None:
                    yield holding | {"interaction_type": "account"}
                if row["loyalty_card"] is not None:
                    yield holding | {"interaction_type": "membership"}

    def is_sure(self, customer, identifier):
        return self.identifiers[customer][identifier] and len(self.holders[identifier]) == 1

    def select_events(self, subjects, purpose, *statuses):
        """Events with one of these statuses about a purpose, on any of these identifiers."""
        events = self.events_by_purpose.get(purpose, {})
        return [
            event for subject in events.keys() & subjects for event in events[subject] if event["status"] in statuses
        ]

    def list_sure_identifiers(self, customer):
        """Identifiers of a customer that are certain and exclusive."""
        if customer not in self.sure_identifiers:
            self.sure_identifiers[customer] = {
                identifier for identifier in self.identifiers[customer] if self.is_sure(customer, identifier)
            }
        return self.sure_identifiers[customer]


def record_key(row):
    return row["channel"], row["source_record_id"]


def record_id(row):
    return f"{row['channel']}:{row['source_record_id']}"


def event_order(event):
    restriction = 0 if event["status"] in PERMISSIVE else 1 if event["status"] == "denied" else 2
    return event["event_at"], event["recorded_at"], restriction, event["event_id"], event["status"], event["purpose"]


def find_latest_event(events):
    return max(events, key=event_order, default=None)


def find_unended(events, enders):
    """The latest event, unless one of `enders` is later."""
    last, end = find_latest_event(events), find_latest_event(enders)
    return last if last and not (end and event_order(end) > event_order(last)) else None


def list_denial_identifiers(facts, customer, point):
    """Identifiers from which denials reach a contact point or a person."""
    if point and len(facts.holders[point]) > 1:
        return {identifier for holder in facts.holders[point] for identifier in facts.identifiers[holder]}
    return set(facts.identifiers[customer])


def list_grant_identifiers(facts, customer, point):
    """Identifiers from which grants reach a contact point or a person."""
    sure = facts.list_sure_identifiers(customer)
    if not point:
        return sure
    return {point} | ({identifier for identifier in sure if identifier[0] != point[0]} if point in sure else set())


def decide_all(register, facts):
    """Every decision as {(customer_id, purpose, contact_point): {reason, since_at, evidence, ...}}."""
    return {
        (customer, key, point[1] if point else ""): decide_unit(register, facts, customer, key, point)
        for customer in facts.customers
        for key in register
        for point in list_contact_points(facts, customer, select_version(register, key, facts.as_of))
    }


def select_version(register, key, as_of):
    for purpose in reversed(register[key]):
        if start_of(purpose) <= as_of:
            return purpose
    return register[key][0]


def start_of(purpose):
    return datetime.combine(date.fromisoformat(str(purpose["effective_from"])), time(), UTC)


def list_contact_points(facts, customer, purpose):
    kind = KIND_OF_SCOPE.get(purpose.get("scope", "person"))
    return [identifier for identifier in facts.identifiers[customer] if kind and identifier[0] == kind] or [None]


def decide_unit(register, facts, customer, key, point):
    purpose = select_version(register, key, facts.as_of)
    reason, evidence, since = run_checks(facts, customer, purpose, point)
    if reason == "allowed":
        for required in purpose.get("requires", ()):
            other = select_version(register, required, facts.as_of)
            outcome = decide_unit(
                register, facts, customer, required, point if KIND_OF_SCOPE.get(other.get("scope")) else None
            )
            if outcome["reason"] != "allowed":
                reason, evidence, since = f"requires:{required}", *(outcome["evidence"] or [None]), outcome["since_at"]
                break
    return {
        "is_allowed": reason == "allowed",
        "reason": reason,
        "lawful_basis": purpose["lawful_basis"],
        "since_at": since,
        "evidence": [evidence] if evidence else [],
        "purpose_version": purpose["version"],
        "ledger_position": facts.ledger_position,
    }


def evidence_of(event):
    return event["event_id"], event["event_at"]


def run_checks(facts, customer, purpose, point):
    """Reason, evidence and time of the evidence: the checks in their order, up to the first that denies."""
    basis, key, own = purpose["lawful_basis"], purpose["key"], set(facts.identifiers[customer])
    scoped = purpose.get("scope", "person") != "person"
    if facts.as_of < start_of(purpose):
        return "purpose_not_in_force", None, None
    sure = list_grant_identifiers(facts, customer, None)
    if basis != "legal_obligation" and (erased := find_latest_event(facts.select_events(own, "*", "erased"))):
        return "erased", *evidence_of(erased)
    if basis not in {"legal_obligation", "vital_interests"}:
        lifted = facts.select_events(sure, "*", "restriction_lifted")
        if restricted := find_unended(facts.select_events(own, "*", "restricted"), lifted):
            return "restricted", *evidence_of(restricted)
    if denial := check_age(facts, customer, purpose):
        return denial
    if scoped:
        if not point:
            return "no_contact_point", None, None
        unsubscribed = find_unended(
            facts.select_events([point], "*", "unsubscribed"), facts.select_events([point], key, "granted")
        )
        verified = facts.select_events([point], "*", "verified")
        complained = find_unended(facts.select_events([point], "*", "complained"), verified)
        if suppressed := find_latest_event([event for event in (unsubscribed, complained) if event]):
            return "suppressed", *evidence_of(suppressed)
        if bounced := find_unended(facts.select_events([point], "*", "bounced"), verified):
            return "undeliverable", *evidence_of(bounced)
    grants = facts.select_events(list_grant_identifiers(facts, customer, point), key, "granted")
    ends = grants + facts.select_events(list_grant_identifiers(facts, customer, point), key, "objection_withdrawn")
    objected = find_unended(facts.select_events(list_denial_identifiers(facts, customer, point), key, "objected"), ends)
    if objected and (purpose.get("direct_marketing") or basis in {"legitimate_interests", "public_interest"}):
        return "objected", *evidence_of(objected)
    if basis == "consent":
        denials = facts.select_events(list_denial_identifiers(facts, customer, point), key, "denied", "withdrawn")
        return check_consent(facts, customer, purpose, grants + denials + ([objected] if objected else []))
    if basis == "contract":
        return check_contract(facts, customer, purpose["contract"])
    if basis == "legal_obligation":
        return check_retention(facts, customer, purpose, purpose["obligation"]["created_by"], "obligation_ended")
    if basis == "legitimate_interests":
        return check_retention(facts, customer, purpose, purpose["interest"]["contacts"], "interest_lapsed")
    covering = [
        case
        for case in facts.cases
        if case["purpose"] == key
        and (case["subject_kind"], case["subject_value"]) in own
        and case["starts_at"] <= facts.as_of
        and (case["ends_at"] is None or facts.as_of < case["ends_at"])
    ]
    if not covering:
        return "no_case", None, None
    case = max(covering, key=lambda case: (case["starts_at"], case["case_id"]))
    return "allowed", case["case_id"], case["starts_at"]


def check_age(facts, customer, purpose):
    """The denial because of age, if there is one; of several dates of birth the latest counts."""
    minimum = purpose.get("minimum_age")
    if not minimum and not purpose.get("requires_known_age"):
        return None
    born = [row for row in facts.party_by_customer.get(customer, ()) if row["birth_date"]]
    if minimum and born:
        day = max(row["birth_date"] for row in born)
        today = facts.as_of.astimezone(UTC).date()
        years = today.year - day.year - ((today.month, today.day) < (day.month, day.day))
        if years < minimum:
            record = min(
                (row for row in born if row["birth_date"] == day), key=lambda row: (row["observed_at"], row["id"])
            )
            return "under_age", record["id"], record["observed_at"]
    if purpose.get("requires_known_age") and not born:
        return "age_unknown", None, None
    return None


def check_consent(facts, customer, purpose, events):
    deciding = find_latest_event(events)
    if deciding is None:
        row = find_opt_out_record(facts, customer, purpose)
        return ("allowed", row["id"], row["observed_at"]) if row else ("no_consent", None, None)
    if deciding["status"] == "denied":
        return "denied", *evidence_of(deciding)
    if deciding["status"] in {"withdrawn", "objected"}:
        return "withdrawn", *evidence_of(deciding)
    if deciding["expires_at"] and deciding["expires_at"] <= facts.as_of:
        return "expired", *evidence_of(deciding)
    shown, oldest = deciding["notice_version"], purpose["notice"]
    if not any(re.fullmatch(form, shown) and re.fullmatch(form, oldest) for form in NOTICES):
        return "notice_outdated", *evidence_of(deciding)
    if (len(shown), shown) < (len(oldest), oldest) if shown.isdigit() else shown < oldest:
        return "notice_outdated", *evidence_of(deciding)
    return "allowed", *evidence_of(deciding)


def find_opt_out_record(facts, customer, purpose):
    """The record that shows that only opt-out laws of the purpose apply to the customer, if there is one."""
    laws = {law for law, rule in purpose.get("jurisdictions", {}).items() if rule == "opt_out"}
    if not laws:
        return None
    addresses = [
        row
        for row in facts.party_by_customer.get(customer, ())
        if row["country_code"] and row["observed_at"] < facts.as_of
    ]
    stated = {
        event["jurisdiction"]
        for subject in facts.identifiers[customer]
        for event in facts.events_by_subject.get(subject, [])
        if event["jurisdiction"]
    }
    if not addresses or {law_of(row) for row in addresses} - laws or stated - laws:
        return None
    return min(addresses, key=lambda row: (row["observed_at"], row["id"]))


def law_of(row):
    country, region = row["country_code"], row["region_code"]
    if country in EEA:
        return "EU"
    if country == "GB":
        return "UK"
    return f"US-{region}" if country == "US" and region else country


def check_contract(facts, customer, terms):
    """The latest live contract; a refund ends the latest open order of its amount."""
    closes = set(terms.get("closed_by", ()))
    rows = sorted(
        facts.interactions_by_customer.get(customer, ()),
        key=lambda row: (row["occurred_at"], row["interaction_type"] in closes, row["id"]),
    )
    opened = []
    for row in rows:
        if row["interaction_type"] in terms["opened_by"]:
            opened.append(row)
        elif row["interaction_type"] in closes and row["amount_minor"] is not None:
            for order in reversed(opened):
                if order["amount_minor"] is not None and (abs(order["amount_minor"]), order["currency_code"]) == (
                    abs(row["amount_minor"]),
                    row["currency_code"],
                ):
                    opened.remove(order)
                    break
    live = [row for row in opened if add_duration(row["occurred_at"], terms["lasts"]) > facts.as_of]
    if not live:
        return "no_live_contract", None, None
    last = max(live, key=lambda row: (row["occurred_at"], row["id"]))
    return "allowed", last["id"], last["occurred_at"]


def check_retention(facts, customer, purpose, types, ended):
    """Allowed until the retention has passed since the latest record of these types."""
    own = facts.identifiers[customer]
    records = [
        (row["occurred_at"], row["id"])
        for row in facts.interactions_by_customer.get(customer, ())
        if row["interaction_type"] in types
    ]
    if "record" in types:
        records += [
            (row["observed_at"], row["id"])
            for row in facts.party_by_customer.get(customer, ())
            if row["observed_at"] < facts.as_of
        ]
    if "request" in types:
        records += [
            (row["received_at"], record_id(row))
            for subject in own
            for row in facts.requests_by_subject.get(subject, ())
        ]
    if "consent_event" in types:
        last = find_latest_event([event for subject in own for event in facts.events_by_subject.get(subject, [])])
        records += [(last["event_at"], last["event_id"])] if last else []
    if not records:
        return ended, None, None
    at, id_ = max(records)
    return ("allowed" if add_duration(at, purpose["retention"]) > facts.as_of else ended), id_, at
