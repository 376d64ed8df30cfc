"""Who was in a mart on a day: in or out and why, and the rows of a night.

Here belong questions about one mart after one night. A purpose over all nights is in `purpose_audit`.
"""

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import polars as pl

from cdp_pipelines.errors import CdpError
from cdp_pipelines.marts.membership import NO_VALUE
from cdp_pipelines.purposes.purpose import Purpose
from cdp_pipelines.schema import DECISION, MEMBERSHIP, RUN, VERSION
from cdp_pipelines.schema.interval import valid_at
from cdp_pipelines.services.declarations import find_purpose_of_mart
from cdp_pipelines.services.document import Document, Section
from cdp_pipelines.services.evidence import EVENT_COLUMNS, find_evidence, list_memberships, select_columns
from cdp_pipelines.services.marts import select_rows_of
from cdp_pipelines.services.profile import list_values
from warehouse.atomic_file import write_atomically
from warehouse.delta.lake import Lake

NIGHT = "The table that the night left, and the code that wrote it"


@dataclass(frozen=True)
class MartNight:
    """A mart after a night: the night, and what the lake recorded about the table that the night left."""

    purpose: Purpose
    night: date
    as_of: datetime
    delta_version: int
    row_count: int
    code_version: str

    @classmethod
    def of(cls, lake: Lake, key: str, on: date) -> "MartNight":
        """The mart of a purpose as it was on a day.

        `CdpError` where there is no such mart, no night until then, or no night since: nobody has decided for it yet.
        Nights are those to which the lake was brought: deliveries of other nights were decided on with the next one.
        """
        purpose = find_purpose_of_mart(key)
        versions = lake.scan(VERSION).filter(pl.col("table_name") == f"mart/{key}").collect()
        if versions.is_empty():
            raise CdpError(f"the lake has no night of the mart {key} yet; `cdp run` makes one")
        versions = versions.sort("night")
        if on > (last := versions["night"][-1]):
            raise CdpError(f"the lake knows nothing about {on}: its last night is {last}; `cdp run` makes a later one")
        newest = versions.filter(pl.col("night") <= on).tail(1)
        if newest.is_empty():
            raise CdpError(f"the lake knows no night until {on}; its first night is {versions['night'][0]}")
        return cls(purpose, **newest.drop("table_name").row(0, named=True))

    def members(self, lake: Lake) -> pl.LazyFrame:
        """Rows of `MEMBERSHIP` of the customers who were in the mart."""
        return valid_at(lake.scan(MEMBERSHIP).filter(pl.col("purpose") == self.purpose.key), self.as_of)

    def rows(self, lake: Lake) -> pl.LazyFrame | None:
        """Rows of the Delta version that the night left; None where the lake no longer has that version."""
        return lake.scan_version(f"mart/{self.purpose.key}", self.delta_version)

    def rows_of(self, lake: Lake, customers: pl.DataFrame) -> pl.DataFrame | None:
        """Rows of some customers (customer_id); None where the version is gone, or where the mart counts people."""
        rows = None if self.purpose.aggregate else self.rows(lake)
        return None if rows is None else select_rows_of(lake, self.purpose, rows, customers)

    def section(self) -> Section:
        """What the lake recorded about the night."""
        names = ("night", "as_of", "delta_version", "row_count", "code_version")
        return Section("night", [{name: getattr(self, name) for name in names}], NIGHT)


def audit_customer(lake: Lake, key: str, on: date, customer_id: str) -> Document:
    """Was this customer in this mart after that night, and why."""
    night = MartNight.of(lake, key, on)
    is_own = pl.col("customer_id") == customer_id
    memberships = lake.scan(MEMBERSHIP).filter(is_own, pl.col("purpose") == key).collect()
    current = valid_at(memberships.lazy(), night.as_of).collect()
    decisions = valid_at(lake.scan(DECISION).filter(is_own, pl.col("purpose") == key), night.as_of).collect()
    events, records = find_evidence(lake, decisions["evidence"].explode().drop_nulls().unique().sort())
    reasons = set(decisions["reason"]) or {"no decision exists"}
    if current.is_empty():
        # Allowed, and yet in no row: the profile has no value that the mart may show.
        reasons = {NO_VALUE if reason == "allowed" else reason for reason in reasons}
    run = lake.read(RUN).filter(night=night.night)
    return Document(
        f"{customer_id} in the mart {key} on {on}",
        f"{_in_or_out(current)}, as of the night of {night.night}: {', '.join(sorted(reasons))}.",
        [
            Section("membership", list_memberships(current), "The membership of that night"),
            Section("decisions", _decisions(decisions), "The decisions of that night, with their evidence"),
            Section("consent_events", select_columns(events, *EVENT_COLUMNS), "The events that decided"),
            Section("records", records, "The records that decided: contracts, obligations, recent contacts"),
            night.section(),
            Section("run", select_columns(run, "night", "as_of", "file_count", "received_count"), "The nightly run"),
            Section("all_memberships", list_memberships(memberships.sort("valid_from")), "Every stay in this mart"),
        ],
    )


