"""Channels that say who somebody is: both CRMs, shop accounts, calls, posts, preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.sample.noise import either, short, some, typo, written_phone

if TYPE_CHECKING:
    import numpy as np

    from cdp_pipelines.sample.clock import Clock

NOTICES = ("2010-06", "2011-06")


def chosen(people: pl.DataFrame, share: float, clock: Clock, rng: np.random.Generator, **how: bool) -> pl.DataFrame:
    """People drawn once each (a share below 1) or as often as it comes, each with `drop` and `at`."""
    n = max(min(1, people.height), round(people.height * share))
    rows = rng.permutation(people.height)[:n] if share < 1 else rng.integers(0, max(1, people.height), n)
    return pl.concat([people[rows], clock.draw(n, rng, **how)], how="horizontal")


def again(frame: pl.DataFrame, rate: float, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """About `rate` of the people come a second time, later or earlier, with an id of its own."""
    twice = frame.filter(pl.Series(rng.random(frame.height) < rate)).drop("drop", "at")
    return pl.concat([frame, pl.concat([twice, clock.draw(twice.height, rng)], how="horizontal")])


def _names(who: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    first = typo(short(who["first"], 0.12, rng), 0.04, rng)
    return first, typo(either(who["last"], who["maiden_name"], 0.5, rng), 0.04, rng)


def _address(who: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    return typo(either(who["street"], who["moved_street"], 0.4, rng), 0.04, rng)


def _email(who: pl.DataFrame, rate: float, rng: np.random.Generator) -> pl.Series:
    told = some(either(who["email"], who["new_email"], 0.4, rng), rate, rng)
    return pl.select(
        pl.when(pl.Series(rng.random(who.height) < 0.05)).then(told.str.to_uppercase()).otherwise(told)
    ).to_series()


def _ids(form: str, n: int, width: int) -> pl.Series:
    return pl.select(pl.format(form, pl.int_range(n).cast(pl.String).str.zfill(width))).to_series()


def _base(ids: pl.Series, who: pl.DataFrame) -> dict[str, pl.Series]:
    return {"_id": ids, "_person": who["person"], "_drop": who["drop"], "_at": who["at"]}


def crm_west(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of one region, with birth dates and loyalty cards."""
    who = chosen(people, 0.55, clock, rng)
    first, last = _names(who, rng)
    swapped = pl.Series(rng.random(who.height) < 0.02) & (who["born"].dt.day() <= 12)
    born = pl.select(
        pl.when(swapped).then(who["born"].dt.strftime("%d/%m/%Y")).otherwise(who["born"].dt.strftime("%m/%d/%Y"))
    ).to_series()
    ids = _ids("W{}", who.height, 7)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "customer_no": ids,
            "first_name": some(first, 0.99, rng),
            "middle_initial": some(who["middle"], 0.9, rng),
            "last_name": some(last, 0.99, rng),
            "date_of_birth": some(typo(born, 0.01, rng), 0.97, rng),
            "street": _address(who, rng),
            "city": who["city"],
            "state": who["region"],
            "zip": some(who["zip"], 0.98, rng),
            "email": _email(who, 0.6, rng),
            "phone": some(written_phone(who["phone"], rng), 0.6, rng),
            "loyalty_card": some(who["card"], 0.8, rng),
            "created_at": who["at"].dt.strftime("%m/%d/%Y %I:%M %p"),
            "privacy_notice": pl.Series(rng.choice(NOTICES, who.height)),
        }
    )


