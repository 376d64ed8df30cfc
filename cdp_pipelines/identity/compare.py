"""Comparison vectors: each compared field of a pair becomes a comparison level, or missing.

How two values compare belongs here, each distinct pair of values compared once. What the levels weigh belongs in
`model` and `linear_model`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from nicknames import NickNamer
from polars_strsim import jaro_winkler, levenshtein

from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.values import EMAIL_LOCAL, HOUSE_NUMBER, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import Comparison, IdentityPolicy, Kind
    from cdp_pipelines.identity.values import DistinctRecords

# Jaro-Winkler similarity (Winkler 1990) from which names are close, or similar; streets with one house number alike.
CLOSE_NAME, SIMILAR_NAME, CLOSE_STREET = 0.9, 0.8, 0.88
# Normalised Levenshtein similarity from which e-mails, whole streets and dates (one digit of ten) are typos.
EMAIL_TYPO, STREET_TYPO, DATE_TYPO = 0.9, 0.9, 0.85
# Edits (Levenshtein 1966) of a mistyped number: two digits that change places are two.
NUMBER_EDITS = 2
# Year, month and day.
DATE_PARTS = 3
MISSING = -1
_FLAT = r"\s*(?:\b(?:apt|apartment|unit|suite|ste|flat)\b|#).*$"


def compare_pairs(pairs: pl.DataFrame, distinct: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """`pairs` (left, right) with a column per compared field: the place of its level in `LEVELS`, -1 for missing."""
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    levels = {name: _compare_field(name, field, left, right, distinct) for name, field in policy.compared.items()}
    if {"first_name", "last_name"} <= {*levels}:
        _mark_swapped_names(levels, left, right, distinct)
    return pairs.with_columns(pl.Series(name, of_field, dtype=pl.Int8) for name, of_field in levels.items())


def _take_codes(name: str, rows: NDArray[np.int64], distinct: DistinctRecords) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = distinct.codes[name].cast(pl.Int64).fill_null(MISSING).to_numpy()[rows]
    return codes


def _compare_field(
    name: str,
    comparison: Comparison,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    distinct: DistinctRecords,
) -> NDArray[np.int8]:
    """Levels of one field of all pairs."""
    one, other = _take_codes(name, left, distinct), _take_codes(name, right, distinct)
    is_comparable = (one != MISSING) & (other != MISSING)
    levels = np.where(is_comparable, 0, MISSING).astype(np.int8)
    differ = np.flatnonzero(is_comparable & (one != other))
    value_count = len(distinct.values[name])
    lesser, greater = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
    packed = pl.Series("pair", lesser * value_count + greater, dtype=pl.Int64)
    found = _compare_values(packed, distinct.values[name], comparison)
    levels[differ] = found.to_numpy()
    if comparison.kind == "name":
        # Two equal single letters are two initials.
        initials = np.flatnonzero(distinct.values[name]["value"].str.len_chars().to_numpy() == 1)
        levels[(levels == 0) & np.isin(one, initials)] = LEVELS["name"].index("initial")
    if comparison.kind == "address":
        last = LEVELS["address"].index("other")
        one, other = _take_codes("postal_code", left, distinct), _take_codes("postal_code", right, distinct)
        in_area = (levels == last) & (one == other) & (one != MISSING)
        levels[in_area] = LEVELS["address"].index("area")
    return levels


def _compare_values(packed: pl.Series, values: pl.DataFrame, comparison: Comparison) -> pl.Series:
    """Levels of pairs of values that differ; `packed`: the numbers of both in `values`, as one number."""
    value_count = len(values)
    unique = pl.DataFrame({"pair": packed.unique()})
    ends = {"left": unique["pair"] // value_count, "right": unique["pair"] % value_count}
    used = pl.concat(ends.values()).unique().sort()
    parts = _add_parts(values[used], comparison.kind)
    sides = [parts[used.search_sorted(numbers)].rename(_name_side(side)) for side, numbers in ends.items()]
    texts = pl.concat(sides, how="horizontal")
    levels = unique.with_columns(_find_levels(texts, comparison).alias("level"))
    return packed.to_frame("pair").join(levels, on="pair", how="left", maintain_order="left")["level"]


def _name_side(side: str) -> Callable[[str], str]:
    return lambda part: side if part == "value" else f"{side}_{part}"


def _add_parts(values: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Values with the parts that are compared too: `number` and `house` of streets, `local`, `digits` of e-mails."""
    value = pl.col("value")
    if kind == "address":
        return values.with_columns(
            value.str.extract(HOUSE_NUMBER).alias("number"), value.str.replace(_FLAT, "").alias("house")
        )
    if kind == "email":
        return values.with_columns(
            value.str.extract(EMAIL_LOCAL).alias("local"), value.str.replace_all("[^0-9]", "").alias("digits")
        )
    return values


def _find_levels(texts: pl.DataFrame, comparison: Comparison) -> pl.Series:
    """Levels of pairs of values that differ; `texts`: left, right and their parts."""
    order = LEVELS[comparison.kind]
    places = [pl.when(holds).then(pl.lit(order.index(name))) for name, holds in _OUTCOMES[comparison.kind](texts)]
    level = pl.coalesce(*places, pl.lit(order.index("other"))).cast(pl.Int8)
    return texts.with_columns(level.alias("level"))["level"]


