"""Channels that say who somebody is: both CRMs, shop accounts, calls, posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.sample.noise import (
    chance,
    either,
    in_latin_1,
    some,
    typo,
    written_address,
    written_date,
    written_names,
    written_phone,
)
from cdp_pipelines.sample.records import ISO, NOTICES, base, numbered, often, once, pick, timed

if TYPE_CHECKING:
    import numpy as np

    from cdp_pipelines.sample.clock import Clock


def _email(who: pl.DataFrame, rate: float, rng: np.random.Generator) -> pl.Series:
    return some(either(who["email"], who["new_email"], 0.4, rng), rate, rng)


def _phone(who: pl.DataFrame, rate: float, rng: np.random.Generator) -> pl.Series:
    return some(written_phone(either(who["phone"], who["old_phone"], 0.4, rng), rng), rate, rng)


def crm_west(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of one region, with birth dates and loyalty cards."""
    who = once(people, 0.57, clock, rng)
    n = who.height
    first, last = written_names(who, rng)
    address = written_address(who, rng)
    ids = numbered("W{}", n, width=6)
    return pl.DataFrame(
        {
            **base(ids, who),
            "customer_no": ids,
            "first_name": some(first, 0.99, rng),
            "middle_initial": some(who["middle"], 0.9, rng),
            "last_name": some(last, 0.99, rng),
            "date_of_birth": some(written_date(who["born"], rng), 0.98, rng),
            "street": address["street"],
            "city": address["city"],
            "state": address["region"],
            "zip": address["zip"],
            "email": typo(_email(who, 0.6, rng), 0.003, rng),
            "phone": _phone(who, 0.6, rng),
            "loyalty_card": who["card"],
            "created_at": who["at"].dt.strftime("%m/%d/%Y %I:%M %p"),
            "privacy_notice": pick(NOTICES, n, rng),
        }
    )


def crm_east(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of another region, the full name in one field; some come twice."""
    who = once(people, 0.5, clock, rng, again=0.2)
    n = who.height
    first, last = (in_latin_1(name) for name in written_names(who, rng))
    name = pl.select(
        pl.when(chance(n, 0.4, rng))
        .then(pl.format("{}, {}", last, first))
        .otherwise(pl.format("{} {} {}", first, who["middle"], last))
    ).to_series()
    address = written_address(who, rng)
    email = _email(who, 0.55, rng)
    ids = numbered("{}", n, start=100_000)
    return pl.DataFrame(
        {
            **base(ids, who),
            "id_client": ids,
            "nume_complet": name,
            "adresa": some(address["street"], 0.97, rng),
            "oras": address["city"],
            "judet": address["region"],
            "cod_postal": address["zip"],
            "email": either(email, email.str.to_uppercase(), 0.2, rng),
            "telefon": _phone(who, 0.7, rng),
            "inregistrat": who["at"].dt.strftime("%d.%m.%Y %H:%M"),
            "nota_informare": pick(NOTICES, n, rng),
        }
    )


def webshop_customers(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Accounts of the shop; all of them are in the history."""
    who = people.filter(pl.col("account").is_not_null())
    who = timed(who, clock.draw(who.height, rng, history_alone=True), clock)
    n = who.height
    first, last = written_names(who, rng)
    address = written_address(who, rng)
    return pl.DataFrame(
        {
            **base(who["account"], who),
            "id": who["account"],
            "created_at": who["at"].dt.strftime(ISO),
            "email": either(who["email"], who["new_email"], 0.5, rng),
            "phone": some(who["phone"], 0.4, rng),
            "first_name": some(first, 0.993, rng),
            "last_name": some(last, 0.995, rng),
            "accepts_marketing": chance(n, 0.38, rng),
            "default_address": address.select(
                some(address["street"], 0.97, rng).alias("address1"),
                "city",
                pl.col("region").alias("province_code"),
                "zip",
                pl.lit("US").alias("country_code"),
            ).to_struct(),
            "tags": pick(("", "vip", "newsletter", "vip, wholesale"), n, rng),
        }
    )


def call_centre(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Calls: the number shown and the name as the agent heard it, in the time of an office two hours ahead."""
    who = once(people, 0.46, clock, rng, again=0.32)
    n = who.height
    first, last = written_names(who, rng)
    way = pick(("title", "initial", "capitals", "first", "full"), n, rng, (0.2, 0.2, 0.2, 0.15, 0.25))
    title = pl.select(pl.when(who["is_female"]).then(pl.lit("Mrs")).otherwise(pl.lit("Mr"))).to_series()
    name = pl.select(
        pl.when(way == "title")
        .then(pl.format("{} {}", title, last))
        .when(way == "initial")
        .then(pl.format("{}. {}", first.str.head(1), last))
        .when(way == "capitals")
        .then(pl.format("{} {}", last.str.to_uppercase(), first))
        .when(way == "first")
        .then(first)
        .otherwise(pl.format("{} {}", first, last))
    ).to_series()
    told = ("", "called about order\nwill ring back", "warranty claim; photo sent", 'angry, "third time"', "e-mail")
    notes = pick(told, n, rng)
    ids = numbered("CALL-{}", n, width=6)
    return pl.DataFrame(
        {
            **base(ids, who),
            "ticket": ids,
            "opened": who["at"].dt.offset_by("2h").dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            "caller_number": _phone(who, 0.9, rng).fill_null("anonymous"),
            "caller_name": name,
            "topic": pick(("complaint", "unsubscribe me", "delivery", "question", "warranty", "return"), n, rng),
            "minutes": pl.Series(rng.gamma(2, 3, n) + 0.1).round(1).cast(pl.String),
            "notes": pl.select(
                pl.when(notes == "e-mail").then(pl.format("asked us to write to {}", who["email"])).otherwise(notes)
            ).to_series(),
        }
    )


def social(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Posts of people who have a handle."""
    who = often(people.filter(pl.col("handle").is_not_null()), 1.2, clock, rng)
    n = who.height
    way = pick(("flower", "initial", "first", "full"), n, rng)
    shown = pl.select(
        pl.when(way == "flower")
        .then(pl.format("🌸 {}", who["first"]))
        .when(way == "initial")
        .then(pl.format("{} {}.", who["first"], who["last"].str.head(1)))
        .when(way == "first")
        .then(who["first"])
        .otherwise(pl.format("{} {}", who["first"], who["last"]))
    ).to_series()
    said = ("love it!", "DM me", "never again 😡", "when is the sale?", "great service, thanks Ana")
    ids = numbered("post_{}", n, width=6)
    return pl.DataFrame(
        {
            **base(ids, who),
            "post_id": ids,
            "network": who["network"],
            "handle": who["handle"],
            "display_name": shown,
            "posted_at": who["at"].dt.epoch("s"),
            "text": pick(said, n, rng),
            "likes": pl.Series(rng.integers(0, 500, n)),
        }
    )
