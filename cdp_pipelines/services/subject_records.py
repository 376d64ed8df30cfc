"""Sections of the access report on what channels delivered about a customer: records, fields, copies, requests.

Here belongs what comes from records. What was decided, derived or served is in `access_report`.
"""

import polars as pl

from cdp_pipelines.schema import CROSSWALK, HISTORY, LEDGER, PREFERENCE, PRIVACY_REQUEST, RECTIFICATION
from cdp_pipelines.schema.duration import end_of_retention
from cdp_pipelines.services.declarations import load_all_contracts
from cdp_pipelines.services.evidence import EVENT_COLUMNS, select_columns
from cdp_pipelines.services.report_subject import ReportSubject
from warehouse.lookup import is_in, read_records_of

# A shorter text can stand in records of other people by chance.
MIN_IDENTIFIER_LENGTH = 6


def list_channels(subject: ReportSubject) -> list[dict[str, object]]:
    """Per channel: how many records, what of, since when, in which categories, for which purposes, and how long."""
    memberships = subject.rows(CROSSWALK)
    rows: list[dict[str, object]] = []
    for name, records in subject.by_channel():
        contract, is_here = load_all_contracts()[name], pl.col("channel") == name
        observed = subject.party.filter(is_here)["observed_at"].sort()
        first, last = (observed[0], observed[-1]) if observed.len() else (None, None)
        rows.append(
            {
                "channel": name,
                "title": contract.title,
                "owner": contract.owner,
                "record_count": records.height,
                "interaction_count": subject.interactions.filter(is_here).height,
                "first_observed_at": first,
                "last_observed_at": last,
                "profiled_count": memberships.filter(is_here)["is_profiled"].sum(),
                "data_categories": sorted({each.category for each in contract.fields.values() if each.category}),
                "collected_for": contract.collected_for,
                "retention": contract.retention,
                "last_expires_at": end_of_retention(contract.retention, last) if last else None,
            }
        )
    return rows


def copy_records(subject: ReportSubject) -> dict[str, list[dict[str, object]]]:
    """Per channel every raw row: where it stood in which file, each field with a value, and the record verbatim."""
    own = subject.by_channel()
    raw = pl.collect_all(
        [
            subject.lake.scan(load_all_contracts()[name].raw).filter(
                is_in("source_record_id", records["source_record_id"])
            )
            for name, records in own
        ]
    )
    copies = {}
    for (name, _), frame in zip(own, raw, strict=True):
        fields = [column for column in load_all_contracts()[name].columns.values() if frame[column].count()]
        rows = frame.sort("drop_date", "file", "row_number").select(
            "drop_date", "file", "row_number", *fields, "record"
        )
        copies[name] = rows.to_dicts()
    return copies


def list_fields(copies: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    """Per channel and category of data the fields with a value: each with its meaning and the count of its values."""
    fields: dict[tuple[str, str], list[str]] = {}
    for name, copy in copies.items():
        columns = load_all_contracts()[name].columns
        for field, declared in load_all_contracts()[name].fields.items():
            if count := sum(row.get(columns[field]) is not None for row in copy):
                fields.setdefault((name, declared.category or ""), []).append(
                    f"{field} ({declared.description}): {count:,}"
                )
    return [
        {"channel": name, "data_category": category, "fields": texts}
        for (name, category), texts in sorted(fields.items())
    ]


def list_identifiers(subject: ReportSubject) -> list[dict[str, object]]:
    """Each identifier, in how many records of which channels, and whether another customer has it too."""
    carried = (
        subject.party.unpivot(
            index=["channel"], on=subject.identifiers["kind"].unique().to_list(), variable_name="kind"
        )
        .drop_nulls("value")
        .group_by("kind", "value")
        .agg(pl.len().alias("record_count"), pl.col("channel").unique().sort().alias("channels"))
    )
    # An identifier that the index does not have may be another customer's too.
    is_shared = (~pl.col("is_exclusive")).fill_null(value=True).alias("is_shared")
    rows = subject.identifiers.join(carried, on=["kind", "value"]).sort("kind", "value")
    return rows.select("kind", "value", "record_count", "channels", is_shared).to_dicts()


def list_rectifications(subject: ReportSubject) -> list[dict[str, object]]:
    """Values that the customer or a clerk corrected."""
    rows = read_records_of(subject.lake, RECTIFICATION, subject.records).sort(RECTIFICATION.key)
    names = ("rectified_at", "attribute", "value", "replaces", "reason", "rectified_by")
    return select_columns(rows, *names, "rectification_number", "withdraws_number")


def list_events(subject: ReportSubject) -> list[dict[str, object]]:
    """Every consent event on one of the customer's identifiers, in order of time."""
    values = subject.identifiers["value"].unique()
    events = subject.lake.scan(LEDGER).filter(is_in("subject_value", values)).collect()
    own = subject.identifiers.select(subject_kind="kind", subject_value="value")
    events = events.join(own, on=["subject_kind", "subject_value"], how="semi")
    return select_columns(events.sort("event_at", "position"), *EVENT_COLUMNS)


def list_requests(subject: ReportSubject) -> list[dict[str, object]]:
    """What the customer requested."""
    rows = read_records_of(subject.lake, PRIVACY_REQUEST, subject.records).sort("received_at", *PRIVACY_REQUEST.key)
    return select_columns(rows, "received_at", "kind", "detail", *PRIVACY_REQUEST.key)


def list_preferences(subject: ReportSubject) -> list[dict[str, object]]:
    """How the customer wants to be contacted."""
    names = ("preferred_channel", "language_code", "quiet_from", "quiet_until", "max_per_week")
    rows = read_records_of(subject.lake, PREFERENCE, subject.records).sort("updated_at", *PREFERENCE.key)
    return select_columns(rows, "updated_at", *names, *PREFERENCE.key)


def list_identity_events(subject: ReportSubject) -> list[dict[str, object]]:
    """Births, merges and splits of the customer id."""
    is_own = (pl.col("customer_id") == subject.customer_id) | (pl.col("other_customer_id") == subject.customer_id)
    rows = subject.lake.scan(HISTORY).filter(is_own).collect().sort("occurred_at", "event", "customer_id")
    return select_columns(rows, "occurred_at", "event", "customer_id", "other_customer_id", "cause")


def list_refused(subject: ReportSubject) -> list[dict[str, object]]:
    """Refused rows with the id of one of the records, or with an identifier that only this customer has."""
    own = subject.identifiers.filter("is_exclusive", pl.col("value").str.len_chars() >= MIN_IDENTIFIER_LENGTH)
    values = own["value"].unique().sort()
    pattern = f"(?i)(^|[^0-9a-z])({'|'.join(pl.escape_regex(value) for value in values)})($|[^0-9a-z])"
    has_identifier = pl.col("record").str.contains(pattern) if values.len() else pl.lit(value=False)
    records = dict(subject.by_channel())
    frames = pl.collect_all(
        [
            subject.lake.scan(contract.quarantine)
            .filter(
                is_in("source_record_id", records[name]["source_record_id"] if name in records else ()) | has_identifier
            )
            .select(
                pl.lit(name).alias("channel"), "drop_date", "file", "row_number", "rule", "field", "reason", "record"
            )
            for name, contract in load_all_contracts().items()
        ]
    )
    return pl.concat(frames).sort("channel", "drop_date", "file", "row_number").to_dicts()
