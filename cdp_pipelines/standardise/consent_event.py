"""`standardised/consent_event`, `preference` and `privacy_request`: what people decide and request, in standard form.

Here belongs the mapping of raw fields to these three tables. What a record states about purposes belongs in
`consent_statement`; the decisions that follow are made in `cdp_pipelines.consent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.field_value import read_field
from cdp_pipelines.schema import CONSENT_EVENT, PERMISSIVE_STATUSES, PREFERENCE, PRIVACY_REQUEST, UTC
from cdp_pipelines.standardise import contacts, parse
from cdp_pipelines.standardise.consent_statement import is_in_force, read_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.channels.mapping import ValueMapping


def build_consent_event(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record, purpose and status; key (event_id, purpose, status), columns of `CONSENT_EVENT`.

    `current`: see `latest.select_latest`. A record without a mapped subject, purpose or status produces no consent
    event. An unreadable subject keeps its text, so that the event is never lost, even if it matches nobody. Where a
    record states the same about one subject and purpose in two mappings, the mapping that is declared first is used.
    """
    if not contract.consents:
        return CONSENT_EVENT.empty().lazy()
    return CONSENT_EVENT.conform(
        _read_events(current, contract)
        .filter(pl.col("subject_kind").is_not_null(), pl.col("subject_value").is_not_null())
        .unique(["event_id", "subject_kind", "subject_value", "purpose", "status"], keep="first", maintain_order=True)
        .with_columns(
            pl.when(pl.col("status").is_in(PERMISSIVE_STATUSES))
            .then("subject_kind")
            .otherwise(_correct_kind(contract))
            .alias("subject_kind")
        )
        .with_columns(_read_subjects(contract).alias("subjects"))
        # A grant on several contact points at once is certain on none of them; a denial is meant for each.
        .filter((pl.col("subjects").list.len() == 1) | ~pl.col("status").is_in(PERMISSIVE_STATUSES))
        .with_columns(pl.int_ranges(pl.col("subjects").list.len()).alias("number"))
        .explode("subjects", "number")
        .with_columns(
            pl.col("subjects").alias("subject_value"),
            pl.when(pl.col("number") == 0)
            .then("event_id")
            .otherwise(pl.format("{}#{}", "event_id", pl.col("number") + 1))
            .alias("event_id"),
        )
    )


