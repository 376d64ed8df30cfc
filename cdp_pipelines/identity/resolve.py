"""Records to customers: exact identifiers, then probable pairs, then records that say an identifier alone.

A wrong link is a breach of privacy, a missing one a customer asked twice: where the evidence is ambiguous, records
stay apart. The result depends on the records alone, not on their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.clusters import apart, components, cut, uncompared, unifying
from cdp_pipelines.identity.compare import MISSING, compare
from cdp_pipelines.identity.memory import Memory, compared, recall, remember, salt
from cdp_pipelines.identity.model import Model, Patterns, learn, random_pairs, rarity
from cdp_pipelines.identity.naming import customers_of, links_of
from cdp_pipelines.identity.pairs import block, places
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.values import Nodes, nodes
from cdp_pipelines.tables import REVIEW, TEXTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cdp_pipelines.identity.policy import IdentityPolicy

_RECORD = ["drop_date", "channel", "source_record_id"]
BOUND = "is_bound"
_LINK = {
    "left": pl.Int64,
    "right": pl.Int64,
    "rule": pl.String,
    "is_exact": pl.Boolean,
    "match_weight": pl.Float64,
    "evidence": TEXTS,
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """`link` (`LINK`), `cluster` (`CLUSTER`), counts that tell how it came about, and what it was made of.

    `scored`: compared pairs of nodes (left, right, pattern, match_weight, log_odds, is_linked); `memory`: what the
    next night may start from.
    """

    link: pl.DataFrame
    cluster: pl.DataFrame
    report: dict[str, object]
    nodes: Nodes
    model: Model
    scored: pl.DataFrame
    memory: Memory


def resolve(
    party: pl.DataFrame,
    policy: IdentityPolicy,
    review: pl.DataFrame | None = None,
    bound: Collection[str] = (),
    before: Memory | None = None,
    made_by: str = "",
) -> Resolution:
    """Customers of the records of `party` (`PARTY`).

    A customer is named after its earliest record (drop date, channel, id), so that its name stays when later records
    come to it. Records that say the same of a person are one node; links between nodes stand for their earliest
    records, and records of one node are linked to it as `same`. `review` (`REVIEW`): what clerks decided on pairs of
    records, which outranks all else and is learned from. `bound`: channels whose data was not collected to unify
    profiles: their links are told, but join no two customers. `before`: what the night before left; it saves work and
    changes nothing. `made_by`: versions of what compares, by which what others left is told from one's own.
    """
    review = REVIEW.empty() if review is None else review
    told = nodes(party, policy, reviewed(review.filter(~pl.col("is_same"))), bound, salt(policy, made_by))
    shared, crowded = _without_crowded(told, policy)
    says = shared.with_columns(told.bound.alias(BOUND))
    decided = _on_nodes(review, told.records)
    exact = pl.concat([_linked(decided.filter("is_same"), "review"), _stars(says, policy.exact)])
    known = recall(told, before)
    candidates = block(told.among, policy, known)
    blocked = compared(candidates.pairs, told, policy, known)
    random = compared(random_pairs(told, policy), told, policy, known)
    labels = compare(decided.select("left", "right"), told, policy).with_columns(decided["is_same"])
    model = learn(blocked, told, policy, labels, random)
    scored = score(blocked, told, model, policy)
    threshold = log2(policy.threshold / (1 - policy.threshold))
    likely = scored.filter(pl.col("log_odds") >= threshold)
    group = components(told.says.height, pl.concat([exact.select("left", "right"), likely.select("left", "right")]))
    more = compared(uncompared(group, told.who, blocked), told, policy, known)
    if more.height:
        scored = pl.concat([scored, score(more, told, model, policy)])
    is_bound = told.bound.to_numpy()
    held = cut(told.says.height, exact, scored, threshold)
    links = pl.concat([exact, _probable(held, policy)])
    for identifier in policy.shareable:
        customers = pl.Series("customer", components(told.says.height, unifying(links, is_bound)))
        links = pl.concat([links, _attached(says.with_columns(customers), identifier)])
    links = apart(told.says.height, links, decided.filter(~pl.col("is_same")))
    joining = unifying(links, is_bound)
    customers, firm = (components(told.says.height, each) for each in (joining, joining.filter("is_exact")))
    cluster = customers_of(told.records, customers, firm)
    memory = remember(told, candidates.large, blocked, more, random)
    report = {
        "records": party.height,
        "nodes": told.says.height,
        "nodes that are new": int(known.is_new.sum()),
        "pairs compared": scored.height,
        "pairs compared tonight": sum(int(each["is_new"].sum()) for each in (blocked, more, random)),
        "blocking": candidates.report,
        "crowded identifiers": crowded,
        "links": links.height,
        "links that join no profiles": links.height - joining.height,
        "links refused": scored.filter(pl.col("log_odds") >= threshold).height - held.height,
        "decided by clerks": review.height,
        "weights": model.origin,
        "share of pairs": dict(zip(("one person", "one household", "two people"), model.shares, strict=True)),
        "match weights": {name: {k: round(v, 2) for k, v in each.items()} for name, each in model.weights.items()},
        "customers": cluster["customer_id"].n_unique(),
        "largest customer": cluster["customer_id"].value_counts()["count"].max() or 0,
    }
    scored = scored.with_columns(pl.Series("is_linked", places(scored, held.sort("left", "right"))[0]))
    return Resolution(links_of(links, told.records), cluster, report, told, model, scored, memory)


def score(pairs: pl.DataFrame, told: Nodes, model: Model, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs (left, right, pattern) with match weight, log odds, and whether fields that may contradict do, or agree."""
    of = Patterns.of(pairs, list(policy.comparisons))
    last = {name: len(LEVELS[each.kind]) - 1 for name, each in policy.comparisons.items() if each.contradicts}
    # Of no field that may contradict, none does and all agree.
    either = np.zeros((1, of.levels[next(iter(of.levels))].size), dtype=bool)
    differs = np.any([*either, *(of.levels[name] == place for name, place in last.items())], axis=0)
    agrees = np.all(
        [*~either, *((of.levels[name] >= 0) & (of.levels[name] < place) for name, place in last.items())], axis=0
    )
    scored = model.score(of, rarity(pairs, of, told, model))
    return pairs.select("left", "right", "pattern").with_columns(
        *scored,
        (pl.Series(differs[of.at]) & (scored["log_odds"] < 0)).alias("contradicts"),
        pl.Series("agrees", agrees[of.at]),
    )


