"""Channels of what people said they want: consents, opt-outs, preferences, requests; and what they answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample.noise import draw_chance, keep_some, write_phone
from cdp_pipelines.sample.records import ISO, NOTICES, build_hidden_columns, draw_often, draw_once, number_ids, pick

if TYPE_CHECKING:
    from cdp_pipelines.sample.clock import Clock

PURPOSES = (
    "email_marketing",
    "sms_marketing",
    "advertising",
    "analytics",
    "personalisation",
    "profiling",
    "location_services",
    "third_party_sharing",
)
_REQUESTS = ("access", "erasure", "portability", "rectification", "objection", "restriction")


def generate_consent_receipts(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Receipts of the consent platform, each about one identifier of a person."""
    who = draw_often(people, 3.06, clock, rng)
    n = who.height
    preferred_kind = pick(("email", "phone", "device_id", "loyalty_card"), n, rng, (0.15, 0.07, 0.48, 0.3))
    device = (
        pl.when(draw_chance(n, 0.3, rng))
        .then(pl.coalesce(who["second_device"], who["device"]))
        .otherwise(who["device"])
    )
    subject = pl.select(
        pl.when((preferred_kind == "device_id") & who["device"].is_not_null())
        .then(pl.struct(pl.lit("device_id").alias("type"), device.alias("value")))
        .when((preferred_kind == "loyalty_card") & who["card"].is_not_null())
        .then(pl.struct(pl.lit("loyalty_card").alias("type"), who["card"].alias("value")))
        .when((preferred_kind == "phone") | draw_chance(n, 0.3, rng))
        .then(pl.struct(pl.lit("phone").alias("type"), who["phone"].alias("value")))
        .otherwise(pl.struct(pl.lit("email").alias("type"), who["email"].alias("value")))
    ).to_series()
    late = pl.Series(rng.exponential(60, n).astype(np.int64) * 1_000_000).cast(pl.Duration("us"))
    ends = who["at"] + pl.Series(rng.integers(30, 720, n) * 86_400_000_000).cast(pl.Duration("us"))
    points = ("web_form", "call_centre", "double_opt_in_link", "app_settings", "store_tablet")
    ids = number_ids("cr-{}", n, width=7)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "receipt_id": ids,
            "subject": subject,
            "purpose": pick(PURPOSES, n, rng),
            "status": pick(("granted", "withdrawn", "denied"), n, rng, (0.6, 0.25, 0.15)),
            "event_time": who["at"].dt.strftime(ISO),
            "recorded_at": (who["at"] + late).dt.strftime(ISO),
            "notice_version": pick(NOTICES, n, rng, (2 / 3, 1 / 3)),
            "collection_point": pick(points, n, rng),
            "jurisdiction": who["jurisdiction"],
            "expires_at": keep_some(ends.dt.strftime(ISO), 0.2, rng),
        }
    )


def generate_unsubscribes(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Opt-outs, bounces and complaints, by e-mail or phone as people write them."""
    who = draw_often(people, 0.255, clock, rng)
    n = who.height
    by_mail = draw_chance(n, 0.7, rng)
    contact = pl.select(pl.when(by_mail).then(who["email"]).otherwise(write_phone(who["phone"], rng))).to_series()
    ids = number_ids("u{}", n, width=5)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "id": ids,
            "contact": contact,
            "list": pl.select(pl.when(by_mail).then(pl.lit("email")).otherwise(pl.lit("sms"))).to_series(),
            "reason": pick(("unsubscribe link", "STOP", "asked agent", "hard bounce", "spam complaint"), n, rng),
            "ts": who["at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )


def generate_preferences(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """How people want to be reached."""
    who = draw_often(people, 0.305, clock, rng)
    n = who.height
    ids = number_ids("pref{}", n, width=5)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "id": ids,
            "email": who["email"],
            "preferred_channel": pick(("email", "sms", "push", "post", "social"), n, rng),
            "language": pick(("en", "es", "ro"), n, rng),
            "quiet_hours": pick(("22-07", "20-09", ""), n, rng),
            "max_per_week": pl.Series(rng.integers(1, 8, n)),
            "updated": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%S"),
        }
    )


def generate_privacy_requests(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Requests of data subjects; a rectification request names the value."""
    who = draw_once(people, 0.0062, clock, rng)
    kind = pick(_REQUESTS, who.height, rng)
    ids = number_ids("dsr-{}", who.height, width=4)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "request_id": ids,
            "kind": kind,
            "subject": who.select(pl.lit("email").alias("type"), pl.col("email").alias("value")).to_struct(),
            "received_at": who["at"].dt.strftime(ISO),
            "detail": pl.select(pl.when(kind == "rectification").then(pl.lit("wrong surname"))).to_series(),
        }
    )


def generate_surveys(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Answers, by e-mail or loyalty card."""
    who = draw_often(people, 0.51, clock, rng)
    n = who.height
    card = keep_some(who["card"], 0.6, rng)
    comments = ("", "ok", '"good" value; will buy', '=HYPERLINK("http://x")', "Fast, but\nbroken box")
    ids = number_ids("R{}", n, width=6)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "response_id": ids,
            "submitted": who["at"].dt.strftime("%d/%m/%Y %H:%M"),
            "respondent": pl.select(pl.coalesce(card, who["email"])).to_series(),
            "nps": pl.Series(rng.integers(0, 11, n)).cast(pl.String),
            "comment": pick(comments, n, rng),
            "kind": pick(("store visit", "product review", "nps"), n, rng),
        }
    )
