"""How records spoil what people are: typing and reading errors, short forms, swapped dates, phones as written."""

from __future__ import annotations

import numpy as np
import polars as pl

from cdp_pipelines.sample.names import SHORT_FORMS
from cdp_pipelines.sample.places import KINDS_IN_FULL

# What a scanner takes a letter for, and the keys beside it.
_MISREAD = {
    "l": "1",
    "o": "0",
    "i": "l",
    "e": "c",
    "m": "rn",
    "s": "5",
    "a": "o",
    "n": "m",
    "u": "v",
    "w": "vv",
    "d": "cl",
}
_NEIGHBOUR_KEYS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb",
    "w": "qe", "y": "tu", "0": "9", "1": "2", "2": "13", "3": "24", "4": "35", "5": "46", "6": "57", "7": "68",
    "8": "79", "9": "80",
}  # fmt: skip
_PHONES = ("{}{}{}", "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "1 {} {} {}", "+1{}{}{}", "001{}{}{}")
# Letters that Latin-1 lacks, as clerks write them there.
_PLAIN = {"ș": "s", "Ș": "S", "ț": "t", "Ț": "T", "ă": "a", "Ă": "A", "ş": "s", "ţ": "t", "ł": "l"}


def add_typos(values: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """About `rate` of the values with one letter swapped, dropped, doubled, mistyped or misread; null stays null."""
    texts = values.to_list()
    for place in np.flatnonzero(rng.random(len(texts)) < rate):
        text = texts[place]
        if text is None or len(text) < 3:
            continue
        at, kind, side = int(rng.integers(1, len(text) - 1)), int(rng.integers(0, 5)), int(rng.integers(0, 2))
        letter, beside = text[at], _NEIGHBOUR_KEYS.get(text[at], text[at])
        changed = (
            text[at + 1] + letter + text[at + 2 :],
            text[at + 1 :],
            letter + text[at:],
            beside[side % len(beside)] + text[at + 1 :],
            _MISREAD.get(letter, letter) + text[at + 1 :],
        )
        texts[place] = text[:at] + changed[kind]
    return pl.Series(values.name, texts, dtype=pl.String)


def draw_chance(n: int, rate: float, rng: np.random.Generator) -> pl.Series:
    """True for about `rate` of `n`."""
    return pl.Series(rng.random(n) < rate)


def keep_some(values: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """About `rate` of the values, null for the others."""
    return pl.select(pl.when(draw_chance(values.len(), rate, rng)).then(values)).to_series()


def choose_either(first: pl.Series, second: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """`second`, where there is one, for about `rate` of the values; else `first`."""
    return pl.select(pl.coalesce(pl.when(draw_chance(first.len(), rate, rng)).then(second), first)).to_series()


def write_names(who: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.Series, pl.Series]:
    """Given and family names as a clerk has them.

    Short forms, an initial alone, an earlier name, one half of a double name, accents left out, typing errors.
    """
    n = who.height
    usual, other = (
        who["first"].replace_strict(
            {full: forms[number] for full, forms in SHORT_FORMS.items()}, default=None, return_dtype=pl.String
        )
        for number in (0, -1)
    )
    first = choose_either(who["first"], choose_either(usual, other, 0.3, rng), 0.12, rng)
    first = choose_either(first, first.str.head(1), 0.01, rng)
    last = choose_either(who["last"], who["maiden_name"], 0.5, rng)
    last = choose_either(last, last.str.extract("^([^- ]{4,})[- ]"), 0.15, rng)
    bare = draw_chance(n, 0.3, rng)
    first, last = (
        pl.select(pl.when(bare).then(_remove_accents(name)).otherwise(name)).to_series() for name in (first, last)
    )
    return add_typos(first, 0.035, rng), add_typos(last, 0.035, rng)


def write_address(who: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Addresses as a clerk has them, columns street, city, region, zip: often of before, with typing errors and gaps."""
    n = who.height
    is_old = draw_chance(n, 0.4, rng)
    street, city, region, code = (
        pl.select(pl.coalesce(pl.when(is_old).then(who[f"before_{name}"]), who[name])).to_series()
        for name in ("street", "city", "region", "zip")
    )
    in_full = street
    for kind, written in KINDS_IN_FULL.items():
        in_full = in_full.str.replace(rf" {kind}\b", f" {written}")
    street = choose_either(street, in_full, 0.2, rng)
    street = choose_either(street, street.str.replace(" apt .*$", ""), 0.3, rng)
    street = choose_either(street, street.str.replace(r"^\d+ ", ""), 0.02, rng)
    wrong = region.gather(rng.permutation(n))
    return pl.DataFrame(
        {
            "street": add_typos(street, 0.04, rng),
            "city": keep_some(add_typos(city, 0.02, rng), 0.988, rng),
            "region": keep_some(choose_either(region, wrong, 0.008, rng), 0.988, rng),
            "zip": keep_some(add_typos(code, 0.015, rng), 0.985, rng),
        }
    )


def write_date(dates: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Birth dates in the American way; in some of them day and month have changed places or a digit is wrong."""
    swapped = (dates.dt.day() <= 12) & draw_chance(dates.len(), 0.025, rng)
    american, other = dates.dt.strftime("%m/%d/%Y"), dates.dt.strftime("%d/%m/%Y")
    return add_typos(pl.select(pl.when(swapped).then(other).otherwise(american)).to_series(), 0.012, rng)


def write_phone(phone: pl.Series, rng: np.random.Generator) -> pl.Series:
    """E.164 numbers of ten digits, as people write them in seven ways."""
    digits = phone.str.slice(2)
    parts = [digits.str.slice(0, 3), digits.str.slice(3, 3), digits.str.slice(6)]
    way = pl.Series(rng.integers(0, len(_PHONES), phone.len()))
    written = [pl.when(way == number).then(pl.format(form, *parts)) for number, form in enumerate(_PHONES)]
    return pl.select(pl.coalesce(written)).to_series()


def to_latin_1(values: pl.Series) -> pl.Series:
    """The values without letters that Latin-1 lacks; its own accents stay."""
    return values.str.replace_many(list(_PLAIN), list(_PLAIN.values()))


def _remove_accents(values: pl.Series) -> pl.Series:
    return values.str.normalize("NFD").str.replace_all(r"\p{M}", "")
