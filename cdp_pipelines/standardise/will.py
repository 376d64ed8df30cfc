"""`standardised/consent_event`, `preference` and `privacy_request`: what people want, in standard form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channel.read import field_value
from cdp_pipelines.standardise import parse
from cdp_pipelines.tables import CONSENT_EVENT, PREFERENCE, PRIVACY_REQUEST, UTC

if TYPE_CHECKING:
    from cdp_pipelines.channel.contract import ChannelContract, Value


def consent_event(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record, purpose and will; key (event_id, purpose, status), columns of `CONSENT_EVENT`.

    `current`: see `records.current`. A record without a subject, purpose or status of the mapping carries no will. A
    subject that cannot be read keeps its text: a will is never lost, though it may reach nobody.
    """
    if not contract.consents:
        return CONSENT_EVENT.empty().lazy()

    def text(value: Value | None) -> pl.Expr:
        return pl.lit(None, pl.String) if value is None else value.expression()

    def moment(name: str | None) -> pl.Expr:
        return pl.lit(None, UTC) if name is None else field_value(contract, name)

    event_id = pl.concat_str(pl.lit(contract.key_ + ":"), "source_record_id")
    return CONSENT_EVENT.conform(
        pl.concat(
            [
                current.with_columns(
                    event_id.alias("event_id"),
                    text(will.subject_kind).alias("subject_kind"),
                    text(will.subject_value).alias("subject_value"),
                    pl.concat_list(
                        [text(will.purpose)] if will.purpose else [pl.lit(purpose) for purpose in will.purposes]
                    ).alias("purpose"),
                    text(will.status).alias("status"),
                    pl.col("event_at"),
                    pl.coalesce(moment(will.recorded_at), "event_at").alias("recorded_at"),
                    moment(will.expires_at).alias("expires_at"),
                    text(will.notice_version).alias("notice_version"),
                    text(will.jurisdiction).alias("jurisdiction"),
                    text(will.method).alias("method"),
                )
                .explode("purpose")
                .filter(
                    pl.all_horizontal(
                        pl.col(name).is_not_null() for name in ("subject_kind", "subject_value", "purpose", "status")
                    )
                )
                .select(CONSENT_EVENT.schema.keys())
                for will in contract.consents
            ]
        ).with_columns(_subject(contract))
    )


def preference(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record that says how a person wants to be reached; columns of `PREFERENCE`, hours 0 to 23."""
    told = contract.preference
    if told is None:
        return PREFERENCE.empty().lazy()
    hours = told.quiet_hours.expression()
    return PREFERENCE.conform(
        current.with_columns(
            parse.distinct(told.email.expression(), parse.email, pl.String()).alias("email"),
            told.preferred_channel.expression().alias("preferred_channel"),
            told.language_code.expression().str.to_lowercase().alias("language_code"),
            hours.str.extract(r"^(\d{1,2})-\d{1,2}$").cast(pl.Int64).alias("quiet_from"),
            hours.str.extract(r"^\d{1,2}-(\d{1,2})$").cast(pl.Int64).alias("quiet_until"),
            told.max_per_week.expression().cast(pl.Int64, strict=False).alias("max_per_week"),
            pl.col("event_at").alias("updated_at"),
        )
    )


def privacy_request(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per request of a data subject; columns of `PRIVACY_REQUEST`."""
    told = contract.privacy_request
    if told is None:
        return PRIVACY_REQUEST.empty().lazy()
    return PRIVACY_REQUEST.conform(
        current.with_columns(
            told.kind.expression().alias("kind"),
            told.subject_kind.expression().alias("subject_kind"),
            told.subject_value.expression().alias("subject_value"),
            pl.col("event_at").alias("received_at"),
            (told.detail.expression() if told.detail else pl.lit(None, pl.String)).alias("detail"),
        ).with_columns(_subject(contract))
    )


def _subject(contract: ChannelContract) -> pl.Expr:
    """The subject in the form in which `standardised/party` has it; its own text where that cannot be read."""
    region = contract.party.phone_region if contract.party else "US"
    kind, value = pl.col("subject_kind"), pl.col("subject_value")
    return pl.coalesce(
        parse.distinct(pl.when(kind == "email").then(value), parse.email, pl.String()),
        parse.distinct(pl.when(kind == "phone").then(value), parse.phone(region), pl.String()),
        value.str.strip_chars(),
    ).alias("subject_value")