def find_unnamed_events(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """Statements of which `build_consent_event` makes no event, because they name nobody for certain.

    Columns of `CONSENT_EVENT`; key (event_id, purpose, status). `subject_value` is null where no mapping finds a
    subject, else the text: a grant on several contact points at once.
    """
    if not contract.consents:
        return CONSENT_EVENT.empty().lazy()
    key = list(CONSENT_EVENT.key)
    named = build_consent_event(current, contract).select(key)
    return CONSENT_EVENT.conform(
        _read_events(current, contract)
        .join(named, on=key, how="anti")
        .sort(pl.col("subject_value").is_null(), maintain_order=True)
        .unique(key, keep="first", maintain_order=True)
    )


def _read_events(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """What each record states in each mapping, with its subject as written; the columns of `CONSENT_EVENT`."""

    def text(value: ValueMapping | None) -> pl.Expr:
        return pl.lit(None, pl.String) if value is None else value.expression()

    def moment(name: str | None) -> pl.Expr:
        return pl.lit(None, UTC) if name is None else read_field(contract, name)

    event_id = pl.concat_str(pl.lit(contract.name + ":"), "source_record_id")
    return pl.concat(
        [
            current.with_columns(
                event_id.alias("event_id"),
                text(consent.subject_kind).alias("subject_kind"),
                text(consent.subject_value).alias("subject_value"),
                read_statements(consent).alias("statement"),
                pl.col("event_at"),
                pl.coalesce(moment(consent.recorded_at), "event_at").alias("recorded_at"),
                moment(consent.expires_at).alias("expires_at"),
                text(consent.notice_version).alias("declared_notice"),
                text(consent.jurisdiction).alias("jurisdiction"),
                text(consent.method).alias("method"),
            )
            .explode("statement")
            # Not the frame's own `unnest`: a source may have fields of these names.
            .with_columns(pl.col("statement").struct.unnest())
            .with_columns(pl.coalesce("declared_notice", "notice_version").alias("notice_version"))
            .filter(pl.col("purpose").is_not_null(), pl.col("status").is_not_null())
            .filter(is_in_force(consent))
            .select(CONSENT_EVENT.schema.keys())
            for consent in contract.consents
        ]
    )


def build_preference(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record with a person's preferences; columns of `PREFERENCE`, hours 0 to 23."""
    mapping = contract.preference
    if mapping is None:
        return PREFERENCE.empty().lazy()
    hours = mapping.quiet_hours.expression()
    return PREFERENCE.conform(
        current.with_columns(
            parse.map_distinct(mapping.email.expression(), parse.parse_email, pl.String()).alias("email"),
            mapping.preferred_channel.expression().alias("preferred_channel"),
            mapping.language_code.expression().str.to_lowercase().alias("language_code"),
            hours.str.extract(r"^(\d{1,2})-\d{1,2}$").cast(pl.Int64).alias("quiet_from"),
            hours.str.extract(r"^\d{1,2}-(\d{1,2})$").cast(pl.Int64).alias("quiet_until"),
            mapping.max_per_week.expression().cast(pl.Int64, strict=False).alias("max_per_week"),
            pl.col("event_at").alias("updated_at"),
        )
    )


def build_privacy_request(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per request of a data subject; columns of `PRIVACY_REQUEST`."""
    mapping = contract.privacy_request
    if mapping is None:
        return PRIVACY_REQUEST.empty().lazy()
    return PRIVACY_REQUEST.conform(
        current.with_columns(
            mapping.kind.expression().alias("kind"),
            mapping.subject_kind.expression().alias("subject_kind"),
            mapping.subject_value.expression().alias("subject_value"),
            pl.col("event_at").alias("received_at"),
            (mapping.detail.expression() if mapping.detail else pl.lit(None, pl.String)).alias("detail"),
        )
        .with_columns(_correct_kind(contract).alias("subject_kind"))
        .with_columns(_read_subjects(contract).list.first().alias("subject_value"))
    )


def _correct_kind(contract: ChannelContract) -> pl.Expr:
    """The kind of contact point that the text is, where it cannot be read as one of the stated kind.

    A source may take an address whose @ is encoded for a phone. A denial is obeyed then; a grant stays unread.
    """
    kind, value = pl.col("subject_kind"), pl.col("subject_value")
    readers = dict(zip(("email", "phone"), _readers(contract), strict=True))

    def can_read(text: pl.Expr, reader: Callable[[str], tuple[str, ...]]) -> pl.Expr:
        return parse.map_distinct(text, lambda found: bool(reader(found)), pl.Boolean())

    corrected = kind
    for stated, other in (("email", "phone"), ("phone", "email")):
        is_unreadable = ~can_read(pl.when(kind == stated).then(value), readers[stated])
        # Only what is unreadable is read again: most texts are what their source states.
        is_other = can_read(pl.when(is_unreadable).then(value), readers[other])
        corrected = pl.when(is_other).then(pl.lit(other)).otherwise(corrected)
    return corrected


def _readers(contract: ChannelContract) -> tuple[Callable[[str], tuple[str, ...]], Callable[[str], tuple[str, ...]]]:
    """The readers of e-mails and of phones."""
    return contacts.read_emails, contacts.read_phones(contract.phone_region)


def _read_other(text: str) -> list[str]:
    """The identifier that a text names, as a list; empty where it names none."""
    identifier = contacts.read_identifier(text)
    return [] if identifier is None else [identifier]


def _read_subjects(contract: ChannelContract) -> pl.Expr:
    """The subjects in the form of `standardised/party`, a list; its own text alone where that is unreadable."""
    kind, value = pl.col("subject_kind"), pl.col("subject_value")
    texts = pl.List(pl.String())
    read_emails, read_phones = _readers(contract)
    found = pl.coalesce(
        parse.map_distinct(pl.when(kind == "email").then(value), read_emails, texts),
        parse.map_distinct(pl.when(kind == "phone").then(value), read_phones, texts),
        parse.map_distinct(pl.when(~kind.is_in(["email", "phone"])).then(value), _read_other, texts),
    )
    return pl.when(found.list.len() > 0).then(found).otherwise(pl.concat_list(value.str.strip_chars()))
