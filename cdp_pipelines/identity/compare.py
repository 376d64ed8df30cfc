"""Comparison of pairs: each field into a level, missing as null, each distinct pair of values compared once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from nicknames import NickNamer
from polars_strsim import jaro_winkler, levenshtein

from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.values import HOUSE, LOCAL

if TYPE_CHECKING:
    from cdp_pipelines.identity.policy import Comparison, IdentityPolicy, Kind
    from cdp_pipelines.identity.values import DistinctRecords

# Jaro-Winkler similarity (Winkler 1990) from which names are close, or similar; streets with one house number alike.
CLOSE, SIMILAR, STREET = 0.9, 0.8, 0.88
# Normalised Levenshtein similarity from which e-mails, whole streets and dates (one digit of ten) are typos.
MAIL, WHOLE_STREET, DATE = 0.9, 0.9, 0.85
# Edits (Levenshtein 1966) of a mistyped number: two digits that change places are two.
SLIPS = 2
# Year, month and day.
PARTS = 3
MISSING = -1
_FLAT = r"\s*(?:\b(?:apt|apartment|unit|suite|ste|flat)\b|#).*$"


def compare_pairs(pairs: pl.DataFrame, nodes: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """`pairs` (left, right) with a column per compared field: the place of its level in `LEVELS`, -1 for missing."""
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    levels = {name: _levels(name, each, left, right, nodes) for name, each in policy.comparisons.items()}
    if {"first_name", "last_name"} <= {*levels}:
        _swapped(levels, left, right, nodes)
    return pairs.with_columns(pl.Series(name, each, dtype=pl.Int8) for name, each in levels.items())


def name_levels(name: str, policy: IdentityPolicy) -> pl.Expr:
    """The level of a compared field in words, null for missing."""
    words = dict(enumerate(LEVELS[policy.comparisons[name].kind]))
    return pl.col(name).replace_strict(words, default=None, return_dtype=pl.String)


def _numbers(name: str, at: np.ndarray, nodes: DistinctRecords) -> np.ndarray:
    return nodes.frame[name].cast(pl.Int64).fill_null(MISSING).to_numpy()[at]


def _levels(
    name: str, comparison: Comparison, left: np.ndarray, right: np.ndarray, nodes: DistinctRecords
) -> np.ndarray:
    one, other = _numbers(name, left, nodes), _numbers(name, right, nodes)
    told = (one != MISSING) & (other != MISSING)
    levels = np.where(told, 0, MISSING).astype(np.int8)
    differ = np.flatnonzero(told & (one != other))
    size = len(nodes.values[name])
    packed = pl.Series("pair", np.minimum(one, other)[differ] * size + np.maximum(one, other)[differ], dtype=pl.Int64)
    distinct = pl.DataFrame({"pair": packed.unique()})
    ends = {"left": distinct["pair"] // size, "right": distinct["pair"] % size}
    used = pl.concat(ends.values()).unique().sort()
    values = _with_parts(nodes.values[name][used], comparison.kind)
    texts = pl.concat(
        [
            values[used.search_sorted(each)].rename(
                lambda part, side=side: side if part == "value" else f"{side}_{part}"
            )
            for side, each in ends.items()
        ],
        how="horizontal",
    )
    judged = distinct.with_columns(_judged(texts, comparison).alias("level"))
    found = pl.DataFrame({"pair": packed}).join(judged, on="pair", how="left", maintain_order="left")["level"]
    levels[differ] = found.to_numpy()
    if comparison.kind == "name":
        # Two letters that are the same are two initials.
        initials = np.flatnonzero(nodes.values[name]["value"].str.len_chars().to_numpy() == 1)
        levels[(levels == 0) & np.isin(one, initials)] = LEVELS["name"].index("initial")
    if comparison.kind == "address":
        last = LEVELS["address"].index("other")
        one, other = _numbers("postal_code", left, nodes), _numbers("postal_code", right, nodes)
        in_area = (levels == last) & (one == other) & (one != MISSING)
        levels[in_area] = LEVELS["address"].index("area")
    return levels


def _with_parts(values: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Values with what is compared besides: `number` and `house` of streets, `local` and `digits` of e-mails."""
    value = pl.col("value")
    if kind == "address":
        return values.with_columns(
            value.str.extract(HOUSE).alias("number"), value.str.replace(_FLAT, "").alias("house")
        )
    if kind == "email":
        return values.with_columns(
            value.str.extract(LOCAL).alias("local"), value.str.replace_all("[^0-9]", "").alias("digits")
        )
    return values


def _judged(texts: pl.DataFrame, comparison: Comparison) -> pl.Series:
    """Levels of pairs of values that differ; `texts`: left, right."""
    kind, order = comparison.kind, LEVELS[comparison.kind]
    level = pl.when(pl.lit(value=False)).then(pl.lit(0))
    for name, holds in _OUTCOMES[kind](texts):
        level = level.when(holds).then(pl.lit(order.index(name)))
    return texts.with_columns(level.otherwise(pl.lit(order.index("other"))).cast(pl.Int8).alias("level"))["level"]


