"""Who was in a mart on a day: in or out and why, the rows of a night, and whom a purpose may process."""

import csv
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.schema import CONSENT_EVENT, DECISION, INTERACTION, LEDGER, MEMBERSHIP, PARTY, RUN, VERSION
from cdp_pipelines.schema.interval import is_current, valid_at
from cdp_pipelines.services.declarations import load_all_contracts, load_company_register
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.marts import select_rows_of
from cdp_pipelines.services.profile import list_values
from cdp_pipelines.services.signed_report import select_columns
from warehouse.delta.lake import Lake
from warehouse.lookup import is_in, read_records_of

WILL = ("event_at", "recorded_at", "purpose", "status", "subject_kind", "subject_value", "notice_version", "method")
WILL_IDS = ("channel", "event_id")


@dataclass(frozen=True)
class MartNight:
    """A mart after a night: when that was, and what the lake notes of the table that the night left."""

    purpose: Purpose
    night: date
    as_of: datetime
    delta_version: int
    row_count: int
    code_version: str

    @classmethod
    def of(cls, lake: Lake, key: str, on: date) -> "MartNight":
        """The mart of a purpose as it stood on a day; `CdpError` where there is no such mart, or no night until then.

        Nights are those to which the lake was brought: what was delivered for others was decided on with the next.
        """
        if key not in load_company_register() or not load_company_register()[key].columns:
            marts = ", ".join(each.key for each in load_company_register().values() if each.columns)
            raise CdpError(f"there is no mart {key!r}; there are: {marts}")
        told = lake.scan(VERSION).filter(pl.col("table_name") == f"mart/{key}").collect()
        if told.is_empty():
            raise CdpError(f"the lake has noted no night of the mart {key}; the next run does")
        until = told.filter(pl.col("night") <= on).sort("night").tail(1)
        if until.is_empty():
            raise CdpError(f"the lake knows no night until {on}; its first is {told['night'].min()}")
        return cls(load_company_register()[key], **until.drop("table_name").row(0, named=True))

    def stays(self, lake: Lake) -> pl.LazyFrame:
        """Rows of `MEMBERSHIP` of those who were in."""
        return valid_at(lake.scan(MEMBERSHIP).filter(pl.col("purpose") == self.purpose.key), self.as_of)

    def rows(self, lake: Lake) -> pl.LazyFrame | None:
        """The mart's rows themselves, out of the Delta version that the night left; None where it is kept no more."""
        return lake.scan_version(f"mart/{self.purpose.key}", self.delta_version)

    def rows_of(self, lake: Lake, customers: pl.DataFrame) -> pl.DataFrame | None:
        """Of these rows those of some customers (customer_id); None where they are kept no more, or of no person."""
        held = None if self.purpose.aggregate else self.rows(lake)
        return None if held is None else select_rows_of(lake, self.purpose, held, customers)

    def told(self) -> list[dict]:
        """What the lake notes of it."""
        return [
            {
                "night": self.night,
                "as of": self.as_of,
                "delta version of the mart": self.delta_version,
                "rows in it": self.row_count,
                "code that wrote it": self.code_version,
            }
        ]


def audit_customer(lake: Lake, key: str, on: date, customer_id: str) -> Document:
    """Was this customer in this mart after that night, and why."""
    night = MartNight.of(lake, key, on)
    is_mine = pl.col("customer_id") == customer_id
    mine = lake.scan(MEMBERSHIP).filter(is_mine, pl.col("purpose") == key).collect()
    stay = valid_at(mine.lazy(), night.as_of).collect()
    decided = valid_at(lake.scan(DECISION).filter(is_mine, pl.col("purpose") == key), night.as_of).collect()
    evidence = decided["evidence"].explode().drop_nulls().unique().sort()
    wills, records = _evidence(lake, evidence)
    reasons = ", ".join(sorted(set(decided["reason"]))) or "nothing was decided"
    return Document(
        f"{customer_id} in the mart {key} on {on}",
        f"{'In' if stay.height else 'Out'}, as of the night of {night.night}: {reasons}.",
        [
            Section("Stay", list_memberships(stay)),
            Section("Decision", _decisions(decided), "Whose evidence, as of that night"),
            Section("Wills that decided", select_columns(wills, *WILL, *WILL_IDS)),
            Section("Records that decided", records, "What creates a contract or an obligation, or keeps an interest"),
            Section("MartNight", night.told(), "What left the mart as it was then, and which code"),
            Section(
                "Run",
                select_columns(
                    lake.read(RUN).filter(night=night.night), "night", "as_of", "file_count", "received_count"
                ),
            ),
            Section("All stays in this mart", list_memberships(mine.sort("valid_from"))),
        ],
    )


