"""Every decision and every row of every mart of a lake, worked out anew by brute force and compared.

Written from `consent.md` and the YAML alone: it imports nothing of the pipeline but the brute force beside it
(`verify_decisions` and `verify_protection`, which import nothing of it either), keeps no table in memory but as rows,
and is slow on purpose. Of an aggregate it does not choose anew which cells to suppress: it checks that every published
one is right, that none tells of too few, and that no suppressed one can be had from the others.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml
from deltalake import DeltaTable

from warehouse.verify.decisions import (
    KINDS,
    POINT,
    World,
    decision,
    name,
    points,
    read_register,
    record,
    still,
    version,
)
from warehouse.verify.protection import (
    FEWEST,
    OWN,
    by_sql,
    coarsened,
    digest,
    in_groups,
    purpose_key,
    reference,
    wrong_cells,
)

UNIFICATION = "profile_unification"
DECIDED = ("is_allowed", "reason", "lawful_basis", "since_at", "evidence", "purpose_version")
OF_PREFERENCES = ("language_code", "preferred_channel", "quiet_from", "quiet_until", "max_per_week")
OF_PERSON = (
    "honorific", "first_name", "middle_name", "last_name", "birth_date", "email", "phone", "street", "city",
    "region_code", "postal_code", "country_code", "loyalty_card",
)  # fmt: skip
# Of these a customer may have several, each put right for itself.
SEVERAL = ("email", "phone")
MANY = 20


@dataclass
class Report:
    """What was compared, and where the lake says something else."""

    cells: int = 0
    records: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        """Note a difference; never with a value that is a person's."""
        self.differences.append(what)


def read(lake: Path, table: str) -> list[dict]:
    """All rows of a Delta table; none where there is no such table."""
    if not (lake / table / "_delta_log").exists():
        return []
    return DeltaTable(str(lake / table)).to_pyarrow_table().to_pylist()


def declared(defs: Path, folder: str) -> dict[str, dict]:
    """Attributes of each `<folder>/<key>/defs.yaml`."""
    return {
        path.parent.name: yaml.safe_load(path.read_text())["attributes"]
        for path in sorted((defs / folder).rglob("defs.yaml"))
    }


def last_night(lake: Path) -> datetime:
    """As of when the lake's last night was decided."""
    return max(row["as_of"] for row in read(lake, "audit/run"))


def world_of(lake: Path, defs: Path, as_of: datetime, known_at: datetime) -> World:
    """Everything that the lake knew at one instant, as of another."""
    party, interaction = read(lake, "standardised/party"), read(lake, "standardised/interaction")
    return World(
        read(lake, "consent/ledger"),
        party,
        interaction,
        read(lake, "identity/cluster"),
        as_of,
        known_at,
        read(lake, "standardised/privacy_request"),
        cases(defs, party, interaction),
    )


def cases(defs: Path, party: list[dict], interaction: list[dict]) -> list[dict]:
    """Each identifier that a declared case covers: those on the records of what it is about."""
    found = []
    for path in sorted((defs / "purposes").rglob("cases/*.yaml")):
        case = yaml.safe_load(path.read_text())
        about = case["covers"]
        done = {
            record(row)
            for row in interaction
            if row["interaction_type"] == about["interaction_type"]
            and about.get("since", row["occurred_at"]) <= row["occurred_at"]
            and row["occurred_at"] < about.get("until", datetime.max.replace(tzinfo=UTC))
            and all(row[key] == about[key] for key in ("name", "location_code") if key in about)
        }
        subjects = {
            (kind, row[kind]) for row in party if record(row) in done for kind in KINDS if row[kind] is not None
        }
        told = {"case_id": path.stem, "purpose": path.parent.parent.name, "ends_at": case.get("ends_at")}
        told |= {key: case[key] for key in ("declared_at", "starts_at")}
        found += [told | {"subject_kind": kind, "subject_value": value} for kind, value in subjects]
    return found