def _similarity(texts: pl.DataFrame, measure: object) -> pl.Series:
    # The plugin panics on frames of fewer than two rows; two that cannot be in the data make up for them.
    # Jaro's matches may depend on which text comes first: always the lesser one.
    ordered = texts.select(
        pl.min_horizontal("left", "right").alias("left"), pl.max_horizontal("left", "right").alias("right")
    )
    padded = pl.concat([ordered, pl.DataFrame({"left": ["\0", "\1"], "right": ["\2", "\3"]})])
    return padded.select(measure("left", "right").alias("similarity"))["similarity"].head(texts.height)


def _of_names(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    left, right = pl.col("left"), pl.col("right")
    alike = _similarity(texts, jaro_winkler)
    is_initial = (left.str.len_chars() == 1) | (right.str.len_chars() == 1)
    spaced = [pl.concat_str(pl.lit(" "), side, pl.lit(" ")) for side in (left, right)]
    within = spaced[0].str.contains(spaced[1], literal=True) | spaced[1].str.contains(spaced[0], literal=True)
    short = texts.join(_short_forms(), on=["left", "right"], how="left", maintain_order="left")
    return [
        ("exact", left.str.replace_all(" ", "") == right.str.replace_all(" ", "")),
        ("initial", is_initial & (left.str.head(1) == right.str.head(1))),
        ("other", is_initial),
        ("nickname", short["is_one"].fill_null(value=False)),
        ("part", within),
        ("close", alike >= CLOSE),
        ("similar", alike >= SIMILAR),
    ]


@lru_cache(maxsize=1)
def _short_forms() -> pl.DataFrame:
    """Pairs of given names of which one is short for the other, or both for a third."""
    lookup = NickNamer().nickname_lookup
    pairs = {
        pair
        for full, short in lookup.items()
        for one in (full, *short)
        for other in (full, *short)
        for pair in ((one, other), (other, one))
        if one != other
    }
    return pl.DataFrame(sorted(pairs), schema={"left": pl.String, "right": pl.String}, orient="row").with_columns(
        pl.lit(value=True).alias("is_one")
    )


def _of_dates(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    """ISO dates as texts: year, month and day are at fixed places."""
    parts = [(pl.col("left").str.slice(*at), pl.col("right").str.slice(*at)) for at in ((0, 4), (5, 2), (8, 2))]
    (_, _), (left_month, right_month), (left_day, right_day) = parts
    same = [left == right for left, right in parts]
    swapped = same[0] & (left_month == right_day) & (left_day == right_month)
    return [
        ("typo", swapped | (_similarity(texts, levenshtein) > DATE)),
        ("part", pl.sum_horizontal(each.cast(pl.Int8) for each in same) == PARTS - 1),
    ]


def _of_addresses(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    same_number = (pl.col("left_number") == pl.col("right_number")).fill_null(value=False)
    near = same_number & (_similarity(texts, jaro_winkler) >= STREET)
    return [
        ("flat", pl.col("left_house") == pl.col("right_house")),
        ("close", near | (_similarity(texts, levenshtein) >= WHOLE_STREET)),
    ]


def _of_emails(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    # Another number behind the name is another address.
    same_number = pl.col("left_digits") == pl.col("right_digits")
    return [
        ("local", pl.col("left_local") == pl.col("right_local")),
        ("typo", same_number & (_similarity(texts, levenshtein) >= MAIL)),
    ]


def _of_numbers(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    longest = pl.max_horizontal(pl.col("left").str.len_chars(), pl.col("right").str.len_chars())
    return [("typo", _similarity(texts, levenshtein) > 1 - (SLIPS + 0.5) / longest)]


_OUTCOMES = {
    "name": _of_names,
    "initial": lambda _: [],
    "date": _of_dates,
    "address": _of_addresses,
    "email": _of_emails,
    "number": _of_numbers,
}


def _swapped(levels: dict[str, np.ndarray], left: np.ndarray, right: np.ndarray, nodes: DistinctRecords) -> None:
    """Where neither name agrees, each may be the other's: then both are swapped."""
    order = LEVELS["name"]
    other, swapped = order.index("other"), order.index("swapped")
    at = np.flatnonzero((levels["first_name"] == other) & (levels["last_name"] == other))
    texts = pl.DataFrame(
        {
            f"{side}_{name}": nodes.values[name]["value"].gather(_numbers(name, ends[at], nodes))
            for side, ends in (("left", left), ("right", right))
            for name in ("first_name", "last_name")
        }
    )
    crossed = [
        _similarity(
            texts.select(pl.col(f"left_{one}").alias("left"), pl.col(f"right_{two}").alias("right")), jaro_winkler
        ).to_numpy()
        for one, two in (("first_name", "last_name"), ("last_name", "first_name"))
    ]
    # One of them may be mistyped as well.
    surer, other_one = np.fmax(*crossed), np.fmin(*crossed)
    both = at[(surer >= CLOSE) & (other_one >= SIMILAR)]
    for name in ("first_name", "last_name"):
        levels[name][both] = swapped
