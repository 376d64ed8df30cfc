"""Channels that say who somebody is: both CRMs, shop accounts, calls, posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.sample.noise import (
    add_typos,
    choose_either,
    draw_chance,
    keep_some,
    to_latin_1,
    write_address,
    write_date,
    write_names,
    write_phone,
)
from cdp_pipelines.sample.records import (
    ISO,
    NOTICES,
    add_times,
    build_hidden_columns,
    draw_often,
    draw_once,
    number_ids,
    pick,
)

if TYPE_CHECKING:
    import numpy as np

    from cdp_pipelines.sample.clock import Clock


def _write_email(who: pl.DataFrame, rate: float, rng: np.random.Generator) -> pl.Series:
    return keep_some(choose_either(who["email"], who["new_email"], 0.4, rng), rate, rng)


def _write_phone(who: pl.DataFrame, rate: float, rng: np.random.Generator) -> pl.Series:
    return keep_some(write_phone(choose_either(who["phone"], who["old_phone"], 0.4, rng), rng), rate, rng)


def generate_crm_west(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of one region, with birth dates and loyalty cards."""
    who = draw_once(people, 0.57, clock, rng)
    n = who.height
    first, last = write_names(who, rng)
    address = write_address(who, rng)
    ids = number_ids("W{}", n, width=6)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "customer_no": ids,
            "first_name": keep_some(first, 0.99, rng),
            "middle_initial": keep_some(who["middle"], 0.9, rng),
            "last_name": keep_some(last, 0.99, rng),
            "date_of_birth": keep_some(write_date(who["born"], rng), 0.98, rng),
            "street": address["street"],
            "city": address["city"],
            "state": address["region"],
            "zip": address["zip"],
            "email": add_typos(_write_email(who, 0.6, rng), 0.003, rng),
            "phone": _write_phone(who, 0.6, rng),
            "loyalty_card": who["card"],
            "created_at": who["at"].dt.strftime("%m/%d/%Y %I:%M %p"),
            "privacy_notice": pick(NOTICES, n, rng),
        }
    )


def generate_crm_east(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of another region, the full name in one field; some come twice."""
    who = draw_once(people, 0.5, clock, rng, again=0.2)
    n = who.height
    first, last = (to_latin_1(name) for name in write_names(who, rng))
    name = pl.select(
        pl.when(draw_chance(n, 0.4, rng))
        .then(pl.format("{}, {}", last, first))
        .otherwise(pl.format("{} {} {}", first, who["middle"], last))
    ).to_series()
    address = write_address(who, rng)
    email = _write_email(who, 0.55, rng)
    ids = number_ids("{}", n, start=100_000)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "id_client": ids,
            "nume_complet": name,
            "adresa": keep_some(address["street"], 0.97, rng),
            "oras": address["city"],
            "judet": address["region"],
            "cod_postal": address["zip"],
            "email": choose_either(email, email.str.to_uppercase(), 0.2, rng),
            "telefon": _write_phone(who, 0.7, rng),
            "inregistrat": who["at"].dt.strftime("%d.%m.%Y %H:%M"),
            "nota_informare": pick(NOTICES, n, rng),
        }
    )


def generate_webshop_customers(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Accounts of the shop; all of them are in the history."""
    who = people.filter(pl.col("account").is_not_null())
    who = add_times(who, clock.draw(who.height, rng, history_alone=True), clock)
    n = who.height
    first, last = write_names(who, rng)
    address = write_address(who, rng)
    return pl.DataFrame(
        {
            **build_hidden_columns(who["account"], who),
            "id": who["account"],
            "created_at": who["at"].dt.strftime(ISO),
            "email": choose_either(who["email"], who["new_email"], 0.5, rng),
            "phone": keep_some(who["phone"], 0.4, rng),
            "first_name": keep_some(first, 0.993, rng),
            "last_name": keep_some(last, 0.995, rng),
            "accepts_marketing": draw_chance(n, 0.38, rng),
            "default_address": address.select(
                keep_some(address["street"], 0.97, rng).alias("address1"),
                "city",
                pl.col("region").alias("province_code"),
                "zip",
                pl.lit("US").alias("country_code"),
            ).to_struct(),
            "tags": pick(("", "vip", "newsletter", "vip, wholesale"), n, rng),
        }
    )


def generate_call_centre(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Calls: the number shown and the name as the agent listened to it, in the time of an office two hours ahead."""
    who = draw_once(people, 0.46, clock, rng, again=0.32)
    n = who.height
    first, last = write_names(who, rng)
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
    texts = ("", "called about order\nwill ring back", "warranty claim; photo sent", 'angry, "third time"', "e-mail")
    notes = pick(texts, n, rng)
    ids = number_ids("CALL-{}", n, width=6)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "ticket": ids,
            "opened": who["at"].dt.offset_by("2h").dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            "caller_number": _write_phone(who, 0.9, rng).fill_null("anonymous"),
            "caller_name": name,
            "topic": pick(("complaint", "unsubscribe me", "delivery", "question", "warranty", "return"), n, rng),
            "minutes": pl.Series(rng.gamma(2, 3, n) + 0.1).round(1).cast(pl.String),
            "notes": pl.select(
                pl.when(notes == "e-mail").then(pl.format("asked us to write to {}", who["email"])).otherwise(notes)
            ).to_series(),
        }
    )


def generate_social(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Posts of people who have a handle."""
    who = draw_often(people.filter(pl.col("handle").is_not_null()), 1.2, clock, rng)
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
    ids = number_ids("post_{}", n, width=6)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "post_id": ids,
            "network": who["network"],
            "handle": who["handle"],
            "display_name": shown,
            "posted_at": who["at"].dt.epoch("s"),
            "text": pick(said, n, rng),
            "likes": pl.Series(rng.integers(0, 500, n)),
        }
    )