def compare_decisions(
    world: World,
    register: dict[str, list[dict]],
    decisions: list[dict],
    report: Report,
    step: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, list[tuple[str, dict]]]]:
    """Every cell anew, against `decisions`; gives the allowed ones: purpose, customer, [(contact point, decision)]."""
    told = {(row["customer_id"], row["purpose"], row["contact_point"]): row for row in decisions}
    allowed: dict[str, dict[str, list[tuple[str, dict]]]] = {key: {} for key in register}
    for n, customer in enumerate(world.customers):
        for key in register:
            for point in points(world, customer, version(register, key, world.as_of)):
                mine = decision(register, world, customer, key, point)
                place = (customer, key, point[1] if point else "")
                report.cells += 1
                theirs = told.pop(place, None)
                if theirs is None:
                    report.differs(f"{customer} {key}: not decided, by brute force {mine['reason']}")
                else:
                    wrong = [each for each in DECIDED if theirs[each] != mine[each]]
                    if theirs["ledger_position"] > world.position:
                        wrong.append("ledger_position")
                    if wrong:
                        said = f"{theirs['reason']}, by brute force {mine['reason']}"
                        report.differs(f"{customer} {key}: {said} ({', '.join(wrong)})")
                if mine["is_allowed"]:
                    allowed[key].setdefault(customer, []).append((place[2], mine))
        if n % 100 == 0:
            step(n)
    report.differences += [f"{customer} {key}: decided, and nobody asked" for customer, key, _ in told]
    return allowed


def compare_gate(world: World, crosswalk: list[dict], allowed: dict, channels: dict, report: Report) -> set[tuple]:
    """Every record's merge gate anew; gives the records that may join a profile."""
    joined = set()
    carried = {record(row): {row[kind] for kind in POINT.values() if row[kind] is not None} for row in world.party}
    for row in crosswalk:
        customer = row["customer_id"]
        purposes = channels[row["channel"]]["collected_for"]
        is_unified = UNIFICATION in purposes and customer in allowed.get(UNIFICATION, {})
        mine = is_unified and any(
            point == "" or point in carried.get(record(row), ())
            for key in purposes
            if key != UNIFICATION
            for point, _ in allowed.get(key, {}).get(customer, ())
        )
        report.records += 1
        if mine != row["is_profiled"]:
            report.differs(f"{name(row)}: is_profiled {row['is_profiled']}, by brute force {mine}")
        if mine:
            joined.add(record(row))
    return joined