def audit_rows(lake: Lake, key: str, on: date, customer_id: str | None = None, ids: Path | None = None) -> Document:
    """The rows of a mart after that night, by the history of membership, compared with the mart's own version.

    Of all customers the counts, and in the file `ids` the customers as CSV, whose digest the document holds; of one
    customer the row itself.
    """
    night = MartNight.of(lake, key, on)
    if customer_id:
        return _audit_row(lake, night, on, customer_id)
    members = night.members(lake).sort("customer_id").collect()
    by_basis = members.group_by("lawful_basis", "purpose_version").len("customer_count")
    by_entry = members.group_by("valid_from").len("customer_count")
    sections = [
        Section("by_basis", by_basis.sort("lawful_basis", "purpose_version").to_dicts(),
                "Customers by lawful basis and version of the purpose", bar="customer_count"),
        Section("by_entry", by_entry.sort("valid_from").to_dicts(), "Customers by the time since which they are in",
                bar="customer_count"),
        night.section(),
    ]  # fmt: skip
    if ids:
        file = _write_ids(ids, members)
        sections.append(Section("customers", file, "A file beside this answer; the digest binds it to the answer"))
    return Document(
        f"Rows of the mart {key} on {on}",
        f"{members.height:,} customers, as of the night of {night.night}; {_compare(lake, night, members)}.",
        sections,
    )


def _compare(lake: Lake, night: MartNight, members: pl.DataFrame) -> str:
    if night.purpose.aggregate:
        return f"the mart counts them in {night.row_count:,} cells and has no row of a person"
    rows = night.rows(lake)
    own = night.rows_of(lake, members)
    if rows is None or own is None:
        return "the lake no longer has the mart's own version of that night"
    stored_count = rows.select(pl.len()).collect().item()
    version = f"the mart's own version {night.delta_version} of that night has"
    if own.height == stored_count == members.height:
        return f"{version} the same customers"
    return f"{version} other customers: {stored_count:,} rows, of which {own.height:,} are rows of these customers"


def _audit_row(lake: Lake, night: MartNight, on: date, customer_id: str) -> Document:
    current = night.members(lake).filter(pl.col("customer_id") == customer_id).collect()
    row = night.rows_of(lake, pl.DataFrame({"customer_id": [customer_id]}))
    if row is None:
        version = "the mart counts people, or the lake no longer has its version of that night"
    else:
        version = f"the mart's own version {night.delta_version} has {row.height} row of this customer"
    return Document(
        f"The row of {customer_id} in the mart {night.purpose.key} on {on}",
        f"{_in_or_out(current)}, as of the night of {night.night}; {version}.",
        [
            Section("membership", list_memberships(current), "The membership of that night"),
            Section("row", [] if row is None else list_values(night.purpose, row), "The row of that night", "no row"),
            night.section(),
        ],
    )


def _in_or_out(memberships: pl.DataFrame) -> str:
    return "In" if memberships.height else "Out"


def _write_ids(ids: Path, members: pl.DataFrame) -> list[dict[str, object]]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["customer_id", "valid_from", "evidence"])
    for customer_id, since, evidence in members.select("customer_id", "valid_from", "evidence").iter_rows():
        writer.writerow([customer_id, since.isoformat(), " ".join(evidence)])
    try:
        write_atomically(ids, text.getvalue())
    except OSError as error:
        raise CdpError(f"{ids} cannot be written: {error.strerror}") from None
    digest = sha256(ids.read_bytes()).hexdigest()
    return [{"file": ids.name, "customer_count": members.height, "sha256": digest}]


def _decisions(decisions: pl.DataFrame) -> list[dict[str, object]]:
    names = ("contact_point", "reason", "lawful_basis", "since_at", "evidence", "purpose_version", "ledger_position")
    return select_columns(decisions.sort("contact_point"), *names, "valid_from", "valid_to")