def audit_rows(lake: Lake, key: str, on: date, customer_id: str | None = None, ids: Path | None = None) -> Document:
    """Which rows a mart held after that night, told by membership and compared with the mart's own version.

    Of everybody the counts, and to `ids` the customers, as CSV, whose digest the document holds; of one customer the
    row itself.
    """
    night = MartNight.of(lake, key, on)
    if customer_id:
        return _of_row(lake, night, on, customer_id)
    found = night.stays(lake).sort("customer_id").collect()
    whose = night.rows_of(lake, found)
    if night.purpose.aggregate:
        compared = f"the mart tells of no person: they are counted in its {night.row_count} cells"
    elif whose is None:
        compared = "the mart's own version of that night is not kept any more"
    else:
        stored_count = night.rows(lake).select(pl.len()).collect().item()
        compared = f"the mart's own version {night.delta_version} of that night holds " + (
            "the same customers"
            if whose.height == stored_count == found.height
            else f"others: {stored_count} rows, {whose.height} of them of these"
        )
    written = _written(ids, found) if ids else []
    counted = found.group_by("lawful_basis", "purpose_version").len("customers").sort("lawful_basis", "purpose_version")
    since = found.group_by(pl.col("valid_from").alias("in since the night that ended")).len("customers")
    return Document(
        f"Rows of the mart {key} on {on}",
        f"{found.height:,} customers, as of the night of {night.night}; {compared}.",
        [
            Section("By right", counted.to_dicts(), "By which basis, under which version of the purpose"),
            Section("By their coming", since.sort("in since the night that ended").to_dicts()),
            Section("MartNight", night.told(), "What left the mart as it was then, and which code"),
            *(
                [Section("Customers", written, "In a file beside this answer, which its digest binds to it")]
                * bool(ids)
            ),
        ],
    )


def _of_row(lake: Lake, night: MartNight, on: date, customer_id: str) -> Document:
    mine = pl.col("customer_id") == customer_id
    stay = night.stays(lake).filter(mine).collect()
    row = night.rows_of(lake, pl.DataFrame({"customer_id": [customer_id]}))
    columns = [] if row is None else list_values(night.purpose, row)
    return Document(
        f"The row of {customer_id} in the mart {night.purpose.key} on {on}",
        f"{'In' if stay.height else 'Out'}, as of the night of {night.night}; the mart's own version "
        + (
            "of that night tells of no person, or is not kept any more."
            if row is None
            else f"{night.delta_version} holds {row.height} row."
        ),
        [
            Section("Stay", list_memberships(stay)),
            Section("Row", columns, "As it was that night", "no row"),
            Section("MartNight", night.told(), "What left the mart as it was then, and which code"),
        ],
    )


def _written(ids: Path, found: pl.DataFrame) -> list[dict]:
    try:
        with ids.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["customer_id", "in_since", "let_in_by"])
            for id_, since, evidence in found.select("customer_id", "valid_from", "evidence").iter_rows():
                writer.writerow([id_, since.isoformat(), " ".join(evidence)])
    except OSError as error:
        raise CdpError(f"{ids} cannot be written: {error.strerror}") from None
    return [{"file": ids.name, "customers": found.height, "sha256": sha256(ids.read_bytes()).hexdigest()}]