class Profiles:
    """Candidate values of customers, out of the records that may join."""

    def __init__(self, lake: Path, world: World, joined: set[tuple], channels: dict, policy: dict) -> None:
        """`policy`: the attributes of `golden/defs.yaml`."""
        self.channels, self.policy, self.world = channels, policy, world
        self.of = {}
        for row in world.party:
            if record(row) in joined:
                self.of.setdefault(row["customer"], []).append(row)
        self.preferences, self.granted, self.done = {}, {}, {}
        for row in read(lake, "standardised/preference"):
            if record(row) in joined:
                self.preferences.setdefault(world.customer_of[record(row)], []).append(row)
        for row in read(lake, "standardised/consent_event"):
            if row["status"] == "granted" and row["notice_version"] is not None:
                told = (*record(row), row["subject_kind"], row["subject_value"])
                self.granted.setdefault(told, set()).add(row["purpose"])
        for row in world.done:
            if record(row) in joined:
                self.done.setdefault(row["customer"], []).append(row)
        self.rectified = rectifications(lake, world, joined)
        self.known: dict[tuple, list] = {}

    def unit(self, attribute: str) -> list[str]:
        """The attributes that come from one record together with this one."""
        return next((group for group in self.policy.get("attribute_groups", ()) if attribute in group), [attribute])

    def put_right(self, customer: str, unit: list[str]) -> list[list[dict]]:
        """What holds of what was put right of a customer, each with its rows, the latest first."""
        holds: dict[object, int] = {}
        mine = [row for row in self.rectified.get(customer, ()) if row["attribute"] in unit]
        for row in mine:
            holds[row["replaces"]] = max(holds.get(row["replaces"], 0), row["number"])
        numbers = sorted(set(holds.values()), reverse=True)
        return [[row for row in mine if row["number"] == number] for number in numbers]

    def doubt(self, kind: str, value: str) -> int:
        """0 for a contact point that is known to reach its person, 2 for one that bounced since, else 1."""
        if kind not in SEVERAL:
            return 1
        events = self.world.on.get((kind, value), ())
        proofs = [
            event
            for event in events
            if (event["purpose"] == "*" and event["status"] == "verified")
            or (event["status"] == "granted" and event["method"] in self.policy.get("verified_by", ()))
        ]
        bounces = [event for event in events if event["purpose"] == "*" and event["status"] == "bounced"]
        if still(bounces, proofs):
            return 2
        return 0 if proofs else 1

    def ranked(self, customer: str, attribute: str) -> list[tuple[dict, set[str]]]:
        """What may survive, from the best to the worst: an attribute with those together with it, and the purposes."""
        unit = self.unit(attribute)
        if (customer, unit[0]) not in self.known:
            self.known[customer, unit[0]] = self.rank(customer, unit)
        return self.known[customer, unit[0]]

    def rank(self, customer: str, unit: list[str]) -> list[tuple[dict, set[str]]]:
        """As `ranked`, of the attributes of a unit."""
        of_preferences = unit[0] in OF_PREFERENCES
        at = "updated_at" if of_preferences else "observed_at"
        rows = (self.preferences if of_preferences else self.of).get(customer, ())
        rows = [row for row in rows if any(row[part] is not None for part in unit)]
        said: dict[tuple, list] = {}
        for row in rows:
            said.setdefault((row["channel"], *(row[part] for part in unit)), []).append(row)
        put_right = self.put_right(customer, unit)
        gone = {row["replaces"] for each in put_right for row in each}
        served: dict[object, set[str]] = {}
        candidates = []
        for (channel, *values), mine in said.items():
            shown = min((row for row in mine if row[at] == max(each[at] for each in mine)), key=record)
            purposes = set(self.channels[channel]["collected_for"])
            for row in mine:
                for part, value in zip(unit, values, strict=True):
                    purposes |= self.granted.get((*record(row), part, str(value)), set())
            is_gone = bool(put_right) and (unit[0] not in SEVERAL or values[0] in gone)
            if is_gone:
                served.setdefault(values[0] if unit[0] in SEVERAL else None, set()).update(purposes)
            order = (1, is_gone, *self.order(unit, values, shown, at, rows), channel, shown["source_record_id"])
            candidates.append((order, dict(zip(unit, values, strict=True)), set() if is_gone else purposes))
        for each in put_right:
            old, anchor = each[0]["replaces"], self.channels[each[0]["channel"]]["collected_for"]
            told = {row["attribute"]: typed(row["attribute"], row["value"]) for row in each}
            purposes = served[old] if old in served else set(anchor)
            candidates.append(((0, -each[0]["number"]), dict.fromkeys(unit) | told, purposes))
        return [(told, purposes) for _, told, purposes in sorted(candidates, key=lambda each: each[0])]

    def order(self, unit: list[str], values: list, shown: dict, at: str, rows: list[dict]) -> Iterator[float]:
        """What each declared rule says of a candidate; less is better. `rows`: all that the customer's records say."""
        told = [(part, value) for part, value in zip(unit, values, strict=True) if value is not None]
        for rule in self.policy.get("attributes", {}).get(unit[0], self.policy["default"]):
            if rule == "source_priority":
                priority = self.policy["source_priority"]
                yield priority.index(shown["channel"]) if shown["channel"] in priority else len(priority)
            elif rule == "recency":
                yield -shown[at].timestamp()
            elif rule == "frequency":
                yield -sum(row[part] == value for row in rows for part, value in told)
            elif rule == "longest":
                yield -sum(len(str(value)) for _, value in told)
            elif rule == "verified":
                yield self.doubt(unit[0], values[0])
            else:
                of_record = OF_PREFERENCES if unit[0] in OF_PREFERENCES else OF_PERSON
                yield -(len(told) if len(unit) > 1 else sum(shown[each] is not None for each in of_record))

    def best(self, customer: str, attribute: str, key: str, among: set[str] | None = None) -> object:
        """The best value that may serve a purpose; nothing where the record that gives it and its like lacks it."""
        for told, purposes in self.ranked(customer, attribute):
            if key in purposes and (among is None or told[attribute] in among):
                return told[attribute]
        return None

    def measure(self, customer: str, wanted: str, key: str, since: datetime) -> object:  # noqa: PLR0911
        """A measure of what a customer did within the window, on channels that collect for the purpose."""
        done = sorted(
            (
                row
                for row in self.done.get(customer, ())
                if key in self.channels[row["channel"]]["collected_for"] and since <= row["occurred_at"]
            ),
            key=lambda row: (row["occurred_at"], row["channel"], row["source_record_id"]),
        )
        of_what = wanted.removeprefix("last_").removeprefix("first_")
        kind = re.match("order|refund|receipt|event|visit|call|reading", of_what)
        mine = [row for row in done if row["interaction_type"] == (kind[0] if kind else "order")]
        if wanted.endswith("_count"):
            return len(mine)
        if not done:
            return None
        if wanted in {"order_amount_minor", "refund_amount_minor"}:
            return sum(row["amount_minor"] or 0 for row in mine)
        if not mine:
            return None
        if wanted.startswith("first_"):
            return mine[0]["occurred_at"]
        if wanted in {"last_order_at", "last_event_at", "last_reading_at"}:
            return mine[-1]["occurred_at"]
        return mine[-1]["currency_code" if wanted == "currency_code" else "amount_minor"]


