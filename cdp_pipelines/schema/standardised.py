"""Layer `standardised`: the records of all channels in one form. One table per kind of record.

Here belong tables and columns alone; the functions that build them are in `cdp_pipelines.standardise`.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from cdp_pipelines.schema.table import (
    DELETE_DERIVED,
    IDENTIFIER_SUBJECT,
    RECORD_SUBJECT,
    TEXTS,
    UTC,
    Column,
    Lifecycle,
    Table,
)
from cdp_pipelines.schema.vocabulary import (
    INTERACTION_TYPES,
    PREFERRED_CHANNELS,
    PURPOSE_STATUSES,
    RECORD_KEY,
    REQUEST_KINDS,
    SUBJECT_KINDS,
    SUBJECT_STATUSES,
)

INGESTION_COLUMNS = (
    Column("drop_date", pl.Date(), "Drop folder (night) that delivered the record"),
    Column("ingested_at", UTC, "Logical time of the night that loaded it: the end of its drop date"),
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
    "One row per source record with data about a person; where a record was delivered again, its latest state.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("observed_at", UTC, "Event time of the record"),
        Column("honorific", pl.String(), "Form of address, such as Mr, Mrs, Ms or Dr", is_personal=True),
        Column("first_name", pl.String(), "Given name, capitalised", is_personal=True),
        Column("middle_name", pl.String(), "Middle name or initial, capitalised", is_personal=True),
        Column("last_name", pl.String(), "Family name, capitalised", is_personal=True),
        Column("birth_date", pl.Date(), "Date of birth", is_personal=True),
        Column("email", pl.String(), "E-mail address in lower case and of valid form", is_personal=True),
        Column("phone", pl.String(), "Phone number in E.164 format", is_personal=True),
        Column("street", pl.String(), "Street and number in lower case, with single spaces", is_personal=True),
        Column("city", pl.String(), "City, capitalised", is_personal=True),
        Column("region_code", pl.String(), "Code of the state or province", is_personal=True),
        Column("postal_code", pl.String(), "Postal code", is_personal=True),
        Column("country_code", pl.String(), "Country, ISO 3166-1 alpha-2", is_personal=True),
        Column("loyalty_card", pl.String(), "Loyalty card number", is_personal=True),
        Column("device_id", pl.String(), "Id of a device or browser", is_personal=True),
        Column("advertising_id", pl.String(), "Advertising id of a device", is_personal=True),
        Column("serial", pl.String(), "Serial number of a connected product", is_personal=True),
        Column("handle", pl.String(), "Handle on a social network, as network:handle", is_personal=True),
        Column("account_id", pl.String(), "Account id in the web shop", is_personal=True),
        Column("defects", TEXTS, "Fields with a value that could not be read, as field:reason"),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(RECORD_SUBJECT,),
        write_mode="merge",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
PartyFrame = pl.LazyFrame
PartyRows = pl.DataFrame

INTERACTION = Table(
    "standardised/interaction",
    "One row per interaction: orders, refunds, receipts, events, calls, posts, surveys, readings, visits, warranties.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column(
            "interaction_type",
            pl.String(),
            f"Kind of interaction: {', '.join(INTERACTION_TYPES)}",
        ),
        Column("name", pl.String(), "Name within its type: event name, topic, metric, network or kind"),
        Column("occurred_at", UTC, "When it happened"),
        Column(
            "amount_minor",
            pl.Int64(),
            "Amount in the currency's minor unit; negative where money went back to the customer",
        ),
        Column("currency_code", pl.String(), "Currency of the amount, ISO 4217"),
        Column("quantity", pl.Int64(), "Number of units or items"),
        Column(
            "score",
            pl.Float64(),
            "Survey answer or sensor reading: net promoter score from 0 to 10, or the unit of the metric",
        ),
        Column("duration_s", pl.Float64(), "Duration in seconds"),
        Column("location_code", pl.String(), "Code of the store"),
        Column("detail", pl.String(), "Free text as received: notes, comments, posts", is_personal=True),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(RECORD_SUBJECT,),
        write_mode="merge",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
InteractionFrame = pl.LazyFrame
InteractionRows = pl.DataFrame

CONSENT_EVENT = Table(
    "standardised/consent_event",
    "One row per consent event and purpose (grant, denial, withdrawal, objection, block), from every channel that "
    "delivers any.",
    ("event_id", "purpose", "status"),
    (
        Column(
            "event_id", pl.String(), "Record that delivered the event, as channel:source_record_id", is_personal=True
        ),
        *list_record_columns(*INGESTION_COLUMNS),
        Column("subject_kind", pl.String(), f"Kind of the identifier: {', '.join(SUBJECT_KINDS)}"),
        Column("subject_value", pl.String(), "Identifier that the event is about", is_personal=True),
        Column(
            "purpose",
            pl.String(),
            "Purpose that the event is about; * where it is about the person or contact point itself",
        ),
        Column(
            "status",
            pl.String(),
            f"{', '.join(PURPOSE_STATUSES)}; with purpose *: {', '.join(SUBJECT_STATUSES)}",
        ),
        Column("event_at", UTC, "When the person made the choice"),
        Column("recorded_at", UTC, "When the source recorded it"),
        Column("expires_at", UTC, "When the grant expires"),
        Column("notice_version", pl.String(), "Version of the notice that the person was shown"),
        Column("jurisdiction", pl.String(), "Jurisdiction whose law applies"),
        Column("method", pl.String(), "How the choice was made: web form, double opt-in, agent, link"),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(IDENTIFIER_SUBJECT, RECORD_SUBJECT),
        write_mode="merge",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
ConsentEventFrame = pl.LazyFrame
ConsentEventRows = pl.DataFrame

UNNAMED_STATEMENT = replace(
    CONSENT_EVENT,
    name="standardised/unnamed_statement",
    description="What records state about a purpose without naming a person for certain, so that no consent event is "
    "made of it: the subject is missing (null), or a grant names several. One row per record, purpose and status.",
)

PREFERENCE = Table(
    "standardised/preference",
    "How a person wants to be contacted; one row per record, in its latest state.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("email", pl.String(), "E-mail address that identifies the person", is_personal=True),
        Column("preferred_channel", pl.String(), f"Preferred way of contact: {', '.join(PREFERRED_CHANNELS)}"),
        Column("language_code", pl.String(), "Preferred language, ISO 639-1"),
        Column("quiet_from", pl.Int64(), "Start of quiet hours (0 to 23)"),
        Column("quiet_until", pl.Int64(), "End of quiet hours (0 to 23)"),
        Column("max_per_week", pl.Int64(), "Maximum number of messages per week"),
        Column("updated_at", UTC, "When the preference was set"),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(RECORD_SUBJECT,),
        write_mode="merge",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
PreferenceFrame = pl.LazyFrame
PreferenceRows = pl.DataFrame

PRIVACY_REQUEST = Table(
    "standardised/privacy_request",
    "Requests of data subjects (GDPR Art. 15 to 21); one row per record.",
    RECORD_KEY,
    list_record_columns(
        *INGESTION_COLUMNS,
        Column("kind", pl.String(), f"Kind of request: {', '.join(REQUEST_KINDS)}"),
        Column("subject_kind", pl.String(), "Kind of the identifier"),
        Column("subject_value", pl.String(), "Identifier of the person", is_personal=True),
        Column("received_at", UTC, "When the request was received"),
        Column("detail", pl.String(), "What the person wrote", is_personal=True),
    ),
    lifecycle=Lifecycle(
        kind="derived",
        subjects=(IDENTIFIER_SUBJECT, RECORD_SUBJECT),
        write_mode="merge",
        unit="record",
        on_erasure=DELETE_DERIVED,
        retention="sources",
    ),
)
PrivacyRequestFrame = pl.LazyFrame
PrivacyRequestRows = pl.DataFrame