def crm_east(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Customers of another region, the full name in one field; some come twice."""
    who = again(chosen(people, 0.48, clock, rng), 0.2, clock, rng)
    first, last = _names(who, rng)
    comma = pl.Series(rng.random(who.height) < 0.4)
    name = pl.select(
        pl.when(comma)
        .then(pl.format("{}, {}", last, first))
        .otherwise(pl.format("{} {} {}", first, who["middle"], last))
    ).to_series()
    ids = pl.select(pl.int_range(who.height) + 1_000_000).to_series().cast(pl.String)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "id_client": ids,
            "nume_complet": name,
            "adresa": some(_address(who, rng), 0.97, rng),
            "oras": who["city"],
            "judet": who["region"],
            "cod_postal": some(who["zip"], 0.98, rng),
            "email": _email(who, 0.55, rng),
            "telefon": some(written_phone(who["phone"], rng), 0.7, rng),
            "inregistrat": who["at"].dt.strftime("%d.%m.%Y %H:%M"),
            "nota_informare": pl.Series(rng.choice(NOTICES, who.height)),
        }
    )


def webshop_customers(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Accounts of the shop; all of them are older than its orders."""
    who = people.filter(pl.col("account").is_not_null())
    who = pl.concat([who, clock.draw(who.height, rng, history_alone=True)], how="horizontal")
    first, last = _names(who, rng)
    return pl.DataFrame(
        {
            **_base(who["account"], who),
            "id": who["account"],
            "created_at": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "email": either(who["email"], who["new_email"], 0.5, rng),
            "phone": some(who["phone"], 0.4, rng),
            "first_name": some(first, 0.99, rng),
            "last_name": some(last, 0.99, rng),
            "accepts_marketing": pl.Series(rng.random(who.height) < 0.4),
            "default_address": pl.DataFrame(
                {
                    "address1": some(_address(who, rng), 0.97, rng),
                    "city": who["city"],
                    "province_code": who["region"],
                    "zip": who["zip"],
                    "country_code": pl.Series(["US"] * who.height),
                }
            ).to_struct(),
            "tags": pl.Series(rng.choice(["", "vip", "newsletter", "vip, wholesale"], who.height)),
        }
    )


def call_centre(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Calls: the number shown and the name as the agent heard it."""
    who = again(chosen(people, 0.45, clock, rng), 0.3, clock, rng)
    n = who.height
    first, last = _names(who, rng)
    way = pl.Series(rng.integers(0, 5, n))
    title = pl.select(pl.when(who["is_female"]).then(pl.lit("Mrs ")).otherwise(pl.lit("Mr "))).to_series()
    name = pl.select(
        pl.when(way == 0)
        .then(pl.concat_str(title, last))
        .when(way == 1)
        .then(pl.format("{}. {}", first.str.head(1), last))
        .when(way == 2)
        .then(pl.format("{} {}", last.str.to_uppercase(), first))
        .when(way == 3)
        .then(first)
        .otherwise(pl.format("{} {}", first, last))
    ).to_series()
    notes = pl.Series(
        rng.choice(
            ["", "called about order\nwill ring back", "warranty claim; photo sent", 'angry, "third time"', "@"], n
        )
    )
    ids = _ids("CALL-{}", n, 7)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "ticket": ids,
            "opened": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            "caller_number": some(written_phone(who["phone"], rng), 0.9, rng).fill_null("anonymous"),
            "caller_name": name,
            "topic": pl.Series(
                rng.choice(["complaint", "unsubscribe me", "delivery", "question", "warranty", "return"], n)
            ),
            "minutes": pl.Series(rng.gamma(2, 3, n)).round(1).cast(pl.String),
            "notes": pl.select(
                pl.when(notes == "@").then(pl.format("asked us to write to {}", who["email"])).otherwise(notes)
            ).to_series(),
        }
    )


def social(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Posts of people who have a handle."""
    who = chosen(people.filter(pl.col("handle").is_not_null()), 1.1, clock, rng)
    n = who.height
    way = pl.Series(rng.integers(0, 4, n))
    shown = pl.select(
        pl.when(way == 0)
        .then(pl.format("🌸 {}", who["first"]))
        .when(way == 1)
        .then(pl.format("{} {}.", who["first"], who["last"].str.head(1)))
        .when(way == 2)
        .then(who["first"])
        .otherwise(pl.format("{} {}", who["first"], who["last"]))
    ).to_series()
    network = who["handle"].hash(1) % 3
    ids = _ids("post_{}", n, 7)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "post_id": ids,
            "network": network.replace_strict({0: "facebook", 1: "x", 2: "instagram"}, return_dtype=pl.String),
            "handle": who["handle"],
            "display_name": shown,
            "posted_at": who["at"].dt.epoch("s"),
            "text": pl.Series(
                rng.choice(["love it!", "DM me", "never again 😡", "when is the sale?", "great service, thanks Ana"], n)
            ),
            "likes": pl.Series(rng.integers(0, 500, n)),
        }
    )


def preferences(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """How people want to be reached."""
    who = chosen(people, 0.3, clock, rng)
    n = who.height
    ids = _ids("pref{}", n, 6)
    return pl.DataFrame(
        {
            **_base(ids, who),
            "id": ids,
            "email": who["email"],
            "preferred_channel": pl.Series(rng.choice(["email", "sms", "push", "post", "social"], n)),
            "language": pl.Series(rng.choice(["en", "es", "ro"], n)),
            "quiet_hours": pl.Series(rng.choice(["22-07", "20-09", ""], n)),
            "max_per_week": pl.Series(rng.integers(1, 8, n)).cast(pl.String),
            "updated": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%S"),
        }
    )
