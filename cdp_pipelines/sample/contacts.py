"""The identifiers by which channels know people: e-mails, phones, devices, cards, accounts, handles, serial numbers.

Numbers come from permutations, so that no number of a person reveals another one.
"""

from __future__ import annotations

import numpy as np
import polars as pl

DOMAINS = ("post", "mail", "inbox", "letters", "company", "quickmail", "webpost", "homenet")


def add_contacts(people: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """`people` and their contact points; all unique but those that a household shares.

    Everybody has `email` and `phone` (E.164); null where somebody has none: `new_email`, `old_phone`, `card`,
    `account`, `handle` and `serial`; `device` and `second_device`, of a third of the people.
    """
    n = people.height
    email, new_email = _draw_emails(people, rng)
    phone, old_phone = _draw_phones(people, rng)
    letters, family = _to_plain_letters("first"), _to_plain_letters("last").str.head(5)
    handle = people.select(pl.format("@{}{}{}", letters, family, _draw_digits(n, 3, rng))).to_series()
    devices = _draw_devices(2 * n, rng)
    numbers = _spread_numbers(n, 2**32, 2_654_435_761, rng).tolist()
    has_device = rng.random(n) < 0.3
    return people.with_columns(
        email=email,
        new_email=new_email,
        phone=phone,
        old_phone=old_phone,
        device=_keep_some(devices[:n], has_device),
        second_device=_keep_some(devices[n:], has_device & (rng.random(n) < 0.7)),
        card=_keep_some(_draw_numbers("LC{}", 8, n, rng), rng.random(n) < 0.3),
        account=_keep_some(_draw_numbers("gid://shop/Customer/{}", 7, n, rng), rng.random(n) < 0.3),
        handle=_keep_some(_make_distinct(handle), rng.random(n) < 0.13),
        serial=_keep_some(pl.Series([f"SN{number:08X}" for number in numbers]), rng.random(n) < 0.042),
        network=pl.Series(rng.choice(["facebook", "x", "instagram"], n)),
    )


def _to_plain_letters(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().str.normalize("NFD").str.replace_all("[^a-z]", "")


def _keep_some(values: pl.Series, keep: np.ndarray) -> pl.Series:
    return pl.select(pl.when(pl.Series(keep)).then(values)).to_series()


def _draw_digits(n: int, width: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series(rng.integers(0, 10**width, n)).cast(pl.String).str.zfill(width)


def _spread_numbers(n: int, size: int, factor: int, rng: np.random.Generator) -> np.ndarray:
    """`n` distinct numbers below `size`, in no order; `factor` and `size` have no common divisor."""
    return (rng.permutation(n).astype(np.uint64) * np.uint64(factor) + np.uint64(rng.integers(0, size))) % np.uint64(
        size
    )


def _draw_numbers(form: str, width: int, n: int, rng: np.random.Generator) -> pl.Series:
    least = 10 ** (width - 1)
    return pl.select(pl.format(form, pl.Series(least + _spread_numbers(n, 9 * least, 38_196_601, rng)))).to_series()


def _draw_devices(n: int, rng: np.random.Generator) -> pl.Series:
    """Device ids `3404179b-df36-915e`; the first part, alone the advertising id, is unique too."""
    first = _spread_numbers(n, 2**32, 2_654_435_761, rng).tolist()
    rest = rng.integers(0, 2**32, n).tolist()
    return pl.Series([f"{high:08x}-{low >> 16:04x}-{low & 0xFFFF:04x}" for high, low in zip(first, rest, strict=True)])


def _make_distinct(values: pl.Series) -> pl.Series:
    """`values`, all different: what was taken already gets an underscore and a number."""
    rank = pl.int_range(pl.len()).over("value")
    taken = pl.DataFrame({"value": values}).select(
        pl.when(rank == 0).then("value").otherwise(pl.format("{}_{}", "value", rank))
    )
    return taken.to_series()


def _draw_emails(people: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    n = people.height
    first, last = _to_plain_letters("first"), _to_plain_letters("last")
    style = pl.Series(rng.integers(0, 5, 2 * n))
    twice = pl.concat([people.select("first", "last", "household")] * 2).with_columns(
        pl.when(style == 0)
        .then(pl.format("{}.{}", first, last))
        .when(style == 1)
        .then(pl.format("{}_{}", last, first.str.head(3)))
        .when(style == 2)
        .then(pl.concat_str(first.str.head(1), last))
        .when(style == 3)
        .then(pl.concat_str(first, last))
        .otherwise(first)
        .alias("local")
    )
    shared = people.select(pl.format("the{}s", _to_plain_letters("last").first().over("household")).alias("local"))
    # Two digits always, so that a name with a number behind it is never another name with another number.
    locals_ = pl.concat([twice["local"], shared["local"]])
    local = pl.select(pl.concat_str(locals_, _draw_digits(3 * n, 2, rng)))
    local = _make_distinct(local.to_series())
    domain = pl.Series(DOMAINS)[rng.choice(len(DOMAINS), 3 * n, p=[0.3, 0.22, 0.14, 0.1, 0.06, 0.08, 0.06, 0.04])]
    every = pl.select(pl.format("{}@{}.example", local, domain)).to_series()
    households = people["household"].to_numpy()
    start = np.searchsorted(households, households)
    is_shared = (rng.random(n) < 0.04)[start] & (rng.random(n) < 0.7)
    email = pl.select(pl.when(pl.Series(is_shared)).then(every[2 * n :][start]).otherwise(every[:n])).to_series()
    return email, _keep_some(every[n : 2 * n], rng.random(n) < 0.12)


def _draw_phones(people: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    n = people.height
    # Exchanges from 200 on; the last seven digits alone are unique.
    local = pl.Series(2_000_000 + _spread_numbers(3 * n, 7_999_999, 1_299_709, rng)).cast(pl.String)
    every = pl.select(pl.format("+1{}{}", pl.concat([people["area_code"]] * 3), local)).to_series()
    households = people["household"].to_numpy()
    start = np.searchsorted(households, households)
    on_landline = (rng.random(n) < 0.2)[start] & (rng.random(n) < 0.6)
    phone = pl.select(pl.when(pl.Series(on_landline)).then(every[2 * n :][start]).otherwise(every[:n])).to_series()
    return phone, _keep_some(every[n : 2 * n], rng.random(n) < 0.1)
