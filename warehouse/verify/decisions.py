"""Decisions by brute force, in plain Python: for every customer and purpose, look at every event, one check at a time.

Written from `consent.md` and kept apart from the engine: it shares no code with it and reads the same YAML itself.
Rows are dicts (`DataFrame.to_dicts()`); nothing here is fast and nothing is meant to be.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml

TOLERANCE = timedelta(hours=24)
POINT = {"email": "email", "phone": "phone", "device": "device_id"}
KINDS = ("email", "phone", "device_id", "advertising_id", "loyalty_card", "account_id")
EEA = set("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split())  # noqa: SIM905
NOTICES = ("[0-9]{4}-[0-9]{2}(-[0-9]{2})?", "[1-9][0-9]*")
LOOSENS = {"granted", "objection_withdrawn", "restriction_lifted", "verified"}


def read_register(folder: Path) -> dict[str, list[dict]]:
    """All versions of each purpose as the YAML has them, the earliest first."""
    register = {}
    for path in folder.rglob("defs.yaml"):
        texts = [*path.parent.glob("versions/*.yaml"), path]
        versions = [yaml.safe_load(text.read_text())["attributes"] | {"key": path.parent.name} for text in texts]
        register[path.parent.name] = sorted(versions, key=lambda each: each["effective_from"])
    return register


def later(moment: datetime, duration: str) -> datetime:
    """A duration of years, months and days later; to the end of a month that is too short, then the days."""
    found = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
    month = moment.month - 1 + found.get("M", 0) + 12 * found.get("Y", 0)
    year, month, day = moment.year + month // 12, month % 12 + 1, moment.day
    while True:
        try:
            return moment.replace(year=year, month=month, day=day) + timedelta(days=found.get("D", 0))
        except ValueError:
            day -= 1


class World:
    """Everything that was known at one instant, looked at as of another."""

    def __init__(self, ledger, party, interaction, crosswalk, as_of, known_at, requests=(), cases=()):
        self.as_of, self.known_at = as_of, known_at
        self.customer_of = {(row["channel"], row["source_record_id"]): row["customer_id"] for row in crosswalk}
        self.customers = sorted({row["customer_id"] for row in crosswalk})
        # Of each customer the identifiers, and whether any record that has one joins by an exact match.
        self.identifiers = {customer: {} for customer in self.customers}
        self.holders = {}
        exact = {record(row): row["is_exact"] for row in crosswalk}
        for row in party:
            for kind in KINDS:
                if row[kind] is not None and (customer := self.customer_of.get(record(row))):
                    mine = self.identifiers[customer]
                    mine[kind, row[kind]] = mine.get((kind, row[kind]), False) or exact[record(row)]
                    self.holders.setdefault((kind, row[kind]), set()).add(customer)
        known = [row for row in ledger if row["recorded_at"] <= known_at]
        self.position = max((row["position"] for row in known), default=0)
        self.events = [event for row in known if (event := self.counted(row)) and event["event_at"] <= as_of]
        # Events by identifier, and by identifier and purpose.
        self.on, self.about = {}, {}
        for event in self.events:
            subject = event["subject_kind"], event["subject_value"]
            self.on.setdefault(subject, []).append(event)
            self.about.setdefault((subject, event["purpose"]), []).append(event)
        self.done = [
            row | {"customer": self.customer_of[record(row)], "id": name(row)}
            for row in interaction
            if record(row) in self.customer_of and row["occurred_at"] < as_of and row["ingested_at"] <= known_at
        ]
        self.party = [
            row | {"customer": self.customer_of[record(row)], "id": name(row)}
            for row in party
            if record(row) in self.customer_of and row["ingested_at"] <= known_at
        ]
        self.requests = [row for row in requests if row["received_at"] < as_of and row["ingested_at"] <= known_at]
        self.cases = [row for row in cases if row["declared_at"] <= known_at]
        # What is asked of one customer is looked for among their own rows.
        self.done_by, self.party_of, self.sure_of = {}, {}, {}
        for row in [*self.done, *self.holdings()]:
            self.done_by.setdefault(row["customer"], []).append(row)
        for row in self.party:
            self.party_of.setdefault(row["customer"], []).append(row)
        self.asked_on = {}
        for row in self.requests:
            self.asked_on.setdefault((row["subject_kind"], row["subject_value"]), []).append(row)

    @staticmethod
    def counted(row):
        """The event as it counts, or None."""
        if row["status"] == "granted" and (
            row["notice_version"] is None or row["method"] in {None, "bundled", "pre_ticked", "silence"}
        ):
            return None
        if row["event_at"] - row["recorded_at"] > TOLERANCE:
            return None if row["status"] in LOOSENS else row | {"event_at": row["recorded_at"]}
        return row

    def holdings(self):
        """Every record that carries an account or a card, as if it had been opened when it was observed."""
        nothing = {"amount_minor": None, "currency_code": None}
        for row in self.party:
            if row["observed_at"] < self.as_of:
                told = {"customer": row["customer"], "id": row["id"], "occurred_at": row["observed_at"]} | nothing
                if row["account_id"] is not None:
                    yield told | {"interaction_type": "account"}
                if row["loyalty_card"] is not None:
                    yield told | {"interaction_type": "membership"}

    def is_sure(self, customer, identifier):
        return self.identifiers[customer][identifier] and len(self.holders[identifier]) == 1

    def wills(self, subjects, purpose, *statuses):
        """Events of a purpose and status on any of these identifiers."""
        return [
            event
            for subject in subjects
            for event in self.about.get((subject, purpose), ())
            if event["status"] in statuses
        ]

    def sure(self, customer):
        """Identifiers of a customer that are certain and nobody else's."""
        if customer not in self.sure_of:
            self.sure_of[customer] = {each for each in self.identifiers[customer] if self.is_sure(customer, each)}
        return self.sure_of[customer]