def rectifications(lake: Path, world: World, joined: set[tuple]) -> dict[str, list[dict]]:
    """What was put right and not withdrawn, by the customer whose record it hangs on."""
    rows, found = read(lake, "golden/rectification"), {}
    ended = {row["ends"] for row in rows}
    for row in rows:
        if row["ends"] is None and row["number"] not in ended and record(row) in joined:
            found.setdefault(world.customer_of[record(row)], []).append(row)
    return found


def typed(attribute: str, text: str) -> object:
    """A value of the golden record from its text."""
    if attribute == "birth_date":
        return date.fromisoformat(text)
    return int(text) if attribute in {"quiet_from", "quiet_until", "max_per_week"} else text


def expected(key: str, purpose: dict, allowed: dict, profiles: Profiles, secret: bytes) -> Iterator[tuple[str, dict]]:
    """The rows that a mart may take, by customer."""
    scope = purpose.get("scope", "person")
    back = window(profiles.world.as_of, purpose["retention"])
    for customer, cells in allowed.items():
        if customer not in profiles.of:
            continue
        by_point = dict(cells)
        point = "" if scope == "person" else profiles.best(customer, scope, key, set(by_point))
        if point is None:
            continue
        row, decided = {}, by_point[point]
        for column in purpose["columns"]:
            word, _, wanted = column["source"].partition(".")
            if word == "subject":
                version_, evidence = decided["purpose_version"], decided["evidence"]
                names = {"key": digest(secret, customer)}
                names["evidence"] = reference(secret, customer, point, version_, evidence)
                value = names[wanted]
            elif word == "decision":
                value = ({"purpose": key, "contact_point": point} | decided)[wanted]
            elif word == "measure":
                value = profiles.measure(customer, wanted, key, back)
            else:
                value = point if wanted == scope else profiles.best(customer, wanted, key)
            row[column["name"]] = coarsened(value, column)
        yield customer, row


def window(as_of: datetime, duration: str) -> datetime:
    """The earliest instant that is no longer ago than a duration: months back, to the end of a short one, then days."""
    found = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMD])", duration)}
    month = as_of.month - 1 - found.get("M", 0) - 12 * found.get("Y", 0)
    year, month, day = as_of.year + month // 12, month % 12 + 1, as_of.day
    while True:
        try:
            return as_of.replace(year=year, month=month, day=day) - timedelta(days=found.get("D", 0))
        except ValueError:
            day -= 1


