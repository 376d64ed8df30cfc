"""Channels that say what people did and want: purchases, tracking, devices, stores, surveys, consents, requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample.noise import some, written_phone
from cdp_pipelines.sample.parties import NOTICES, _base, _ids, chosen

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
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def _amounts(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.round(np.exp(rng.normal(3.8, 1.2, n)) + 1, 2)


def webshop_orders(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Orders of account holders; about a sixth are given back later, most for their whole amount."""
    who = chosen(people.filter(pl.col("account").is_not_null()), 2.9, clock, rng).with_columns(
        pl.lit("sale").alias("kind"), pl.lit("").alias("prefix")
    )
    who = who.with_columns(pl.Series("amount", _amounts(who.height, rng)))
    back = who.filter(pl.Series(rng.random(who.height) < 0.17))
    later = clock.draw(back.height, rng)
    is_later = later["at"] > back["at"]
    whole = pl.Series(rng.random(back.height) < 0.8)
    back = back.with_columns(
        pl.lit("refund").alias("kind"),
        pl.lit("C").alias("prefix"),
        later["drop"],
        later["at"],
        pl.when(whole).then("amount").otherwise((pl.col("amount") / 2).round(2)).alias("amount"),
    ).filter(is_later)
    who = pl.concat([who, back])
    n = who.height
    ids = pl.select(
        pl.format("gid://shop/Order/{}{}-{}", who["prefix"], pl.int_range(n) + 500_000, pl.int_range(n))
    ).to_series()
    return pl.DataFrame(
        {
            **_base(ids, who),
            "id": ids,
            "customer": who.select(pl.col("account").alias("id")).to_struct(),
            "email": who["email"],
            "created_at": who["at"].dt.strftime(_ISO),
            "currency": pl.Series(["GBP"] * n),
            "total_price": _money(who["amount"]),
            "units": pl.Series(rng.integers(1, 200, n)),
            "kind": who["kind"],
            "ship_to_country": pl.Series(
                rng.choice(["United Kingdom", "Germany", "France", "Romania"], n, p=[0.85, 0.06, 0.05, 0.04])
            ),
        }
    )


