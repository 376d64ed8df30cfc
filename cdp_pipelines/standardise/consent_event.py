"""`standardised/consent_event`, `preference` and `privacy_request`: what people want, in standard form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.contract import column_name
from cdp_pipelines.channels.read import read_field
from cdp_pipelines.schema import CONSENT_EVENT, PREFERENCE, PRIVACY_REQUEST, UTC
from cdp_pipelines.standardise import parse, privacy_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.channels.contract import ChannelContract, Consent, Gpp, Tcf, Value

_TOLD = pl.Struct(dict.fromkeys(("purpose", "status", "notice_version"), pl.String))


def build_consent_event(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record, purpose and will; key (event_id, purpose, status), columns of `CONSENT_EVENT`.

    `current`: see `records.current`. A record without a subject, purpose or status of the mapping carries no will. A
    subject that cannot be read keeps its text: a will is never lost, though it may reach nobody. Where a record says
    the same of one subject and purpose in two ways, the way declared first is kept.
    """
    if not contract.consents:
        return CONSENT_EVENT.empty().lazy()

    def text(value: Value | None) -> pl.Expr:
        return pl.lit(None, pl.String) if value is None else value.expression()

    def moment(name: str | None) -> pl.Expr:
        return pl.lit(None, UTC) if name is None else read_field(contract, name)

    event_id = pl.concat_str(pl.lit(contract.key_ + ":"), "source_record_id")
    return CONSENT_EVENT.conform(
        pl.concat(
            [
                current.with_columns(
                    event_id.alias("event_id"),
                    text(will.subject_kind).alias("subject_kind"),
                    text(will.subject_value).alias("subject_value"),
                    read_consent_value(will).alias("told"),
                    pl.col("event_at"),
                    pl.coalesce(moment(will.recorded_at), "event_at").alias("recorded_at"),
                    moment(will.expires_at).alias("expires_at"),
                    text(will.notice_version).alias("declared_notice"),
                    text(will.jurisdiction).alias("jurisdiction"),
                    text(will.method).alias("method"),
                )
                .explode("told")
                # Not the frame's own `unnest`: a source may have fields of these names.
                .with_columns(pl.col("told").struct.unnest())
                .with_columns(pl.coalesce("declared_notice", "notice_version").alias("notice_version"))
                .filter(
                    pl.all_horizontal(
                        pl.col(name).is_not_null() for name in ("subject_kind", "subject_value", "purpose", "status")
                    )
                )
                .select(CONSENT_EVENT.schema.keys())
                for will in contract.consents
            ]
        )
        .unique(["event_id", "subject_kind", "subject_value", "purpose", "status"], keep="first", maintain_order=True)
        .with_columns(_subject(contract))
    )


def read_consent_value(will: Consent) -> pl.Expr:
    """What a record says in one of its channel's ways: a list of purpose, status and a string's own notice version."""
    if will.tcf is not None:
        return parse.map_distinct(pl.col(column_name(will.tcf.string)), _tcf(will.tcf), pl.List(_TOLD))
    if will.gpp is not None:
        return parse.map_distinct(pl.col(column_name(will.gpp.string)), _gpp(will.gpp), pl.List(_TOLD))
    purposes = [will.purpose.expression()] if will.purpose else [pl.lit(purpose) for purpose in will.purposes]
    return pl.concat_list(
        pl.struct(
            purpose.alias("purpose"),
            will.status.expression().alias("status"),
            pl.lit(None, pl.String).alias("notice_version"),
        )
        for purpose in purposes
    )


def _tcf(mapped: Tcf) -> Callable[[str], list[dict[str, str | None]]]:
    needs = mapped.needs

    def read(text: str) -> list[dict[str, str | None]]:
        string = privacy_string.decode_gpp(text)
        found = string["tcf"] if string else privacy_string.decode_tcf(text)
        if found is None:
            return []
        return [
            {
                "purpose": purpose,
                "status": "granted" if found["consents"].issuperset(needed) else "denied",
                "notice_version": mapped.notices.get(str(found["policy_version"])),
            }
            for purpose, needed in needs.items()
        ]

    return read


def _gpp(mapped: Gpp) -> Callable[[str], list[dict[str, str | None]]]:
    objections = mapped.objections

    def read(text: str) -> list[dict[str, str | None]]:
        found = privacy_string.decode_gpp(text)
        if found is None:
            return []
        return [
            {"purpose": purpose, "status": "objected", "notice_version": None}
            for purpose, opt_outs in objections.items()
            if not found["opt_outs"].isdisjoint(opt_outs)
        ]

    return read


def build_preference(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per record that says how a person wants to be reached; columns of `PREFERENCE`, hours 0 to 23."""
    read_consent_value = contract.preference
    if read_consent_value is None:
        return PREFERENCE.empty().lazy()
    hours = read_consent_value.quiet_hours.expression()
    return PREFERENCE.conform(
        current.with_columns(
            parse.map_distinct(read_consent_value.email.expression(), parse.parse_email, pl.String()).alias("email"),
            read_consent_value.preferred_channel.expression().alias("preferred_channel"),
            read_consent_value.language_code.expression().str.to_lowercase().alias("language_code"),
            hours.str.extract(r"^(\d{1,2})-\d{1,2}$").cast(pl.Int64).alias("quiet_from"),
            hours.str.extract(r"^\d{1,2}-(\d{1,2})$").cast(pl.Int64).alias("quiet_until"),
            read_consent_value.max_per_week.expression().cast(pl.Int64, strict=False).alias("max_per_week"),
            pl.col("event_at").alias("updated_at"),
        )
    )


def build_privacy_request(current: pl.LazyFrame, contract: ChannelContract) -> pl.LazyFrame:
    """One row per request of a data subject; columns of `PRIVACY_REQUEST`."""
    read_consent_value = contract.privacy_request
    if read_consent_value is None:
        return PRIVACY_REQUEST.empty().lazy()
    return PRIVACY_REQUEST.conform(
        current.with_columns(
            read_consent_value.kind.expression().alias("kind"),
            read_consent_value.subject_kind.expression().alias("subject_kind"),
            read_consent_value.subject_value.expression().alias("subject_value"),
            pl.col("event_at").alias("received_at"),
            (read_consent_value.detail.expression() if read_consent_value.detail else pl.lit(None, pl.String)).alias(
                "detail"
            ),
        ).with_columns(_subject(contract))
    )


def _subject(contract: ChannelContract) -> pl.Expr:
    """The subject in the form in which `standardised/party` has it; its own text where that cannot be read."""
    region = contract.party.phone_region if contract.party else "US"
    kind, value = pl.col("subject_kind"), pl.col("subject_value")
    return pl.coalesce(
        parse.map_distinct(pl.when(kind == "email").then(value), parse.parse_email, pl.String()),
        parse.map_distinct(pl.when(kind == "phone").then(value), parse.parse_phone(region), pl.String()),
        value.str.strip_chars(),
    ).alias("subject_value")
