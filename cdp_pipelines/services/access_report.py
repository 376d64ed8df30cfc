"""Everything that the lake has about a customer: the answer of GDPR Art. 15, with a copy of the data (Art. 15(3)).

Here belong the order of the sections and what was decided, derived or served. What channels delivered is in
`subject_records`.
"""

import polars as pl

from cdp_pipelines.schema import (
    CONTACT_POINT,
    CORRECTION,
    CUSTOMER,
    DECISION,
    GROUP,
    HOUSEHOLD,
    MEMBERSHIP,
    PROVENANCE,
)
from cdp_pipelines.schema.duration import end_of_retention
from cdp_pipelines.schema.interval import current, is_current
from cdp_pipelines.services import subject_records as records
from cdp_pipelines.services.declarations import load_all_contracts, load_company_controller, load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.evidence import list_memberships, select_columns
from cdp_pipelines.services.nights import read_nights
from cdp_pipelines.services.profile import list_derived, list_joined_records, list_mart_rows
from cdp_pipelines.services.report_subject import ReportSubject
from warehouse.delta.lake import Lake

RIGHTS = (
    ("rectification", "Art. 16", "wrong data is corrected, and every recipient learns of it"),
    ("erasure", "Art. 17", "data that no law obliges to keep is erased"),
    ("restriction", "Art. 18", "data is stored and not used while a dispute is open"),
    ("portability", "Art. 20", "data given under consent or contract is handed out in a machine-readable form"),
    ("objection", "Art. 21", "against processing for legitimate interests, and against marketing on any basis"),
    ("withdrawal", "Art. 7(3)", "a consent ends when it is withdrawn, as easily as it was given"),
    ("complaint", "Art. 77", "to the supervisory authority of the place of residence, of work or of the infringement"),
)


def build_access_report(lake: Lake, customer_id: str) -> Document:
    """The document of GDPR Art. 15 on one customer."""
    subject = ReportSubject(lake, customer_id)
    decisions = current(subject.rows(DECISION).lazy()).collect()
    memberships = subject.rows(MEMBERSHIP).sort("valid_from", "purpose")
    marts = memberships.filter(is_current())["purpose"].sort()
    allowed = decisions.filter("is_allowed")["purpose"].unique()
    mart_rows, copies = list_mart_rows(lake, customer_id, marts), records.copy_records(subject)
    answer = (
        f"As of the night of {read_nights(lake).last}, the lake has {subject.records.height:,} records of "
        f"{customer_id} from {subject.records['channel'].n_unique()} channels. "
        f"{allowed.len()} of {decisions['purpose'].n_unique()} purposes may process them. "
        f"The customer is in {marts.len()} marts: {', '.join(marts) or 'none'}."
    )
    return Document(
        f"Data about {customer_id}",
        answer,
        [
            *_about_records(subject, copies),
            Section("golden_record", _golden_record(subject), "The current value of each attribute, and its source",
                    "no golden record: unification is not allowed, or no record may be joined"),
            Section("contact_points",
                    subject.rows(CONTACT_POINT).sort(CONTACT_POINT.key).drop("customer_id").to_dicts(),
                    "The state of each e-mail and phone, and its permitted uses"),
            Section("rectifications", records.list_rectifications(subject),
                    "Values that the customer or a clerk corrected: Art. 16"),
            Section("household", select_columns(subject.rows(HOUSEHOLD), "household_id", "member_count",
                                                "collected_for"),
                    "Customers with one family name at one address; no decision uses it"),
            Section("joined_records", list_joined_records(lake, subject.records),
                    "How the records were joined into a profile, by which rules and how surely: Art. 15(1)(h)",
                    "one record, or no record was joined by a rule"),
            Section("derived_values", list_derived(mart_rows),
                    "Values that were computed, from which data, for which purpose, and whether a decision is "
                    "automated: Art. 15(1)(h), 22"),
            Section("purposes", _purposes(subject, decisions),
                    "Which processing is allowed, on which basis, and why: Art. 15(1)(a)"),
            Section("marts", list_memberships(memberships),
                    "The marts that had the customer, from when to when, and their recipients: Art. 15(1)(c)"),
            Section("mart_rows", mart_rows, "A copy of the rows that the marts serve now: Art. 15(3)"),
            Section("corrections", select_columns(subject.rows(CORRECTION).sort(CORRECTION.key), *CORRECTION.schema),
                    "Corrections that recipients received: Art. 19"),
            Section("transfers", _transfers(set(memberships["purpose"])),
                    "Transfers to third countries, with their safeguards: Art. 15(2)"),
            Section("groups", select_columns(subject.rows(GROUP).sort("purpose"), "purpose", "group_id"),
                    "Customers who are one person for a purpose with links of its own"),
            *_about_requests(subject),
            *(Section(f"copy_{name}", copy, f"{load_all_contracts()[name].title}, as received: Art. 15(3)",
                      title=f"Copy of {name}")
              for name, copy in copies.items()),
            Section("refused_records", records.list_refused(subject),
                    "Records that were refused; they are stored and not used: Art. 15(3)"),
            Section("rights", _rights(), "The customer's rights, and whom to ask: Art. 15(1)(e), (f)"),
        ],
    )  # fmt: skip


