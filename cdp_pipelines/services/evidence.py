"""What answers about decisions and marts have in common: memberships, and the events and records behind a decision.

Here belong rows that several answers show. Whole answers stand in modules of their own.
"""

import polars as pl

from cdp_pipelines.schema import CONSENT_EVENT, INTERACTION, LEDGER, PARTY
from cdp_pipelines.services.declarations import load_company_register
from warehouse.delta.lake import Lake
from warehouse.lookup import is_in, read_records_of

EVENT_COLUMNS = (
    "event_at",
    "recorded_at",
    "purpose",
    "status",
    "subject_kind",
    "subject_value",
    "notice_version",
    "method",
    "channel",
    "event_id",
)


def select_columns(frame: pl.DataFrame, *names: str) -> list[dict[str, object]]:
    """Rows of a section with these columns."""
    return frame.select(names).to_dicts()


def list_memberships(memberships: pl.DataFrame) -> list[dict[str, object]]:
    """Rows of `MEMBERSHIP`, each with the recipients of the mart in the purpose's version of that time."""
    return [
        {
            "mart": row["purpose"],
            "valid_from": row["valid_from"],
            "valid_to": row["valid_to"],
            "lawful_basis": row["lawful_basis"],
            "evidence": row["evidence"],
            "exit_reason": row["exit_reason"],
            "recipients": _recipients(row["purpose"], row["purpose_version"]),
        }
        for row in memberships.iter_rows(named=True)
    ]


def _recipients(key: str, version: str) -> tuple[str, ...]:
    versions = load_company_register().versions.get(key, ())
    return next((each.recipients for each in versions if each.version == version), ())


def find_evidence(lake: Lake, ids: pl.Series) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """Events of the ledger, and records, with these ids (channel:id of the record)."""
    # The ledger is ordered by subject. The event itself, which is found by its id, names the subject.
    is_evidence = is_in("event_id", ids)
    subjects = lake.scan(CONSENT_EVENT).filter(is_evidence).select("subject_value").unique().collect()["subject_value"]
    ledger = lake.scan(LEDGER).filter(is_evidence)
    events = ledger.filter(is_in("subject_value", subjects)).collect()
    keys = pl.DataFrame([id_.partition(":")[::2] for id_ in sorted(ids)], schema=PARTY.key, orient="row")
    interactions, parties = (read_records_of(lake, table, keys) for table in (INTERACTION, PARTY))
    known = {
        *events["event_id"],
        *(":".join(row) for frame in (interactions, parties) for row in frame.select(PARTY.key).iter_rows()),
    }
    if {*ids} - known:
        # Only the ledger has such an event: look for it in all of the ledger.
        events = ledger.collect()
    parties = parties.join(interactions, on=PARTY.key, how="anti")
    rows = [
        *interactions.select("occurred_at", "interaction_type", *PARTY.key).sort(PARTY.key).iter_rows(),
        *parties.select("observed_at", pl.lit("record"), *PARTY.key).sort(PARTY.key).iter_rows(),
    ]
    names = ("occurred_at", "record_type", *PARTY.key)
    return events.sort("event_at", "position"), [dict(zip(names, each, strict=True)) for each in rows]