def _measure_similarity(texts: pl.DataFrame, measure: Callable[..., pl.Expr]) -> pl.Series:
    # The plugin panics on frames of fewer than two rows, so two impossible rows are added. Jaro's matches may depend on
    # which text comes first, so the lesser one always does.
    ordered = texts.select(
        pl.min_horizontal("left", "right").alias("left"), pl.max_horizontal("left", "right").alias("right")
    )
    padded = pl.concat([ordered, pl.DataFrame({"left": ["\0", "\1"], "right": ["\2", "\3"]})])
    return padded.select(measure("left", "right").alias("similarity"))["similarity"].head(texts.height)


def _compare_names(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    left, right = pl.col("left"), pl.col("right")
    similarity = _measure_similarity(texts, jaro_winkler)
    is_initial = (left.str.len_chars() == 1) | (right.str.len_chars() == 1)
    spaced = [pl.concat_str(pl.lit(" "), side, pl.lit(" ")) for side in (left, right)]
    is_part = spaced[0].str.contains(spaced[1], literal=True) | spaced[1].str.contains(spaced[0], literal=True)
    nickname = texts.join(_list_nicknames(), on=["left", "right"], how="left", maintain_order="left")
    return [
        ("exact", left.str.replace_all(" ", "") == right.str.replace_all(" ", "")),
        ("initial", is_initial & (left.str.head(1) == right.str.head(1))),
        ("other", is_initial),
        ("nickname", nickname["is_nickname"].fill_null(value=False)),
        ("part", is_part),
        ("close", similarity >= CLOSE_NAME),
        ("similar", similarity >= SIMILAR_NAME),
    ]


@lru_cache(maxsize=1)
def _list_nicknames() -> pl.DataFrame:
    """Pairs of given names of which one is a nickname of the other, or both of a third."""
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
        pl.lit(value=True).alias("is_nickname")
    )


def _compare_dates(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    """ISO dates as texts: year, month and day are at fixed places."""
    parts = [(pl.col("left").str.slice(*at), pl.col("right").str.slice(*at)) for at in ((0, 4), (5, 2), (8, 2))]
    (_, _), (left_month, right_month), (left_day, right_day) = parts
    same = [left == right for left, right in parts]
    swapped = same[0] & (left_month == right_day) & (left_day == right_month)
    return [
        ("typo", swapped | (_measure_similarity(texts, levenshtein) > DATE_TYPO)),
        ("part", pl.sum_horizontal(is_same.cast(pl.Int8) for is_same in same) == DATE_PARTS - 1),
    ]


def _compare_addresses(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    same_number = (pl.col("left_number") == pl.col("right_number")).fill_null(value=False)
    near = same_number & (_measure_similarity(texts, jaro_winkler) >= CLOSE_STREET)
    return [
        ("flat", pl.col("left_house") == pl.col("right_house")),
        ("close", near | (_measure_similarity(texts, levenshtein) >= STREET_TYPO)),
    ]


def _compare_emails(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    # ann1@ and ann2@ are two people's addresses, not a typo.
    same_number = pl.col("left_digits") == pl.col("right_digits")
    return [
        ("local", pl.col("left_local") == pl.col("right_local")),
        ("typo", same_number & (_measure_similarity(texts, levenshtein) >= EMAIL_TYPO)),
    ]


def _compare_numbers(texts: pl.DataFrame) -> list[tuple[str, pl.Expr | pl.Series]]:
    longest = pl.max_horizontal(pl.col("left").str.len_chars(), pl.col("right").str.len_chars())
    return [("typo", _measure_similarity(texts, levenshtein) > 1 - (NUMBER_EDITS + 0.5) / longest)]


# The levels between exact and other by kind, each with where it holds, in the order in which they are tested.
_OUTCOMES: dict[Kind, Callable[[pl.DataFrame], list[tuple[str, pl.Expr | pl.Series]]]] = {
    "name": _compare_names,
    "initial": lambda _: [],
    "date": _compare_dates,
    "address": _compare_addresses,
    "email": _compare_emails,
    "number": _compare_numbers,
}


def _mark_swapped_names(
    levels: dict[str, NDArray[np.int8]],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    distinct: DistinctRecords,
) -> None:
    """Where neither name agrees, each may be the other one: then both are at level swapped."""
    order = LEVELS["name"]
    other, swapped = order.index("other"), order.index("swapped")
    rows = np.flatnonzero((levels["first_name"] == other) & (levels["last_name"] == other))
    texts = pl.DataFrame(
        {
            f"{side}_{name}": distinct.values[name]["value"].gather(_take_codes(name, ends[rows], distinct))
            for side, ends in (("left", left), ("right", right))
            for name in NAMES
        }
    )
    crossed = [
        _measure_similarity(
            texts.select(pl.col(f"left_{one}").alias("left"), pl.col(f"right_{two}").alias("right")), jaro_winkler
        ).to_numpy()
        for one, two in (NAMES, reversed(NAMES))
    ]
    # One of them may be mistyped as well.
    surer, less_sure = np.fmax(*crossed), np.fmin(*crossed)
    both = rows[(surer >= CLOSE_NAME) & (less_sure >= SIMILAR_NAME)]
    for name in NAMES:
        levels[name][both] = swapped