def reviewed(review: pl.DataFrame) -> pl.DataFrame:
    """Records (channel, source_record_id) on either side of decisions of `REVIEW`."""
    sides = [review.select(pl.col(f"{side}_{name}").alias(name) for name in _RECORD[1:]) for side in ("left", "right")]
    return pl.concat(sides).unique(maintain_order=True)


def _on_nodes(review: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Decisions on nodes: left, right (left < right) and is_same; of records that are there."""
    node = {
        side: records.select(
            pl.col("node").alias(side), *(pl.col(name).alias(f"{side}_{name}") for name in _RECORD[1:])
        )
        for side in ("left", "right")
    }
    found = review
    for side, each in node.items():
        found = found.join(each, on=[f"{side}_{name}" for name in _RECORD[1:]])
    return (
        found.filter(pl.col("left") != pl.col("right"))
        .select(
            pl.min_horizontal("left", "right").alias("left"),
            pl.max_horizontal("left", "right").alias("right"),
            "is_same",
        )
        .unique(["left", "right"], keep="last", maintain_order=True)
        .sort("left", "right")
    )


def _without_crowded(told: Nodes, policy: IdentityPolicy) -> tuple[pl.DataFrame, dict[str, int]]:
    """What nodes say, without values of identifiers that too many of them share, and how many such values there are."""
    says, crowded = told.says, {}
    for name in dict.fromkeys([*policy.exact, *policy.shareable]):
        numbers = told.frame[name]
        is_crowded = np.bincount(numbers.drop_nulls().to_numpy(), minlength=1) > policy.max_sharers
        if is_crowded.any():
            crowded[name] = int(is_crowded.sum())
            withheld = pl.Series(is_crowded).gather(numbers).fill_null(value=False)
            says = says.with_columns(pl.when(~withheld).then(name))
    return says, crowded


def _stars(nodes: pl.DataFrame, identifiers: Sequence[str]) -> pl.DataFrame:
    """Links of every node that has a value with the first one that has it."""
    return pl.concat(
        [
            _linked(
                nodes.filter(pl.col(name).is_not_null()).select(
                    _hub(name).alias("left"), pl.col("node").alias("right")
                ),
                name,
            )
            for name in identifiers
        ]
    )


def _hub(*shared: str) -> pl.Expr:
    """The first node of those that share these values; one that is bound stands for others only among its like."""
    return pl.col("node").sort_by(BOUND, "node").first().over(shared)


def _linked(pairs: pl.DataFrame, identifier: str) -> pl.DataFrame:
    return (
        pairs.filter(pl.col("left") != pl.col("right"))
        .select(
            "left",
            "right",
            pl.lit(identifier).alias("rule"),
            pl.lit(True).alias("is_exact"),
            pl.lit(None, pl.Float64).alias("match_weight"),
            pl.lit([f"{identifier}:exact"], TEXTS).alias("evidence"),
        )
        .cast(_LINK)
    )


def _probable(scored: pl.DataFrame, policy: IdentityPolicy) -> pl.DataFrame:
    """Links of pairs that are held to be one person; exact where the two share an e-mail and agree."""
    of = Patterns.of(scored, list(policy.comparisons))
    words = {name: [f"{name}:{level}" for level in LEVELS[each.kind]] for name, each in policy.comparisons.items()}
    levels = pl.DataFrame(of.levels).rows(named=True)
    evidence = [[words[name][at] for name, at in each.items() if at != MISSING] for each in levels]
    is_exact = of.levels["email"] == 0 if "email" in of.levels else np.zeros(len(evidence), dtype=bool)
    return scored.select(
        "left",
        "right",
        pl.lit("comparison").alias("rule"),
        pl.Series("is_exact", is_exact[of.at]),
        "match_weight",
        pl.Series("evidence", evidence, dtype=TEXTS).gather(of.at),
    ).cast(_LINK)


def _attached(nodes: pl.DataFrame, identifier: str) -> pl.DataFrame:
    """Links of the nodes without a first name that `identifier` joins: to the one customer who has its value.

    A family name, where the node says one, must be that customer's. Where nobody, or more than one customer, has the
    value, such nodes stay with each other alone. A node that is bound tells nobody's name.
    """
    bare = nodes.filter(pl.col(identifier).is_not_null(), pl.col("first_name").is_null())
    named = pl.col(identifier).is_not_null() & pl.col("first_name").is_not_null()
    owners = nodes.filter(named, ~pl.col(BOUND)).select(
        identifier, "customer", pl.col("node").alias("left"), pl.col("last_name").alias("last_name_of_owner")
    )
    # What already joins the node to someone with a name stands.
    taken = nodes.filter(pl.col("first_name").is_not_null())["customer"].unique()
    bare = bare.filter(~pl.col("customer").is_in(taken.implode()))
    fitting = (
        bare.select("node", identifier, "last_name")
        .join(owners, on=identifier)
        .filter(pl.col("last_name").is_null() | (pl.col("last_name") == pl.col("last_name_of_owner")).fill_null(False))
    )
    sole = (
        fitting.group_by("node")
        .agg(pl.col("customer").n_unique().alias("n"), pl.col("left").min())
        .filter(pl.col("n") == 1)
    )
    rest = bare.join(sole, on="node", how="anti").with_columns(pl.col("last_name").fill_null(""))
    together = rest.select(_hub(identifier, "last_name").alias("left"), pl.col("node").alias("right"))
    return _linked(pl.concat([sole.select("left", pl.col("node").alias("right")), together]), identifier)