def audit_purpose(lake: Lake, key: str) -> Document:
    """A purpose, and whom it may process."""
    if key not in load_company_register():
        raise CdpError(f"there is no purpose {key!r}; there are: {', '.join(load_company_register())}")
    versions = load_company_register().versions[key]
    # Read once, and counted over spans of time: as many rows as nights that changed something, not as customers.
    spans = (
        lake.scan(DECISION)
        .filter(pl.col("purpose") == key)
        .group_by("reason", "is_allowed", "valid_from", "valid_to")
        .agg(pl.len().alias("decisions"))
        .collect()
    )
    standing = spans.filter(is_current()).group_by("reason").agg(pl.col("decisions").sum())
    by_night = [
        {
            "night": night,
            "allowed": int(then.filter("is_allowed")["decisions"].sum()),
            "denied": int(then.filter(~pl.col("is_allowed"))["decisions"].sum()),
        }
        for night, as_of in lake.read(RUN).sort("night").select("night", "as_of").iter_rows()
        if (then := valid_at(spans.lazy(), as_of).collect()).height
    ]
    channels = [
        {"channel": name, "title": each.title, "retention": each.retention, "owner": each.owner}
        for name, each in load_all_contracts().items()
        if key in each.collected_for
    ]
    now = versions[-1]
    member_count = lake.scan(MEMBERSHIP).filter(pl.col("purpose") == key, is_current()).select(pl.len())
    nights = lake.scan(VERSION).filter(pl.col("table_name") == f"mart/{key}").collect().sort("night")
    return Document(
        f"Purpose {key}",
        f"{now.title}. Lawful basis: {now.lawful_basis}. {member_count.collect().item():,} customers are in its mart.",
        [
            Section("Versions", [_version(each) for each in versions]),
            Section("Channels that collect for it", channels),
            Section("Decisions that stand", standing.sort("decisions", "reason", descending=[True, False]).to_dicts()),
            Section("Night by night", by_night),
            Section(
                "Its mart, night by night",
                select_columns(nights, "night", "row_count", "delta_version", "code_version"),
                empty="it has no mart",
            ),
        ],
    )  # fmt: skip


def _version(each: Purpose) -> dict:
    return {
        "version": each.version,
        "in force from": each.effective_from,
        "lawful basis": each.lawful_basis,
        "scope": each.scope,
        "data": each.data_categories,
        "recipients": each.recipients,
        "retention": f"{each.retention} from {each.retention_from}",
    }


def list_memberships(found: pl.DataFrame) -> list[dict]:
    """Rows of `MEMBERSHIP` for people, each with those who received the mart by the version that was in force."""
    return [
        {
            "mart": row["purpose"],
            "from": row["valid_from"],
            "to": row["valid_to"],
            "basis": row["lawful_basis"],
            "let in by": row["evidence"],
            "left because": row["exit_reason"],
            "recipients": _recipients(row["purpose"], row["purpose_version"]),
        }
        for row in found.iter_rows(named=True)
    ]


def _recipients(key: str, version: str) -> tuple[str, ...]:
    versions = load_company_register().versions.get(key, ())
    return next((each.recipients for each in versions if each.version == version), ())


def _decisions(decisions: pl.DataFrame) -> list[dict]:
    names = ("contact_point", "reason", "lawful_basis", "since_at", "evidence", "purpose_version", "ledger_position")
    return select_columns(decisions.sort("contact_point"), *names, "valid_from", "valid_to")


def _evidence(lake: Lake, ids: pl.Series) -> tuple[pl.DataFrame, list[dict]]:
    """Wills of the ledger and records with these ids (channel:id of the record)."""
    # The ledger is laid by whom a will is about; that is told by the event itself, which is found by its id.
    is_evidence = is_in("event_id", ids)
    about = lake.scan(CONSENT_EVENT).filter(is_evidence).select("subject_value").unique().collect()["subject_value"]
    ledger = lake.scan(LEDGER).filter(is_evidence)
    wills = ledger.filter(is_in("subject_value", about)).collect()
    named = pl.DataFrame([id_.partition(":")[::2] for id_ in sorted(ids)], schema=PARTY.key, orient="row")
    done, said = (read_records_of(lake, table, named) for table in (INTERACTION, PARTY))
    found = {
        *wills["event_id"],
        *(":".join(row) for each in (done, said) for row in each.select(PARTY.key).iter_rows()),
    }
    if {*ids} - found:
        # An event that is kept in the ledger alone is looked for in all of it.
        wills = ledger.collect()
    said = said.join(done, on=PARTY.key, how="anti")
    records = [
        *done.select("occurred_at", "interaction_type", *PARTY.key).sort(PARTY.key).iter_rows(),
        *said.select("observed_at", pl.lit("record"), *PARTY.key).sort(PARTY.key).iter_rows(),
    ]
    names = ("at", "what", *PARTY.key)
    return wills.sort("event_at", "position"), [dict(zip(names, each, strict=True)) for each in records]