def _money(amounts: pl.Series) -> pl.Series:
    """With two decimals and no separator of thousands."""
    minor = (amounts * 100).round(0).cast(pl.Int64)
    sign = pl.select(pl.when(minor < 0).then(pl.lit("-")).otherwise(pl.lit(""))).to_series()
    minor = minor.abs()
    return pl.select(pl.format("{}{}.{}", sign, minor // 100, (minor % 100).cast(pl.String).str.zfill(2))).to_series()


def pos_receipts(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Receipts of the stores; more than a third name nobody."""
    who = chosen(people, 1.45, clock, rng)
    n = who.height
    amounts = _amounts(n, rng) * np.where(rng.random(n) < 0.03, 40, 1)
    plain = _money(pl.Series(np.where(rng.random(n) < 0.15, -amounts, amounts)))
    ids = pl.select(pl.format("{}-{}", pl.int_range(n) + 500_000, pl.int_range(n))).to_series()
    card, email = some(who["card"], 0.9, rng), some(who["email"], 0.15, rng)
    named = card.is_not_null() | email.is_not_null()
    return pl.DataFrame(
        {
            **_base(ids, who),
            "_person": pl.select(pl.when(named).then(who["person"])).to_series(),
            "Receipt No": ids,
            "Store": pl.Series([f"S{store:02d}" for store in rng.integers(1, 13, n)]),
            "Date": who["at"].dt.strftime("%Y%m%d"),
            "Time": who["at"].dt.strftime("%H%M"),
            "Loyalty Card": card,
            "E-mail for receipt": email,
            "Amount": plain.str.replace(r"(\d)(\d{3}\.)", "$1,$2"),
            "Items": pl.Series(rng.integers(1, 60, n)).cast(pl.String),
        }
    )


def app_events(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Messages in Segment's spec; some say who signed in, all carry the choices of the cookie banner."""
    who = chosen(people, 5.9, clock, rng)
    n = who.height
    second = pl.Series(rng.random(n) < 0.3)
    kind = pl.Series(rng.choice(["track", "screen", "page", "identify"], n, p=[0.44, 0.225, 0.215, 0.12]))
    # A device's banner is answered now and then: the choice belongs to the device and a part of the year.
    who = who.with_columns(
        pl.select(pl.coalesce(pl.when(second).then(who["second_device"]), who["device"])).to_series().alias("on")
    )
    choice = who.select(((pl.col("on").hash(3) % 97).cast(pl.Int64) + pl.col("at").dt.quarter() * 7) % 10).to_series()
    is_track, is_identify = kind == "track", kind == "identify"
    device = pl.DataFrame(
        {
            "id": who["on"],
            "advertisingId": who["on"].str.slice(0, 8),
            "adTrackingEnabled": choice % 2 == 0,
        }
    ).to_struct()
    consent = pl.DataFrame(
        {
            "categoryPreferences": pl.DataFrame(
                {
                    "Analytics": choice < 7,
                    "Advertising": choice < 3,
                    "Functional": pl.Series([True] * n),
                }
            ).to_struct()
        }
    ).to_struct()
    address = rng.integers(0, 256, (3, n))
    context = pl.DataFrame(
        {
            "device": device,
            "ip": pl.select(pl.format("10.{}.{}.{}", *(pl.Series(part) for part in address))).to_series(),
            "locale": pl.Series(["en-US"] * n),
            "consent": consent,
            "gpc": pl.select(pl.when(choice == 9).then(pl.lit(True))).to_series(),
        }
    ).to_struct()
    where = pl.Series(rng.choice(["Home", "Category", "Product", "Cart", "Checkout", "Help"], n))
    did = pl.Series(
        rng.choice(
            [
                "Product Added",
                "Order Completed",
                "Wishlist Added",
                "Cart Abandoned",
                "Product Searched",
                "Product Viewed",
            ],
            n,
        )
    )
    traits = pl.DataFrame(
        {
            "email": who["email"],
            "firstName": who["first"],
            "lastName": who["last"],
            "phone": pl.select(pl.when(pl.Series(rng.random(n) < 0.3)).then(who["phone"])).to_series(),
        }
    ).to_struct()
    properties = pl.DataFrame(
        {
            "sku": pl.Series([f"SKU{sku:05d}" for sku in rng.integers(0, 4000, n)]),
            "price": pl.Series(_amounts(n, rng)),
        }
    ).to_struct()
    ids = _ids("msg-24000-{}", n, 8)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "messageId": ids,
            "type": kind,
            "anonymousId": who["on"],
            "userId": some(who["account"], 0.22, rng),
            "timestamp": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "receivedAt": (
                who["at"] + pl.Series(rng.integers(0, 5000, n) * 1_000_000).cast(pl.Duration("us"))
            ).dt.strftime(_ISO),
            "channel": pl.Series(rng.choice(["browser", "mobile"], n)),
            "context": context,
        }
    ).with_columns(
        pl.when(~is_track & ~is_identify).then(where).alias("name"),
        pl.when(is_track).then(did).alias("event"),
        pl.when(is_track).then(properties).alias("properties"),
        pl.when(is_identify).then(traits).alias("traits"),
    )


def surveys(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Answers, by e-mail or loyalty card."""
    who = chosen(people, 0.49, clock, rng)
    n = who.height
    by_card = pl.Series(rng.random(n) < 0.4)
    ids = _ids("R{}", n, 7)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "response_id": ids,
            "submitted": who["at"].dt.strftime("%d/%m/%Y %H:%M"),
            "respondent": pl.select(pl.coalesce(pl.when(by_card).then(who["card"]), who["email"])).to_series(),
            "nps": pl.Series(rng.integers(0, 11, n)).cast(pl.String),
            "comment": pl.Series(
                rng.choice(["", "ok", '"good" value; will buy', '=HYPERLINK("http://x")', "Fast, but\nbroken box"], n)
            ),
            "kind": pl.Series(rng.choice(["store visit", "product review", "nps"], n)),
        }
    )


def iot(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Readings of connected devices; a fifth name their owner."""
    who = chosen(people.filter(pl.col("serial").is_not_null()), 78, clock, rng)
    ids = pl.select(pl.format("{}-{}", who["serial"], pl.int_range(who.height))).to_series()
    return pl.DataFrame(
        {
            **_base(ids, who),
            "reading_id": ids,
            "serial": who["serial"],
            "owner_email": some(who["email"], 0.2, rng),
            "at": who["at"].cast(pl.Datetime("ns")),
            "metric": pl.Series(rng.choice(["temp_c", "battery", "brew_count"], who.height)),
            "value": pl.Series(np.round(rng.random(who.height) * 100, 2)),
        }
    )


def beacons(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Pings of devices near a store's beacon."""
    who = chosen(people, 1.5, clock, rng)
    n = who.height
    ids = _ids("b{}", n, 7)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "ping_id": ids,
            "ad_id": who["device"].str.slice(0, 8),
            "store": pl.Series([f"S{store:02d}" for store in rng.integers(1, 13, n)]),
            "lat": pl.Series(np.round(47.6 + rng.random(n) / 10, 6)).cast(pl.String),
            "lon": pl.Series(np.round(-122.4 + rng.random(n) / 10, 6)).cast(pl.String),
            "dwell_s": pl.Series(rng.integers(5, 600, n)).cast(pl.String),
            "at": who["at"].dt.epoch("ms").cast(pl.String),
        }
    )


def consent_receipts(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """What people told the consent platform, on one of their identifiers."""
    who = chosen(people, 3.0, clock, rng)
    n = who.height
    kind = pl.Series(rng.choice(["email", "phone", "device_id", "loyalty_card"], n, p=[0.44, 0.22, 0.22, 0.12]))
    kind = pl.select(
        pl.when((kind == "loyalty_card") & who["card"].is_null()).then(pl.lit("email")).otherwise(kind)
    ).to_series()
    value = pl.select(
        pl.when(kind == "email")
        .then(who["email"])
        .when(kind == "phone")
        .then(who["phone"])
        .when(kind == "device_id")
        .then(who["device"])
        .otherwise(who["card"])
    ).to_series()
    ends = who["at"] + pl.Series(rng.integers(90, 720, n) * 86_400_000_000).cast(pl.Duration("us"))
    ids = _ids("cr-{}", n, 8)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "receipt_id": ids,
            "subject": pl.DataFrame({"type": kind, "value": value}).to_struct(),
            "purpose": pl.Series(rng.choice(PURPOSES, n)),
            "status": pl.Series(rng.choice(["granted", "withdrawn", "denied"], n, p=[0.6, 0.25, 0.15])),
            "event_time": who["at"].dt.strftime(_ISO),
            "recorded_at": (
                who["at"] + pl.Series(rng.integers(0, 120, n) * 1_000_000).cast(pl.Duration("us"))
            ).dt.strftime(_ISO),
            "notice_version": pl.Series(rng.choice(NOTICES, n, p=[2 / 3, 1 / 3])),
            "collection_point": pl.Series(
                rng.choice(["web_form", "call_centre", "double_opt_in_link", "app_settings", "store_tablet"], n)
            ),
            "jurisdiction": pl.Series(rng.choice(["EU", "UK", "US-WA", "US-CA"], n)),
            "expires_at": some(ends.dt.strftime(_ISO), 0.2, rng),
        }
    )