def _about_records(subject: ReportSubject, copies: dict[str, list[dict[str, object]]]) -> list[Section]:
    return [
        Section("channels", records.list_channels(subject),
                "What each channel delivered, and how long it is kept: Art. 15(1)(b), (d), (g)"),
        Section("fields", records.list_fields(copies),
                "Fields with a value, by category of data, each with the count of its values: Art. 15(1)(b)"),
        Section("identifiers", records.list_identifiers(subject),
                "Identifiers by which records, consent events and requests find this customer"),
    ]  # fmt: skip


def _about_requests(subject: ReportSubject) -> list[Section]:
    return [
        Section("consent_events", records.list_events(subject),
                "Every consent, withdrawal and objection on the customer's identifiers: Art. 7(1)"),
        Section("requests", records.list_requests(subject), "Requests of the customer: Art. 12(3)"),
        Section("contact_preferences", records.list_preferences(subject), "How the customer wants to be contacted"),
        Section("identity_events", records.list_identity_events(subject),
                "Births, merges and splits of the customer id"),
    ]  # fmt: skip


def _golden_record(subject: ReportSubject) -> list[dict[str, object]]:
    if subject.rows(CUSTOMER).is_empty():
        return []
    best = subject.rows(PROVENANCE).filter(rank=1).sort("attribute")
    return select_columns(best, "attribute", "value", "channel", "source_record_id", "observed_at", "collected_for")


def _purposes(subject: ReportSubject, decisions: pl.DataFrame) -> list[dict[str, object]]:
    newest = dict(subject.party.group_by("channel").agg(pl.col("observed_at").max()).iter_rows())
    rows: list[dict[str, object]] = []
    for row in decisions.sort("purpose", "contact_point").iter_rows(named=True):
        purpose = load_company_register().get(row["purpose"])
        collected = [at for name, at in newest.items() if row["purpose"] in load_all_contracts()[name].collected_for]
        started = max([*collected, *([row["since_at"]] if row["since_at"] else [])], default=None)
        rows.append(
            {
                "purpose": row["purpose"],
                "contact_point": row["contact_point"],
                "is_allowed": row["is_allowed"],
                "reason": row["reason"],
                "lawful_basis": row["lawful_basis"],
                "since_at": row["since_at"],
                "evidence": row["evidence"],
                "title": purpose.title if purpose else None,
                "data_categories": purpose.data_categories if purpose else (),
                "recipients": purpose.recipients if purpose else (),
                "retention": f"{purpose.retention} from {purpose.retention_from}" if purpose else None,
                "expires_at": end_of_retention(purpose.retention, started)
                if purpose and started and row["is_allowed"]
                else None,
            }
        )
    return rows


def _transfers(purposes: set[str]) -> list[dict[str, object]]:
    return [
        {"purpose": key, "recipient": each.recipient, "country": each.country, "safeguard": each.safeguard}
        for key in sorted(purposes & set(load_company_register()))
        for each in load_company_register()[key].transfers
    ]


def _rights() -> list[dict[str, object]]:
    controller = load_company_controller()
    contact = controller.data_protection_officer or controller.contact
    contacts = {"complaint": controller.supervisory_authority}
    return [
        {"right": right, "article": article, "meaning": meaning, "contact": contacts.get(right, contact)}
        for right, article, meaning in RIGHTS
    ]
