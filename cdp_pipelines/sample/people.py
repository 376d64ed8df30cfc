"""Who lives in the company's towns: people in households, with the identifiers by which channels know them."""

from __future__ import annotations

import numpy as np
import polars as pl

from cdp_pipelines.sample.names import DOMAINS, FAMILY, FEMALE, MALE, PLACES, STREETS, zipf


def people(n: int, rng: np.random.Generator) -> pl.DataFrame:
    """`n` people; key person. Columns are true values, before any channel spoils them; null where somebody has none.

    Households share a street and mostly a family name, some an e-mail and a phone; there are fathers and sons of one
    name and twins. `moved_street`, `new_email` and `maiden_name` are what some had before.
    """
    household = np.sort(rng.integers(0, max(1, int(n / 2.1)), n))
    # Places within the household: 0 and 1 are grown up, the others mostly children.
    place = np.arange(n) - np.maximum.accumulate(
        np.where(np.r_[True, household[1:] != household[:-1]], np.arange(n), 0)
    )
    is_child = place > 1
    is_female = rng.random(n) < 0.5
    first = np.where(
        is_female, rng.choice(FEMALE, n, p=zipf(len(FEMALE), 0.6)), rng.choice(MALE, n, p=zipf(len(MALE), 0.6))
    )
    n_households = household[-1] + 1
    family = rng.choice(FAMILY, n_households, p=zipf(len(FAMILY)))[household]
    own = rng.choice(FAMILY, n, p=zipf(len(FAMILY)))
    last = np.where(~is_child & (place == 1) & (rng.random(n) < 0.25), own, family)
    hyphened = (rng.random(n) < 0.02) & (last != own)
    last = np.where(hyphened, np.char.add(np.char.add(last.astype(str), "-"), own.astype(str)), last)
    # A son named after his father, or a daughter after her mother.
    head = np.searchsorted(household, household)
    junior = is_child & (rng.random(n) < 0.04)
    first = np.where(junior, first[head], first)
    age = np.where(is_child, rng.integers(16, 26, n), rng.integers(26, 85, n))
    born = np.datetime64("2024-01-01") - (age * 365.25 + rng.integers(0, 365, n)).astype("timedelta64[D]")
    twin = is_child & (np.r_[False, is_child[:-1]]) & (rng.random(n) < 0.03)
    born = np.where(twin, np.r_[born[:1], born[:-1]], born)
    town = rng.integers(0, len(PLACES), n_households)[household]
    streets = _streets(n_households, rng)
    frame = pl.DataFrame(
        {
            "person": [f"p{number:07d}" for number in range(n)],
            "household": household,
            "first": first,
            "middle": rng.choice(list("ABCDEFGHJKLMNPRSTW"), n),
            "last": last,
            "is_female": is_female,
            "born": born.astype("datetime64[D]"),
            "street": streets[household],
            "moved_street": np.where(rng.random(n) < 0.12, _streets(n, rng), None).tolist(),
            "maiden_name": np.where(is_female & ~is_child & (rng.random(n) < 0.08), own, None).tolist(),
            "city": np.array([place[0] for place in PLACES])[town],
            "region": np.array([place[1] for place in PLACES])[town],
            "zip": np.char.add(
                np.array([place[2] for place in PLACES])[town], [f"{code:02d}" for code in household % 97]
            ),
        }
    )
    return _with_identifiers(frame, rng)


def _streets(n: int, rng: np.random.Generator) -> np.ndarray:
    numbers = rng.integers(1, 9999, n)
    return np.char.add(np.char.add(numbers.astype(str), " "), rng.choice(STREETS, n)).astype(object)


def _with_identifiers(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    n = frame.height
    letters = pl.col("first").str.to_lowercase().str.normalize("NFD").str.replace_all("[^a-z]", "")
    family = pl.col("last").str.to_lowercase().str.normalize("NFD").str.replace_all("[^a-z]", "")
    number = pl.int_range(n).cast(pl.String)
    domain = pl.Series(rng.choice(DOMAINS, n))
    style = rng.integers(0, 3, n)
    shares_email, shares_phone = rng.random(n) < 0.015, rng.random(n) < 0.03
    phone = pl.Series(206_200_0000 + rng.permutation(7_900_000)[:n] if n <= 7_900_000 else 0).cast(pl.Int64)
    devices = [
        f"{high:08x}-{low & 0xFFFF:04x}-{low >> 16:04x}"
        for high, low in zip(
            rng.permutation(np.arange(0x10000000, 0x10000000 + 2 * n)), rng.integers(0, 2**32, 2 * n), strict=True
        )
    ]
    frame = frame.with_columns(
        pl.concat_str(
            pl.when(pl.Series(style == 0))
            .then(pl.concat_str(letters, pl.lit("."), family))
            .when(pl.Series(style == 1))
            .then(pl.concat_str(family, pl.lit("_"), letters.str.head(3)))
            .otherwise(letters),
            number,
            pl.lit("@"),
            domain,
        ).alias("email"),
        pl.when(pl.Series(rng.random(n) < 0.12))
        .then(pl.concat_str(letters.str.head(1), family, number, pl.lit("@"), domain))
        .alias("new_email"),
        pl.concat_str(pl.lit("+1"), phone.cast(pl.String)).alias("phone"),
        pl.Series("device", devices[:n]),
        pl.Series("second_device", np.where(rng.random(n) < 0.2, devices[n:], None).tolist()),
        pl.when(pl.Series(rng.random(n) < 0.4))
        .then(pl.format("LC{}", pl.int_range(n).cast(pl.String).str.zfill(8)))
        .alias("card"),
        pl.when(pl.Series(rng.random(n) < 0.33))
        .then(pl.format("gid://shop/Customer/{}", pl.int_range(n) + 7_000_000))
        .alias("account"),
        pl.when(pl.Series(rng.random(n) < 0.15))
        .then(pl.format("@{}{}{}", letters, family.str.head(5), number))
        .alias("handle"),
        pl.when(pl.Series(rng.random(n) < 0.05))
        .then(pl.format("SN{}", pl.Series([f"{x:08X}" for x in rng.permutation(n) + 0x20000000])))
        .alias("serial"),
    )
    return frame.with_columns(
        pl.when(pl.Series(shares_email))
        .then(pl.col("email").first().over("household"))
        .otherwise("email")
        .alias("email"),
        pl.when(pl.Series(shares_phone))
        .then(pl.col("phone").first().over("household"))
        .otherwise("phone")
        .alias("phone"),
    )