def compare_mart(lake: Path, key: str, purpose: dict, rows: dict[str, dict], sql: str | None, report: Report) -> None:
    """A mart's rows against those that it may take, as the purpose lets them out."""
    counts = purpose.get("aggregate")
    columns = [column["name"] for column in purpose.get("shape") or purpose["columns"]]
    if counts:
        columns = [*counts["dimensions"], "people", *counts.get("sums", []), "lawful_basis"]
    held = DeltaTable(str(lake / "mart" / key)).to_pyarrow_table()
    report.rows[key] = held.num_rows
    if held.column_names != columns:
        report.differs(f"mart/{key}: its columns are not those declared")
        return
    told = held.to_pylist()
    taken = list(rows.values())
    if sql:
        taken = by_sql(sql, taken, [column["name"] for column in purpose["columns"]])
    if counts:
        report.differences += [f"mart/{key}: {what}" for what in wrong_cells(purpose, taken, told)]
        return
    names = {column["source"]: column["name"] for column in purpose["columns"]}
    own = names["subject.key"]
    if not purpose.get("identified_because"):
        hides = [column for column in columns if column not in {names[each] for each in OWN}]
        taken = in_groups(taken, hides, purpose.get("minimum_group", FEWEST))
    customers = {row[own]: customer for customer, row in rows.items()}
    theirs = {row[own]: row for row in told}
    if len(theirs) < held.num_rows:
        report.differs(f"mart/{key}: a customer is there twice")
    for mine in taken:
        row = theirs.pop(mine[own], None)
        if row is None:
            report.differs(f"mart/{key}: {customers[mine[own]]} is missing")
        elif wrong := [column for column in columns if row[column] != mine[column]]:
            report.differs(f"mart/{key}: {customers[mine[own]]} differs in {', '.join(wrong)}")
    report.differences += [f"mart/{key}: {subject} is there without a right" for subject in theirs]


def verify(
    lake: Path, defs: Path, purposes: tuple[str, ...] = (), step: Callable[[str, int, int], None] = lambda *_: None
) -> Report:
    """A whole lake, as of its last night; `purposes`: these alone. `step`: told what is done, how far, of how many."""
    register = read_register(defs / "purposes")
    channels = declared(defs, "channels")
    (policy,) = declared(defs, "golden").values() or [{}]
    as_of, report = last_night(lake), Report()
    step("reading", 0, 1)
    world = world_of(lake, defs, as_of, as_of)
    standing = [row for row in read(lake, "consent/decision") if row["valid_to"] is None]
    of_all = len(world.customers)
    allowed = compare_decisions(world, register, standing, report, lambda n: step("decisions", n, of_all))
    joined = compare_gate(world, read(lake, "identity/crosswalk"), allowed, channels, report)
    profiles = Profiles(lake, world, joined, channels, policy)
    with_mart = [key for key in register if version(register, key, as_of).get("columns")]
    for n, key in enumerate(with_mart):
        if not purposes or key in purposes:
            step(f"mart/{key}", n, len(with_mart))
            purpose = version(register, key, as_of)
            beside = defs / "purposes" / key / "mart.sql"
            sql = beside.read_text() if purpose.get("shape") else None
            rows = dict(expected(key, purpose, allowed[key], profiles, purpose_key(lake, key)))
            compare_mart(lake, key, purpose, rows, sql, report)
    return report


def verify_at(
    lake: Path, defs: Path, as_of: datetime, known_at: datetime, decisions: list[dict],
    step: Callable[[str, int, int], None] = lambda *_: None,
) -> Report:  # fmt: skip
    """Decisions that somebody made on this lake for two clocks, each worked out anew."""
    report, world = Report(), world_of(lake, defs, as_of, known_at)
    register = read_register(defs / "purposes")
    of_all = len(world.customers)
    compare_decisions(world, register, decisions, report, lambda n: step("decisions", n, of_all))
    return report