def unsubscribes(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Opt-outs, bounces and complaints, by e-mail or phone as people write them."""
    who = chosen(people, 0.25, clock, rng)
    n = who.height
    by_mail = pl.Series(rng.random(n) < 0.7)
    contact = pl.select(pl.when(by_mail).then(who["email"]).otherwise(written_phone(who["phone"], rng))).to_series()
    ids = _ids("u{}", n, 6)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "id": ids,
            "contact": contact,
            "list": pl.select(pl.when(by_mail).then(pl.lit("email")).otherwise(pl.lit("sms"))).to_series(),
            "reason": pl.Series(
                rng.choice(["unsubscribe link", "STOP", "asked agent", "hard bounce", "spam complaint"], n)
            ),
            "ts": who["at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )


def privacy_requests(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Requests of data subjects."""
    who = chosen(people, 0.006, clock, rng)
    n = who.height
    ids = _ids("dsr-{}", n, 5)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "request_id": ids,
            "kind": pl.Series(
                rng.choice(["access", "erasure", "portability", "rectification", "objection", "restriction"], n)
            ),
            "subject": pl.DataFrame({"type": pl.Series(["email"] * n), "value": who["email"]}).to_struct(),
            "received_at": who["at"].dt.strftime(_ISO),
            "detail": some(pl.Series(["wrong surname"] * n), 0.15, rng),
        }
    )
