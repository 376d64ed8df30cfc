"""Layer `standardised`: the records of all channels in one form. One table per kind of record.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.standardise`.
"""

from __future__ import annotations

import polars as pl

from cdp_pipelines.schema.table import TEXTS, UTC, Column, Table
from cdp_pipelines.schema.vocabulary import RECORD_KEY

INGESTION_COLUMNS = (
    Column("drop_date", pl.Date(), "Drop folder (night) in which the record came"),
    Column("ingested_at", UTC, "Logical time of the night that took it in: the end of its drop date"),
)


def list_record_columns(*more: Column) -> tuple[Column, ...]:
    """The columns of `RECORD_KEY`, then `more`."""
    return (
        Column("channel", pl.String(), "Channel that delivered the record"),
        Column("source_record_id", pl.String(), "The record's own id in its channel", is_personal=True),
        *more,
    )


PARTY = Table(
    "standardised/party",
    "One row per source record that says something about a person; of a record sent again, its latest state.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("observed_at", UTC, "When the record says this of the person (its event time)"),
        Column("honorific", pl.String(), "Mr, Mrs, Ms, Dr as spoken", is_personal=True),
        Column("first_name", pl.String(), "Given name, cased", is_personal=True),
        Column("middle_name", pl.String(), "Middle name or initial, cased", is_personal=True),
        Column("last_name", pl.String(), "Family name, cased", is_personal=True),
        Column("birth_date", pl.Date(), "Date of birth", is_personal=True),
        Column("email", pl.String(), "E-mail, lower-cased and valid in form", is_personal=True),
        Column("phone", pl.String(), "Phone in E.164", is_personal=True),
        Column("street", pl.String(), "Street and number, lower-cased, one space between words", is_personal=True),
        Column("city", pl.String(), "City, cased", is_personal=True),
        Column("region_code", pl.String(), "State or province code", is_personal=True),
        Column("postal_code", pl.String(), "Postal code", is_personal=True),
        Column("country_code", pl.String(), "ISO 3166-1 alpha-2", is_personal=True),
        Column("loyalty_card", pl.String(), "Loyalty card number", is_personal=True),
        Column("device_id", pl.String(), "Device or browser id", is_personal=True),
        Column("advertising_id", pl.String(), "Advertising id of a device", is_personal=True),
        Column("serial", pl.String(), "Serial number of a connected product", is_personal=True),
        Column("handle", pl.String(), "network:handle on a social network", is_personal=True),
        Column("account_id", pl.String(), "Account id in the web shop", is_personal=True),
        Column("defects", TEXTS, "Fields that were there but could not be read, as field:why"),
    ),
    subject=RECORD_KEY,
)
PartyFrame = pl.LazyFrame
PartyRows = pl.DataFrame

INTERACTION = Table(
    "standardised/interaction",
    "One row per thing that happened: orders, refunds, receipts, events, calls, posts, surveys, readings, visits, "
    "warranties.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column(
            "interaction_type",
            pl.String(),
            "order, refund, receipt, event, call, post, survey, reading, visit, warranty",
        ),
        Column("name", pl.String(), "What it was, within its type (event name, topic, metric, network, kind)"),
        Column("occurred_at", UTC, "When it happened"),
        Column("amount_minor", pl.Int64(), "Amount in the currency's minor unit; what went back is negative"),
        Column("currency_code", pl.String(), "ISO 4217"),
        Column("quantity", pl.Int64(), "Units, items"),
        Column("score", pl.Float64(), "Answer or reading: net promoter score 0 to 10, or the metric's own unit"),
        Column("duration_s", pl.Float64(), "Duration in seconds"),
        Column("location_code", pl.String(), "Store"),
        Column("detail", pl.String(), "Free text as it came: notes, comments, posts", is_personal=True),
    ),
    subject=RECORD_KEY,
)
InteractionFrame = pl.LazyFrame
InteractionRows = pl.DataFrame

CONSENT_EVENT = Table(
    "standardised/consent_event",
    "One row per expression of will about one purpose, from every channel that carries one.",
    ("event_id", "purpose", "status"),
    (
        Column("event_id", pl.String(), "channel:source_record_id of the record that carries it"),
        *list_record_columns(*INGESTION_COLUMNS),
        Column("subject_kind", pl.String(), "email, phone, device_id, loyalty_card or account_id"),
        Column("subject_value", pl.String(), "The identifier on which the will was expressed", is_personal=True),
        Column(
            "purpose", pl.String(), "Purpose it is about; * for a will that is about the person or contact point itself"
        ),
        Column(
            "status",
            pl.String(),
            "granted, denied, withdrawn, objected, objection_withdrawn; on *: restricted, "
            "restriction_lifted, erased, unsubscribed, complained, bounced, verified",
        ),
        Column("event_at", UTC, "When the person expressed it"),
        Column("recorded_at", UTC, "When the source recorded it"),
        Column("expires_at", UTC, "When a grant ends by itself"),
        Column("notice_version", pl.String(), "Version of the notice shown"),
        Column("jurisdiction", pl.String(), "Law under which it was given"),
        Column("method", pl.String(), "How it was given: web form, double opt-in, agent, link"),
    ),
    subject=("subject_kind", "subject_value"),
)
ConsentEventFrame = pl.LazyFrame
ConsentEventRows = pl.DataFrame

PREFERENCE = Table(
    "standardised/preference",
    "How a person wants to be reached; one row per record, its latest state.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("email", pl.String(), "E-mail by which the person is named", is_personal=True),
        Column("preferred_channel", pl.String(), "email, sms, push, post or social"),
        Column("language_code", pl.String(), "ISO 639-1"),
        Column("quiet_from", pl.Int64(), "Hour (0 to 23) from which not to disturb"),
        Column("quiet_until", pl.Int64(), "Hour (0 to 23) until which not to disturb"),
        Column("max_per_week", pl.Int64(), "Messages a week at most"),
        Column("updated_at", UTC, "When it was set"),
    ),
    subject=RECORD_KEY,
)
PreferenceFrame = pl.LazyFrame
PreferenceRows = pl.DataFrame

PRIVACY_REQUEST = Table(
    "standardised/privacy_request",
    "Requests of data subjects.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("kind", pl.String(), "access, erasure, portability, rectification, objection or restriction"),
        Column("subject_kind", pl.String(), "Kind of identifier by which the person is named"),
        Column("subject_value", pl.String(), "The identifier", is_personal=True),
        Column("received_at", UTC, "When the request came"),
        Column("detail", pl.String(), "What the person wrote", is_personal=True),
    ),
    subject=("subject_kind", "subject_value"),
)
PrivacyRequestFrame = pl.LazyFrame
PrivacyRequestRows = pl.DataFrame