def record(row):
    return row["channel"], row["source_record_id"]


def name(row):
    return f"{row['channel']}:{row['source_record_id']}"


def order(event):
    restriction = 0 if event["status"] in LOOSENS else 1 if event["status"] == "denied" else 2
    return event["event_at"], event["recorded_at"], restriction, event["event_id"], event["status"], event["purpose"]


def latest(events):
    return max(events, key=order, default=None)


def still(events, enders):
    """The latest event, if none of the enders is later."""
    last, end = latest(events), latest(enders)
    return last if last and not (end and order(end) > order(last)) else None


def far(world, customer, point):
    """Identifiers from which denials are heard."""
    if point and len(world.holders[point]) > 1:
        return {each for holder in world.holders[point] for each in world.identifiers[holder]}
    return set(world.identifiers[customer])


def near(world, customer, point):
    """Identifiers from which grants are heard."""
    sure = world.sure(customer)
    if not point:
        return sure
    return {point} | ({each for each in sure if each[0] != point[0]} if point in sure else set())


def decide_all(register, world):
    """Every decision as {(customer_id, purpose, contact_point): {reason, since_at, evidence, ...}}."""
    return {
        (customer, key, point[1] if point else ""): decision(register, world, customer, key, point)
        for customer in world.customers
        for key in register
        for point in points(world, customer, version(register, key, world.as_of))
    }


def version(register, key, as_of):
    in_force = [each for each in register[key] if start(each) <= as_of]
    return in_force[-1] if in_force else register[key][0]


def start(purpose):
    return datetime.combine(date.fromisoformat(str(purpose["effective_from"])), time(), UTC)


def points(world, customer, purpose):
    kind = POINT.get(purpose.get("scope", "person"))
    return [each for each in world.identifiers[customer] if kind and each[0] == kind] or [None]


