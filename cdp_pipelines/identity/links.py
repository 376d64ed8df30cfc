"""Links between distinct records: by review, by exact identifier, by comparison, and by a shared identifier alone.

What makes a link belongs here, and the rows of `identity/link`. Which links hold together, and the customers that come
of them, belongs in `clusters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.clusters import label_components, select_unifying_links
from cdp_pipelines.identity.compare import MISSING
from cdp_pipelines.identity.patterns import PatternIndex
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.schema import LINK, RECORD_KEY, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.statistics import CorpusStatistics
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import LinkRows, ReviewRows

_NON_LINKING = "is_non_linking"
_LINK_SCHEMA = pl.Schema(
    {
        "left": pl.Int64(),
        "right": pl.Int64(),
        "rule": pl.String(),
        "is_exact": pl.Boolean(),
        "match_weight": pl.Float64(),
        "evidence": TEXTS,
    }
)


def list_separated_records(review: ReviewRows) -> pl.DataFrame:
    """Records (channel, source_record_id) that a clerk decided to be different from another one."""
    different = review.filter(~pl.col("is_same"))
    sides = [
        different.select(pl.col(f"{side}_{name}").alias(name) for name in RECORD_KEY) for side in ("left", "right")
    ]
    return pl.concat(sides).unique(maintain_order=True)


def map_reviews(review: ReviewRows, distinct: DistinctRecords) -> pl.DataFrame:
    """Reviews as pairs of distinct records: left, right (left < right), is_same; of records that are there."""
    mapped = review
    for side in ("left", "right"):
        names = {name: f"{side}_{name}" for name in RECORD_KEY}
        numbers = distinct.records.select(pl.col("distinct").alias(side), *RECORD_KEY).rename(names)
        mapped = mapped.join(numbers, on=list(names.values()))
    return (
        mapped.filter(pl.col("left") != pl.col("right"))
        .select(
            pl.min_horizontal("left", "right").alias("left"),
            pl.max_horizontal("left", "right").alias("right"),
            "is_same",
        )
        .unique(["left", "right"], keep="last", maintain_order=True)
        .sort("left", "right")
    )


def list_shared_values(distinct: DistinctRecords, statistics: CorpusStatistics) -> pl.DataFrame:
    """The texts of distinct records without over-shared identifiers, and whether each is non-linking."""
    usable = [
        pl.when(~pl.Series(is_over_shared)).then(name).alias(name)
        for name, is_over_shared in statistics.over_shared.items()
    ]
    return distinct.texts.with_columns(distinct.non_linking.alias(_NON_LINKING), *usable)


def link_exactly(shared: pl.DataFrame, reviewed: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Links that hold whatever the comparison says: pairs reviewed as same, and values of exact identifiers.

    `shared`: as of `list_shared_values`; `reviewed`: as of `map_reviews`. Every distinct record with a value is linked
    to the first one that has it.
    """
    links = [_build_exact_links(reviewed.filter("is_same"), "review")]
    for name in policy.exact:
        having = shared.filter(pl.col(name).is_not_null())
        links.append(_build_exact_links(having.select(_take_hub(name).alias("left"), right="distinct"), name))
    return pl.concat(links)


