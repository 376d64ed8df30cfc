"""What is held of a customer: the answer of GDPR Art. 15, with a copy of the data (Art. 15(3))."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cdp_pipelines.schema import (
    CONTACT_POINT,
    CORRECTION,
    CROSSWALK,
    CUSTOMER,
    DECISION,
    GROUP,
    HISTORY,
    HOUSEHOLD,
    INTERACTION,
    LEDGER,
    MEMBERSHIP,
    PARTY,
    PREFERENCE,
    PRIVACY_REQUEST,
    PROVENANCE,
    RECTIFICATION,
    RUN,
    Table,
)
from cdp_pipelines.schema.duration import end_of_retention
from cdp_pipelines.schema.interval import current, is_current
from cdp_pipelines.services.declarations import load_all_contracts, load_company_controller, load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.mart_audit import WILL, WILL_IDS, list_memberships
from cdp_pipelines.services.profile import list_derived, list_joined_records, list_mart_rows
from cdp_pipelines.services.signed_report import select_columns
from warehouse.delta.lake import Lake
from warehouse.lookup import find_customers, find_records, is_in, list_record_identifiers, read_records_of

# A shorter text stands in records of others by chance.
TELLING = 6
RIGHTS = (
    ("rectification", "Art. 16", "what is wrong is put right, and every recipient is told"),
    ("erasure", "Art. 17", "what no law obliges to keep is erased"),
    ("restriction", "Art. 18", "it is stored and not used while something is in dispute"),
    ("portability", "Art. 20", "what was given under consent or contract, in a form that machines read"),
    ("objection", "Art. 21", "to what rests on legitimate interests, and to marketing whatever it rests on"),
    ("withdrawal", "Art. 7(3)", "a consent ends when it is withdrawn, as easily as it was given"),
    ("complaint", "Art. 77", "to the supervisory authority where one lives, works, or where it happened"),
)


@dataclass(frozen=True)
class ReportSubject:
    """One customer, and what the lake holds of them; each table is read when it is asked for, and once."""

    lake: Lake
    customer_id: str

    @cached_property
    def records(self) -> pl.DataFrame:
        """Rows of `CLUSTER`."""
        return find_records(self.lake, [self.customer_id])

    @cached_property
    def party(self) -> pl.DataFrame:
        """Rows of `PARTY`."""
        return read_records_of(self.lake, PARTY, self.records)

    @cached_property
    def interactions(self) -> pl.DataFrame:
        """Rows of `INTERACTION`."""
        return read_records_of(self.lake, INTERACTION, self.records)

    @cached_property
    def identifiers(self) -> pl.DataFrame:
        """kind, value and is_exclusive of what wills and requests find them by."""
        mine = list_record_identifiers(self.party)
        known = find_customers(self.lake, mine["value"]).filter(customer_id=self.customer_id)
        return mine.join(known.select("kind", "value", "is_exclusive"), on=["kind", "value"], how="left")

    def of(self, table: Table) -> pl.DataFrame:
        """Rows of a table with their customer_id."""
        return self.lake.scan(table).filter(pl.col("customer_id") == self.customer_id).collect()

    def by_channel(self) -> list[tuple[str, pl.DataFrame]]:
        """Channel and its records, in order of channels."""
        return [(name, mine) for (name,), mine in sorted(self.records.group_by("channel"))]


def build_access_report(lake: Lake, customer_id: str) -> Document:
    """The document of GDPR Art. 15 on one customer."""
    of = ReportSubject(lake, customer_id)
    decisions = current(of.of(DECISION).lazy()).collect()
    been = of.of(MEMBERSHIP).sort("valid_from", "purpose")
    is_in = been.filter(is_current())["purpose"].sort()
    allowed = decisions.filter("is_allowed")["purpose"].unique()
    copies = _copies(of)
    held = list_mart_rows(lake, customer_id, is_in)
    answer = (
        f"As of the night of {lake.read(RUN)['night'].max()}, {of.records.height} records of "
        f"{of.records['channel'].n_unique()} channels are held of {customer_id}. "
        f"{allowed.len()} of {decisions['purpose'].n_unique()} purposes may process them; "
        f"they are in {is_in.len()} marts: {', '.join(is_in) or 'none'}."
    )
    return Document(
        f"What is held of {customer_id}",
        answer,
        [
            Section("Held, by channel", _by_channel(of), "What, from where and for how long: Art. 15(1)(b), (d), (g)"),
            Section("Fields", _fields(copies), "The fields that hold something, by category of data: Art. 15(1)(b)"),
            Section("Identifiers", _identifiers(of), "By which records, wills and requests find to this customer"),
            Section(
                "Golden record",
                _golden(of),
                "The value in use of each attribute, and where it came from",
                "no golden record: unification is not allowed, or no record may join",
            ),
            Section("Contact points", of.of(CONTACT_POINT).sort(CONTACT_POINT.key).drop("customer_id").to_dicts(),
                    "What is known of each e-mail and phone, and what it may be used for"),
            Section("Put right", _put_right(of), "Values that the customer or a clerk put right: Art. 16"),
            Section("Household", select_columns(of.of(HOUSEHOLD), "household_id", "member_count", "collected_for"),
                    "One family name at one address; nothing follows from it"),
            Section("How the records were joined", list_joined_records(of.lake, of.records),
                    "Profiling, by which rules and how surely: Art. 15(1)(h)", "one record, or none joined by a rule"),
            Section("Derived values", list_derived(held),
                    "What was worked out, from what and for what; who decides by it: Art. 15(1)(h), 22"),
            Section("Purposes", _purposes(of, decisions), "What may be done, on which basis, and why: Art. 15(1)(a)"),
            Section("Marts and recipients", list_memberships(been),
                    "Where the customer was, from when to when: Art. 15(1)(c)"),
            Section("In the marts now", held, "A copy of the rows that are served for each purpose: Art. 15(3)"),
            Section("Corrections", select_columns(of.of(CORRECTION).sort(CORRECTION.key), *CORRECTION.schema),
                    "What recipients were told to put right: Art. 19"),
            Section("Transfers", _transfers(set(been["purpose"])), "To third countries, and by what right: Art. 15(2)"),
            Section("Wills", _wills(of), "Every expression of will that reaches them: Art. 7(1)"),
            Section("Requests", _requests(of), "What the customer asked of the company: Art. 12(3)"),
            Section("Preferences", _preferences(of), "How the customer wants to be reached"),
            Section("Identity over time", _lives(of), "Births, merges and splits"),
            Section("Groups", select_columns(of.of(GROUP).sort("purpose"), "purpose", "group_id"),
                    "Customers who are one person for a purpose that asked for links of its own"),
            *(Section(f"Copy of {name}", copy, f"{load_all_contracts()[name].title}, as received: Art. 15(3)")
              for name, copy in copies.items()),
            Section("Refused records", _refused(of), "Taken in whole and used for nothing: Art. 15(3)"),
            Section("Rights", _rights(), "What the customer may ask, and of whom: Art. 15(1)(e), (f)"),
        ],
    )  # fmt: skip


def _by_channel(of: ReportSubject) -> list[dict]:
    gates = of.of(CROSSWALK)
    told = []
    for name, mine in of.by_channel():
        contract, here = load_all_contracts()[name], pl.col("channel") == name
        seen = of.party.filter(here)["observed_at"]
        told.append(
            {
                "channel": name,
                "what": contract.title,
                "owner": contract.owner,
                "records": mine.height,
                "interactions": of.interactions.filter(here).height,
                "first": seen.min(),
                "last": seen.max(),
                "in the profile": gates.filter(here)["is_profiled"].sum(),
                "categories": sorted({each.category for each in contract.fields.values() if each.category}),
                "collected for": contract.collected_for,
                "kept": contract.retention,
                "last kept until": end_of_retention(contract.retention, seen.max()) if seen.len() else None,
            }
        )
    return told


def _copies(of: ReportSubject) -> dict[str, list[dict]]:
    """Per channel every raw row: where it stood, and each field that holds something."""
    mine = of.by_channel()
    found = pl.collect_all(
        [
            of.lake.scan(load_all_contracts()[name].raw).filter(is_in("source_record_id", ids["source_record_id"]))
            for name, ids in mine
        ]
    )  # fmt: skip
    copies = {}
    for (name, _), frame in zip(mine, found, strict=True):
        fields = {column: field for field, column in load_all_contracts()[name].columns.items()}
        stood = {"drop_date": "came", "file": "file", "row_number": "row"}
        told = frame.sort("drop_date", "file", "row_number").select(
            *(pl.col(column).alias(label) for column, label in stood.items()),
            *(pl.col(column).alias(field) for column, field in fields.items() if frame[column].count()),
            pl.col("record").alias("verbatim"),
        )
        copies[name] = told.to_dicts()
    return copies


def _fields(copies: dict[str, list[dict]]) -> list[dict]:
    """Per channel and category of data the fields that hold something."""
    told: dict[tuple[str, str], list[str]] = {}
    for name, copy in copies.items():
        for field, declared in load_all_contracts()[name].fields.items():
            if n := sum(row.get(field) is not None for row in copy):
                told.setdefault((name, declared.category), []).append(f"{field} ({declared.description}): {n}")
    return [
        {"channel": name, "category": category, "fields, and how many values": fields}
        for (name, category), fields in sorted(told.items())
    ]


def _identifiers(of: ReportSubject) -> list[dict]:
    carried = (
        of.party.unpivot(index=["channel"], on=of.identifiers["kind"].unique(), variable_name="kind")
        .drop_nulls("value")
        .group_by("kind", "value")
        .agg(pl.len().alias("records"), pl.col("channel").unique().sort().alias("channels"))
    )
    alone = pl.when("is_exclusive").then(pl.lit("no")).otherwise(pl.lit("yes")).alias("another customer has it too")
    told = of.identifiers.join(carried, on=["kind", "value"]).sort("kind", "value")
    return told.select("kind", "value", "records", "channels", alone).to_dicts()


def _golden(of: ReportSubject) -> list[dict]:
    if of.of(CUSTOMER).is_empty():
        return []
    best = of.of(PROVENANCE).filter(rank=1).sort("attribute")
    return select_columns(best, "attribute", "value", "channel", "source_record_id", "observed_at", "collected_for")


def _purposes(of: ReportSubject, decisions: pl.DataFrame) -> list[dict]:
    newest = dict(of.party.group_by("channel").agg(pl.col("observed_at").max()).iter_rows())
    told = []
    for row in decisions.sort("purpose", "contact_point").iter_rows(named=True):
        purpose = load_company_register().get(row["purpose"])
        collected = [at for name, at in newest.items() if row["purpose"] in load_all_contracts()[name].collected_for]
        started = max([*collected, *([row["since_at"]] if row["since_at"] else [])], default=None)
        is_kept = purpose and started and row["is_allowed"]
        told.append(
            {
                "purpose": row["purpose"],
                "contact point": row["contact_point"],
                "allowed": "yes" if row["is_allowed"] else "no",
                "reason": row["reason"],
                "basis": row["lawful_basis"],
                "since": row["since_at"],
                "evidence": row["evidence"],
                "what": purpose.title if purpose else None,
                "data": purpose.data_categories if purpose else (),
                "recipients": purpose.recipients if purpose else (),
                "retention": f"{purpose.retention} from {purpose.retention_from}" if purpose else None,
                "at the latest until": end_of_retention(purpose.retention, started) if is_kept else None,
            }
        )
    return told


def _put_right(of: ReportSubject) -> list[dict]:
    mine = read_records_of(of.lake, RECTIFICATION, of.records).sort(RECTIFICATION.key)
    return select_columns(
        mine,
        "rectified_at",
        "attribute",
        "value",
        "replaces",
        "reason",
        "rectified_by",
        "rectification_number",
        "withdraws_number",
    )


def _transfers(purposes: set[str]) -> list[dict]:
    return [
        {"purpose": key, "recipient": each.recipient, "country": each.country, "safeguard": each.safeguard}
        for key in sorted(purposes & set(load_company_register()))
        for each in load_company_register()[key].transfers
    ]


def _wills(of: ReportSubject) -> list[dict]:
    values = of.identifiers["value"].unique()
    told = of.lake.scan(LEDGER).filter(is_in("subject_value", values)).collect()
    is_mine = {"left_on": ["subject_kind", "subject_value"], "right_on": ["kind", "value"]}
    mine = told.join(of.identifiers.select("kind", "value"), **is_mine, how="semi")
    return select_columns(mine.sort("event_at", "position"), *WILL, *WILL_IDS)


def _requests(of: ReportSubject) -> list[dict]:
    mine = read_records_of(of.lake, PRIVACY_REQUEST, of.records).sort("received_at", *PRIVACY_REQUEST.key)
    return select_columns(mine, "received_at", "kind", "detail", *PRIVACY_REQUEST.key)


def _preferences(of: ReportSubject) -> list[dict]:
    names = ("preferred_channel", "language_code", "quiet_from", "quiet_until", "max_per_week")
    mine = read_records_of(of.lake, PREFERENCE, of.records).sort("updated_at", *PREFERENCE.key)
    return select_columns(mine, "updated_at", *names, *PREFERENCE.key)


def _lives(of: ReportSubject) -> list[dict]:
    mine = (pl.col("customer_id") == of.customer_id) | (pl.col("other_customer_id") == of.customer_id)
    history = of.lake.scan(HISTORY).filter(mine).collect().sort("occurred_at", "event", "customer_id")
    return select_columns(history, "occurred_at", "event", "customer_id", "other_customer_id", "cause")


def _refused(of: ReportSubject) -> list[dict]:
    """Refused rows that bear the id of one of the records, or in which an identifier stands that is theirs alone."""
    alone = of.identifiers.filter("is_exclusive", pl.col("value").str.len_chars() >= TELLING)["value"].unique().sort()
    whole = f"(?i)(^|[^0-9a-z])({'|'.join(pl.escape_regex(value) for value in alone)})($|[^0-9a-z])"
    names_them = pl.col("record").str.contains(whole) if alone.len() else pl.lit(value=False)
    ids = dict(of.by_channel())
    found = pl.collect_all(
        [
            of.lake.scan(each.quarantine)
            .filter(is_in("source_record_id", ids[name]["source_record_id"] if name in ids else ()) | names_them)
            .select(
                pl.lit(name).alias("channel"), "drop_date", "file", "row_number", "rule", "field", "reason", "record"
            )
            for name, each in load_all_contracts().items()
        ]
    )
    return pl.concat(found).sort("channel", "drop_date", "file", "row_number").to_dicts()


def _rights() -> list[dict]:
    asked_of = load_company_controller().data_protection_officer or load_company_controller().contact
    return [{"right": right, "article": article, "what": what, "of": asked_of} for right, article, what in RIGHTS]