def decision(register, world, customer, key, point):
    purpose = version(register, key, world.as_of)
    reason, evidence, since = checks(world, customer, purpose, point)
    if reason == "allowed":
        for name_ in purpose.get("requires", ()):
            other = version(register, name_, world.as_of)
            needed = decision(register, world, customer, name_, point if POINT.get(other.get("scope")) else None)
            if needed["reason"] != "allowed":
                reason, evidence, since = f"requires:{name_}", *(needed["evidence"] or [None]), needed["since_at"]
                break
    return {
        "is_allowed": reason == "allowed",
        "reason": reason,
        "lawful_basis": purpose["lawful_basis"],
        "since_at": since,
        "evidence": [evidence] if evidence else [],
        "purpose_version": purpose["version"],
        "ledger_position": world.position,
    }


def of(event):
    return event["event_id"], event["event_at"]


def checks(world, customer, purpose, point):
    """Reason, evidence and its time: the checks in their order, each returning when it denies."""
    basis, key, mine = purpose["lawful_basis"], purpose["key"], set(world.identifiers[customer])
    scoped = purpose.get("scope", "person") != "person"
    if world.as_of < start(purpose):
        return "purpose_not_in_force", None, None
    sure = near(world, customer, None)
    if basis != "legal_obligation" and (erased := latest(world.wills(mine, "*", "erased"))):
        return "erased", *of(erased)
    if basis not in {"legal_obligation", "vital_interests"}:
        lifted = world.wills(sure, "*", "restriction_lifted")
        if restricted := still(world.wills(mine, "*", "restricted"), lifted):
            return "restricted", *of(restricted)
    if refused := age(world, customer, purpose):
        return refused
    if scoped:
        if not point:
            return "no_contact_point", None, None
        left = still(world.wills([point], "*", "unsubscribed"), world.wills([point], key, "granted"))
        verified = world.wills([point], "*", "verified")
        complained = still(world.wills([point], "*", "complained"), verified)
        if suppressed := latest([each for each in (left, complained) if each]):
            return "suppressed", *of(suppressed)
        if bounced := still(world.wills([point], "*", "bounced"), verified):
            return "undeliverable", *of(bounced)
    grants = world.wills(near(world, customer, point), key, "granted")
    peace = grants + world.wills(near(world, customer, point), key, "objection_withdrawn")
    objected = still(world.wills(far(world, customer, point), key, "objected"), peace)
    if objected and (purpose.get("direct_marketing") or basis in {"legitimate_interests", "public_interest"}):
        return "objected", *of(objected)
    if basis == "consent":
        denials = world.wills(far(world, customer, point), key, "denied", "withdrawn")
        return consent(world, customer, purpose, grants + denials + ([objected] if objected else []))
    if basis == "contract":
        return contract(world, customer, purpose["contract"])
    if basis == "legal_obligation":
        return retained(world, customer, purpose, purpose["obligation"]["created_by"], "obligation_ended")
    if basis == "legitimate_interests":
        return retained(world, customer, purpose, purpose["interest"]["contacts"], "interest_lapsed")
    covering = [
        case
        for case in world.cases
        if case["purpose"] == key
        and (case["subject_kind"], case["subject_value"]) in mine
        and case["starts_at"] <= world.as_of
        and (case["ends_at"] is None or world.as_of < case["ends_at"])
    ]
    if not covering:
        return "no_case", None, None
    case = max(covering, key=lambda each: (each["starts_at"], each["case_id"]))
    return "allowed", case["case_id"], case["starts_at"]


def age(world, customer, purpose):
    """What denies for the age of the customer; of several dates of birth the latest counts."""
    minimum = purpose.get("minimum_age")
    if not minimum and not purpose.get("requires_known_age"):
        return None
    born = [row for row in world.party_of.get(customer, ()) if row["birth_date"]]
    if minimum and born:
        day = max(row["birth_date"] for row in born)
        today = world.as_of.astimezone(UTC).date()
        years = today.year - day.year - ((today.month, today.day) < (day.month, day.day))
        if years < minimum:
            told = min(
                (row for row in born if row["birth_date"] == day), key=lambda row: (row["observed_at"], row["id"])
            )
            return "under_age", told["id"], told["observed_at"]
    if purpose.get("requires_known_age") and not born:
        return "age_unknown", None, None
    return None