def link_probably(scored: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Links of scored pairs that hold; exact if the two share an e-mail and agree."""
    patterns = PatternIndex.of(scored, policy.compared)
    words = {name: [f"{name}:{level}" for level in LEVELS[of.kind]] for name, of in policy.compared.items()}
    levels = pl.DataFrame(dict(patterns.levels)).rows(named=True)
    evidence = [[words[name][place] for name, place in row.items() if place != MISSING] for row in levels]
    is_exact = patterns.levels["email"] == 0 if "email" in patterns.levels else np.zeros(len(evidence), dtype=bool)
    return scored.select(
        "left",
        "right",
        pl.lit("comparison").alias("rule"),
        pl.Series("is_exact", is_exact[patterns.of_pair]),
        "match_weight",
        pl.Series("evidence", evidence, dtype=TEXTS).gather(patterns.of_pair),
    ).cast(_LINK_SCHEMA)


def attach_unnamed_records(links: pl.DataFrame, shared: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """`links`, and those of distinct records without a first name that a shareable identifier joins, one by one."""
    non_linking = shared[_NON_LINKING].to_numpy()
    for name in policy.shareable:
        customers = label_components(shared.height, select_unifying_links(links, non_linking))
        links = pl.concat([links, _attach_by(shared.with_columns(pl.Series("customer", customers)), name)])
    return links


def _attach_by(shared: pl.DataFrame, identifier: str) -> pl.DataFrame:
    """Links of unnamed records to the one customer who has their value of `identifier`.

    A last name, if the record has one, must be that customer's. If nobody, or more than one customer, has the value,
    unnamed records are linked to each other alone. A non-linking record names nobody.
    """
    unnamed = shared.filter(pl.col(identifier).is_not_null(), pl.col("first_name").is_null())
    is_named = pl.col(identifier).is_not_null() & pl.col("first_name").is_not_null()
    owners = shared.filter(is_named, ~pl.col(_NON_LINKING)).select(
        identifier, "customer", pl.col("distinct").alias("left"), pl.col("last_name").alias("last_name_of_owner")
    )
    # A record that is already linked to someone with a name keeps that link.
    named_customers = shared.filter(pl.col("first_name").is_not_null())["customer"].unique()
    unnamed = unnamed.filter(~pl.col("customer").is_in(named_customers.implode()))
    is_same_name = (pl.col("last_name") == pl.col("last_name_of_owner")).fill_null(value=False)
    fitting = (
        unnamed.select("distinct", identifier, "last_name")
        .join(owners, on=identifier)
        .filter(pl.col("last_name").is_null() | is_same_name)
    )
    sole_owner = (
        fitting.group_by("distinct")
        .agg(pl.col("customer").n_unique().alias("customer_count"), pl.col("left").min())
        .filter(pl.col("customer_count") == 1)
    )
    rest = unnamed.join(sole_owner, on="distinct", how="anti").with_columns(pl.col("last_name").fill_null(""))
    with_each_other = rest.select(_take_hub(identifier, "last_name").alias("left"), right="distinct")
    return _build_exact_links(pl.concat([sole_owner.select("left", right="distinct"), with_each_other]), identifier)


def list_unnamed_sharing(shared: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs (left, right) that share a value of a shareable identifier which one of them has without a first name."""
    pairs = []
    for name in policy.shareable:
        having = shared.filter(pl.col(name).is_not_null())
        sharing = having.filter(pl.col("first_name").is_null().any().over(name))
        pairs.append(sharing.select(left=pl.col("distinct").first().over(name), right="distinct"))
    return pl.concat(pairs) if pairs else pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64})


def _take_hub(*values: str) -> pl.Expr:
    """The first record of those that share these values; a non-linking one only if all of them are."""
    return pl.col("distinct").sort_by(_NON_LINKING, "distinct").first().over(values)


def _build_exact_links(pairs: pl.DataFrame, rule: str) -> pl.DataFrame:
    return (
        pairs.filter(pl.col("left") != pl.col("right"))
        .select(
            "left",
            "right",
            pl.lit(rule).alias("rule"),
            pl.lit(value=True).alias("is_exact"),
            pl.lit(None, pl.Float64).alias("match_weight"),
            pl.lit([f"{rule}:exact"], TEXTS).alias("evidence"),
        )
        .cast(_LINK_SCHEMA)
    )


def build_links(links: pl.DataFrame, records: pl.DataFrame) -> LinkRows:
    """Links between distinct records as links between their earliest records; `LINK`, each key once.

    `records`: `DistinctRecords.records`. Each further record is linked to the earliest of its distinct record by the
    rule `same`. Of several links with one key the first is kept.
    """
    numbered = records.with_row_index("row")
    first = numbered.unique("distinct", keep="first", maintain_order=True).sort("distinct")
    further = numbered.join(first, on="row", how="anti")
    same = further.select(
        *_name_side(first[further["distinct"]], "left"),
        *_name_side(further, "right"),
        pl.lit("same").alias("rule"),
        pl.lit(value=True).alias("is_exact"),
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.lit(["all:exact"], TEXTS).alias("evidence"),
    )
    once = links.unique(["left", "right", "rule"], keep="first", maintain_order=True)
    between = once.select(
        *_name_side(first[once["left"]], "left"),
        *_name_side(first[once["right"]], "right"),
        pl.exclude("left", "right"),
    )
    rows = pl.concat([LINK.conform(between.lazy()), LINK.conform(same.lazy())]).collect()
    return rows.sort(LINK.key)


def _name_side(records: pl.DataFrame, side: str) -> Iterable[pl.Series]:
    return [records[name].alias(f"{side}_{name}") for name in RECORD_KEY]
