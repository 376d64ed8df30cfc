"""How records spoil what people are: typing errors, misread letters, short forms, swapped dates, phones as written."""

from __future__ import annotations

import numpy as np
import polars as pl

from cdp_pipelines.sample.names import NICKNAMES

_MISREAD = {"l": "1", "o": "0", "i": "l", "e": "c", "m": "rn", "s": "5", "a": "o", "n": "m", "u": "v", "t": "f"}
_PHONES = (
    "{0}{1}{2}",
    "({0}) {1}-{2}",
    "{0}-{1}-{2}",
    "{0}.{1}.{2}",
    "1 {0} {1} {2}",
    "+1{0}{1}{2}",
    "001{0}{1}{2}",
)


def typo(values: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """About `rate` of the values with one letter swapped, dropped, doubled or misread; null stays null."""
    texts = values.to_list()
    for place in np.flatnonzero(rng.random(len(texts)) < rate):
        text = texts[place]
        if text is None or len(text) < 3:
            continue
        at, kind = int(rng.integers(1, len(text) - 1)), int(rng.integers(0, 4))
        texts[place] = (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + _MISREAD.get(text[at], text[at]) + text[at + 1 :],
        )[kind]
    return pl.Series(values.name, texts, dtype=pl.String)


def some(values: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """About `rate` of the values, null for the others."""
    keep = pl.Series(rng.random(values.len()) < rate)
    return pl.select(pl.when(keep).then(values)).to_series()


def either(first: pl.Series, second: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """`second`, where there is one, for about `rate` of the values; else `first`."""
    swap = pl.Series(rng.random(first.len()) < rate)
    return pl.select(pl.coalesce(pl.when(swap).then(second), first)).to_series()


def short(first: pl.Series, rate: float, rng: np.random.Generator) -> pl.Series:
    """About `rate` of the given names by their short form, where there is one."""
    return either(first, first.replace_strict(NICKNAMES, default=None, return_dtype=pl.String), rate, rng)


def written_phone(phone: pl.Series, rng: np.random.Generator) -> pl.Series:
    """E.164 numbers of ten digits, as people write them in seven ways."""
    digits = phone.str.slice(2)
    parts = [digits.str.slice(0, 3), digits.str.slice(3, 3), digits.str.slice(6)]
    way = pl.Series(rng.integers(0, len(_PHONES), phone.len()))
    forms = [pl.format(form.replace("{0}", "{}").replace("{1}", "{}").replace("{2}", "{}"), *parts) for form in _PHONES]
    return pl.select(pl.coalesce(pl.when(way == number).then(form) for number, form in enumerate(forms))).to_series()