def consent(world, customer, purpose, wills):
    deciding = latest(wills)
    if deciding is None:
        row = opt_out(world, customer, purpose)
        return ("allowed", row["id"], row["observed_at"]) if row else ("no_consent", None, None)
    if deciding["status"] == "denied":
        return "denied", *of(deciding)
    if deciding["status"] in {"withdrawn", "objected"}:
        return "withdrawn", *of(deciding)
    if deciding["expires_at"] and deciding["expires_at"] <= world.as_of:
        return "expired", *of(deciding)
    shown, oldest = deciding["notice_version"], purpose["notice"]
    if not any(re.fullmatch(form, shown) and re.fullmatch(form, oldest) for form in NOTICES):
        return "notice_outdated", *of(deciding)
    if (len(shown), shown) < (len(oldest), oldest) if shown.isdigit() else shown < oldest:
        return "notice_outdated", *of(deciding)
    return "allowed", *of(deciding)


def opt_out(world, customer, purpose):
    """The record that puts the customer under nothing but opt-out laws of the purpose."""
    laws = {law for law, rule in purpose.get("jurisdictions", {}).items() if rule == "opt_out"}
    if not laws:
        return None
    lives = [
        row for row in world.party_of.get(customer, ()) if row["country_code"] and row["observed_at"] < world.as_of
    ]
    stated = {
        event["jurisdiction"]
        for subject in world.identifiers[customer]
        for event in world.on.get(subject, [])
        if event["jurisdiction"]
    }
    if not lives or {law(row) for row in lives} - laws or stated - laws:
        return None
    return min(lives, key=lambda row: (row["observed_at"], row["id"]))


def law(row):
    country, region = row["country_code"], row["region_code"]
    if country in EEA:
        return "EU"
    if country == "GB":
        return "UK"
    return f"US-{region}" if country == "US" and region else country


def contract(world, customer, terms):
    """The latest live contract; each refund ends the latest open order of its amount."""
    closes = set(terms.get("closed_by", ()))
    rows = sorted(
        world.done_by.get(customer, ()),
        key=lambda row: (row["occurred_at"], row["interaction_type"] in closes, row["id"]),
    )
    opened = []
    for row in rows:
        if row["interaction_type"] in terms["opened_by"]:
            opened.append(row)
        elif row["interaction_type"] in closes and row["amount_minor"] is not None:
            for order_ in reversed(opened):
                if order_["amount_minor"] is not None and (abs(order_["amount_minor"]), order_["currency_code"]) == (
                    abs(row["amount_minor"]),
                    row["currency_code"],
                ):
                    opened.remove(order_)
                    break
    live = [row for row in opened if later(row["occurred_at"], terms["lasts"]) > world.as_of]
    if not live:
        return "no_live_contract", None, None
    last = max(live, key=lambda row: (row["occurred_at"], row["id"]))
    return "allowed", last["id"], last["occurred_at"]


def retained(world, customer, purpose, types, ended):
    """Allowed until the retention after the latest record of some types has passed."""
    mine = world.identifiers[customer]
    found = [
        (row["occurred_at"], row["id"]) for row in world.done_by.get(customer, ()) if row["interaction_type"] in types
    ]
    if "record" in types:
        found += [
            (row["observed_at"], row["id"])
            for row in world.party_of.get(customer, ())
            if row["observed_at"] < world.as_of
        ]
    if "request" in types:
        found += [(row["received_at"], name(row)) for subject in mine for row in world.asked_on.get(subject, ())]
    if "consent_event" in types:
        last = latest([event for subject in mine for event in world.on.get(subject, [])])
        found += [(last["event_at"], last["event_id"])] if last else []
    if not found:
        return ended, None, None
    at, id_ = max(found)
    return ("allowed" if later(at, purpose["retention"]) > world.as_of else ended), id_, at
