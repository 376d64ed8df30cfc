"""Who lives in the company's towns: people in households, with what they were called and where they lived before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample.contacts import add_contacts
from cdp_pipelines.sample.names import ORIGINS, compute_frequencies
from cdp_pipelines.sample.places import generate_addresses

if TYPE_CHECKING:
    from datetime import date

# Shares of households by how many live there, from one to six.
_SIZES = (0.28, 0.34, 0.16, 0.13, 0.06, 0.03)
_ADDRESS = ("street", "city", "region", "zip")


def generate_people(n: int, today: date, rng: np.random.Generator) -> pl.DataFrame:
    """`n` people; key `person`, households one after another. True values, before any channel spoils them.

    A household shares home and mostly family name, some an e-mail and a phone; there are fathers and sons of one name
    and twins. `maiden_name` and `before_*` (an address) are what some had earlier, null for the others. `activity`
    is the weight of a person's events: few people have most of them. For contact points see `add_contacts`.
    """
    household = np.repeat(np.arange(n), rng.choice(np.arange(1, 7), n, p=_SIZES))[:n]
    start = np.searchsorted(household, household)
    place = np.arange(n) - start
    is_partner = (place == 1) & (rng.random(n) < 0.88)
    is_child = (place > 1) & (rng.random(n) < 0.92)
    is_female = rng.random(n) < 0.51
    is_female = np.where(is_partner & (rng.random(n) < 0.96), ~is_female[start], is_female)

    household_count = int(household[-1]) + 1
    families = rng.choice(len(ORIGINS), household_count, p=[origin.share for origin in ORIGINS])
    origin = families[household]
    # Partners and flatmates come from elsewhere now and then.
    origin = np.where(~is_child & (rng.random(n) < 0.2), rng.choice(families, n), origin)
    first, own = _draw_first_names(origin, is_female, rng), _draw_family_names(origin, rng)
    junior = (place == 2) & is_child & (is_female == is_female[start])
    junior &= rng.random(n) < np.where(is_female, 0.02, 0.1)
    first = np.where(junior, first[start], first)
    last, maiden = _draw_last_names(own, start, is_partner, is_child, is_female, rng)
    middle = rng.choice(list("JMARLEDCSTKBGHPWNFVI"), n, p=compute_frequencies(20, 0.8, 2))
    middle = np.where(junior & (rng.random(n) < 0.5), middle[start], middle)

    homes = generate_addresses(household_count, rng)[household]
    before = _draw_former_homes(homes, household, rng)
    frame = pl.DataFrame(
        {
            "person": pl.select(pl.format("p{}", pl.int_range(n).cast(pl.String).str.zfill(7))).to_series(),
            "household": household,
            "first": first.astype(str),
            "middle": middle,
            "last": last.astype(str),
            "maiden_name": pl.Series(maiden.tolist(), dtype=pl.String),
            "is_female": is_female,
            "born": _draw_birth_dates(place, start, is_partner, is_child, today, rng),
            "activity": np.exp(rng.normal(0, 1, n)),
            "jurisdiction": rng.choice(["EU", "UK", "US-WA", "US-CA"], n, p=[0.4, 0.2, 0.2, 0.2]),
        }
    )
    return add_contacts(pl.concat([frame, homes, before], how="horizontal"), rng)


def _draw_first_names(origin: np.ndarray, is_female: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first = np.empty(origin.size, dtype=object)
    for number, names in enumerate(ORIGINS):
        for pool, is_one in ((names.female, is_female), (names.male, ~is_female)):
            of_pool = (origin == number) & is_one
            first[of_pool] = rng.choice(pool, of_pool.sum(), p=compute_frequencies(len(pool), 0.75, 5))
    return first


def _draw_family_names(origin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    family = np.empty(origin.size, dtype=object)
    for number, names in enumerate(ORIGINS):
        of_pool = origin == number
        family[of_pool] = rng.choice(names.family, of_pool.sum(), p=compute_frequencies(len(names.family)))
    return family


def _draw_last_names(
    own: np.ndarray,
    start: np.ndarray,
    is_partner: np.ndarray,
    is_child: np.ndarray,
    is_female: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Family names, and the ones that those who took their partner's bore before."""
    n = own.size
    # Some families bear two names ("Garcia Lopez"), all of them the same two.
    is_double = (rng.random(n) < 0.03)[start]
    second = rng.permutation(own)[start]
    family = np.where(is_double, own[start] + " " + second, own[start])
    draw = rng.random(n)
    hyphened, takes = is_partner & (draw < 0.06), is_partner & (draw >= 0.28)
    last = np.where(is_child | takes | (start == np.arange(n)), family, own)
    last = np.where(hyphened, own[start] + "-" + own, last)
    return last, np.where(takes & is_female & (rng.random(n) < 0.35) & (own != last), own, None)


def _draw_birth_dates(
    place: np.ndarray,
    start: np.ndarray,
    is_partner: np.ndarray,
    is_child: np.ndarray,
    today: date,
    rng: np.random.Generator,
) -> np.ndarray:
    """Birth dates: partners of about one age, parents twenty to forty years older than children, twins of one day."""
    n = place.size
    has_children = np.zeros(n, dtype=bool)
    has_children[start[is_child]] = True
    age = np.where(has_children, rng.integers(30, 66, n), rng.integers(19, 90, n))
    age = np.where(is_partner, np.maximum(age[start] + np.rint(rng.normal(0, 4, n)).astype(int), 19), age)
    age = np.where(is_child, np.maximum(age[start] - rng.integers(20, 40, n), 3), age)
    born = np.datetime64(today) - (age * 365.25 + rng.integers(1, 365, n)).astype("timedelta64[D]")
    twin = is_child & np.r_[False, is_child[:-1]] & (place > 2) & (rng.random(n) < 0.05)
    return np.where(twin, np.roll(born, 1), born).astype("datetime64[D]")


def _draw_former_homes(homes: pl.DataFrame, household: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Earlier addresses, `before_street` to `before_zip`: some households moved whole, some people moved in alone."""
    n, household_count = homes.height, int(household[-1]) + 1
    alone, together = rng.random(n) < 0.06, (rng.random(household_count) < 0.1)[household]
    is_near = pl.Series((rng.random(household_count) < 0.5)[household])
    former = pl.DataFrame(
        {
            name: pl.select(pl.when(pl.Series(alone)).then(single).otherwise(shared)).to_series()
            for name, single, shared in zip(
                _ADDRESS,
                generate_addresses(n, rng).select(_ADDRESS),
                generate_addresses(household_count, rng)[household].select(_ADDRESS),
                strict=True,
            )
        }
    )
    moved = pl.Series(alone | together)
    return former.select(
        pl.when(moved)
        .then(former[name] if name == "street" else pl.when(is_near).then(homes[name]).otherwise(former[name]))
        .alias(f"before_{name}")
        for name in _ADDRESS
    )
