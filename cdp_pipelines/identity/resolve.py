"""Records to customers: exact identifiers, then probable pairs, then records that say an identifier alone.

A wrong link is a breach of privacy, a missing one a customer asked twice: where the evidence is ambiguous, records
stay apart. The result depends on the records alone, not on their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.affected import find_affected, restore_statistics
from cdp_pipelines.identity.clusters import (
    enforce_cannot_link,
    find_uncompared_pairs,
    label_components,
    select_unifying_links,
    split_conflicts,
)
from cdp_pipelines.identity.compare import MISSING, compare_pairs
from cdp_pipelines.identity.model import (
    Model,
    PatternIndex,
    encode_pattern,
    fit_model,
    sample_random_pairs,
    weigh_term_frequency,
)
from cdp_pipelines.identity.model_refresh import RefitPlan
from cdp_pipelines.identity.naming import build_clusters, build_links
from cdp_pipelines.identity.pairs import find_candidate_pairs, locate_pairs
from cdp_pipelines.identity.policy import LEVELS
from cdp_pipelines.identity.state import (
    IdentityState,
    build_record_state,
    configuration_digest,
    fingerprint_records,
    list_over_shared,
    prune_frequencies,
)
from cdp_pipelines.identity.statistics import CorpusStatistics, compute_statistics, report_blocking
from cdp_pipelines.identity.values import DistinctRecords, build_distinct_records
from cdp_pipelines.schema import REVIEW, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cdp_pipelines.identity.pairs import BlockRefinement
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
    """`link` (`LINK`) and `cluster` (`CLUSTER`) of the records that were resolved, and what they were made of.

    `touched`: digests (`memory.record_of`) of these records and of those that left, whose rows of before are void; None
    where all were resolved. `report`: counts that tell how it came about; `scored`: compared pairs of nodes (left,
    right, pattern, match_weight, log_odds, is_linked); `memory`: what the next night may start from.
    """

    link: pl.DataFrame
    cluster: pl.DataFrame
    touched: pl.Series | None
    report: dict[str, object]
    nodes: DistinctRecords
    model: Model
    scored: pl.DataFrame
    memory: IdentityState


def resolve(
    party: pl.DataFrame,
    policy: IdentityPolicy,
    review: pl.DataFrame | None = None,
    bound: Collection[str] = (),
    before: IdentityState | None = None,
    made_by: str = "",
) -> Resolution:
    """Customers of the records of `party` (`PARTY`).

    A customer is named after its earliest record (drop date, channel, id), so that its name stays when later records
    come to it. Records that say the same of a person are one node; links between nodes stand for their earliest
    records, and records of one node are linked to it as `same`. `review` (`REVIEW`): what clerks decided on pairs of
    records, which outranks all else and is learned from. `bound`: channels whose data was not collected to unify
    profiles: their links are told, but join no two customers. `before`: what the night before left; only what has
    changed since, and what it touches, is resolved then, and comes out as among all records. `made_by`: versions of
    what resolves, by which what others left is told from one's own.
    """
    review = REVIEW.empty() if review is None else review
    as_nodes = partial(
        build_distinct_records,
        policy=policy,
        alone=list_reviewed_records(review.filter(~pl.col("is_same"))),
        bound=bound,
    )
    number = configuration_digest(policy, made_by, bound)
    marked = fingerprint_records(party, policy, review, number)
    epoch = RefitPlan.of(party, marked, policy, number)
    model = epoch.model(before, policy)
    if model is None or before.seen.is_empty():
        night, told = None, as_nodes(party)
        known, done = compute_statistics(told, policy)
    else:
        night = find_affected(
            party, marked, before.seen, policy, as_nodes, partial(_likely, model=model, policy=policy)
        )
        told = as_nodes(party[night.rows])
        known = restore_statistics(told, before.seen, night, policy)
    blocked = _blocked(told, known, policy)
    if model is None:
        model = _learned(party, epoch, policy, review, as_nodes, (told, blocked))
        stored = epoch.stored(model)
    else:
        stored = before.model, before.frequency
    joined = _joined(told, known, model, policy, review, blocked)
    seen = build_record_state(told, known, joined.neighbourhood, marked)
    void = None
    if night is not None:
        void = pl.concat([seen["record"], night.left]).unique()
        seen = pl.concat([before.seen.filter(~pl.col("record").is_in(void.implode())), seen])
        if night.left.len():
            stored = stored[0], prune_frequencies(seen, stored[1])
    report = {
        "records": party.height,
        "records new or changed": party.height if night is None else night.new_count,
        "records resolved": told.records.height,
        "nodes resolved": told.says.height,
        "pairs compared": joined.scored.height + (0 if night is None else night.pair_count),
        "blocking": _blocking(policy, done, blocked) if night is None else night.report,
        "crowded identifiers": list_over_shared(seen, policy),
        "links resolved": joined.link.height,
        "links that join no profiles": joined.non_linking_count,
        "links refused": joined.refused_count,
        "decided by clerks": review.height,
        "weights": model.origin,
        "learned until": str(stored[0]["trained_until_date"].max()),
        "learned from": stored[0]["training_record_count"].max(),
        "share of pairs": dict(zip(("one person", "one household", "two people"), model.shares, strict=True)),
        "match weights": {name: {k: round(v, 2) for k, v in each.items()} for name, each in model.weights.items()},
    }
    return Resolution(
        joined.link, joined.cluster, void, report, told, model, joined.scored, IdentityState(seen, *stored)
    )


@dataclass(frozen=True, slots=True)
class _Joined:
    """What came together: links, clusters, scored pairs; per node one of its neighbourhood; counts."""

    link: pl.DataFrame
    cluster: pl.DataFrame
    scored: pl.DataFrame
    neighbourhood: np.ndarray
    non_linking_count: int
    refused_count: int


def _joined(
    told: DistinctRecords,
    known: CorpusStatistics,
    model: Model,
    policy: IdentityPolicy,
    review: pl.DataFrame,
    blocked: pl.DataFrame,
) -> _Joined:
    withheld = {name: pl.Series(each) for name, each in known.crowded.items()}
    says = told.says.with_columns(
        told.bound.alias(BOUND), *(pl.when(~each).then(name).alias(name) for name, each in withheld.items())
    )
    distinct_count, decided = told.says.height, _on_nodes(review, told.records)
    exact = pl.concat([_linked(decided.filter("is_same"), "review"), _stars(says, policy.exact)])
    scored = score_pairs(blocked, told, model, policy)
    likely = scored.filter(pl.col("log_odds") >= policy.log_odds)
    ends = pl.concat([each.select("left", "right") for each in (exact, likely)])
    group = label_components(distinct_count, ends)
    more = _compared(find_uncompared_pairs(group, told.who, blocked), told, policy)
    if more.height:
        scored = pl.concat([scored, score_pairs(more, told, model, policy)])
    is_bound = told.bound.to_numpy()
    held = split_conflicts(distinct_count, exact, scored, policy.log_odds)
    links = pl.concat([exact, _probable(held, policy)])
    for identifier in policy.shareable:
        customers = pl.Series("customer", label_components(distinct_count, select_unifying_links(links, is_bound)))
        links = pl.concat([links, _attached(says.with_columns(customers), identifier)])
    links = enforce_cannot_link(distinct_count, links, decided.filter(~pl.col("is_same")))
    joining = select_unifying_links(links, is_bound)
    customers, firm = (label_components(distinct_count, each) for each in (joining, joining.filter("is_exact")))
    reach = label_components(distinct_count, pl.concat([ends, *(_said_alone(says, name) for name in policy.shareable)]))
    likely_count = int((scored["log_odds"] >= policy.log_odds).sum())
    return _Joined(
        build_links(links, told.records),
        build_clusters(told.records, customers, firm),
        scored.with_columns(pl.Series("is_linked", locate_pairs(scored, held.sort("left", "right"))[0])),
        reach,
        links.height - joining.height,
        likely_count - held.height,
    )


def _said_alone(says: pl.DataFrame, identifier: str) -> pl.DataFrame:
    """Pairs of nodes that share a value of `identifier` which one says without a first name: the first with each."""
    sharing = says.filter(pl.col(identifier).is_not_null()).filter(
        pl.col("first_name").is_null().any().over(identifier)
    )
    return sharing.select(left=pl.col("node").first().over(identifier), right="node")


def _blocked(told: DistinctRecords, known: CorpusStatistics, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs that blocking finds, and how they compare: left, right, rules and pattern."""
    who = np.flatnonzero(told.who.to_numpy())
    found = find_candidate_pairs(told.digest[who], [each[who] for each in known.cut], policy)
    number = pl.Series(who, dtype=pl.Int64)
    return _compared(
        found.with_columns(number.gather(found[side]).alias(side) for side in ("left", "right")), told, policy
    )


def _blocking(
    policy: IdentityPolicy, done: Sequence[BlockRefinement], blocked: pl.DataFrame
) -> list[dict[str, object]]:
    """What each blocking rule did, of all nodes."""
    rules = blocked["rules"].to_numpy()
    return [
        report_blocking(fields, split_conflicts, int(np.count_nonzero(rules >> at & 1)))
        for at, (fields, split_conflicts) in enumerate(zip(policy.blocking, done, strict=True))
    ]


def _compared(pairs: pl.DataFrame, told: DistinctRecords, policy: IdentityPolicy) -> pl.DataFrame:
    """`pairs` with how they compare, all levels as one number (`model.pattern`)."""
    levels = compare_pairs(pairs, told, policy).select(encode_pattern(list(policy.comparisons)))
    return pairs.with_columns(levels.to_series())


def _likely(told: DistinctRecords, pairs: pl.DataFrame, model: Model, policy: IdentityPolicy) -> pl.DataFrame:
    """Those of `pairs` (left, right) that are likely one person."""
    return score_pairs(_compared(pairs, told, policy), told, model, policy).filter(
        pl.col("log_odds") >= policy.log_odds
    )


def _learned(
    party: pl.DataFrame,
    epoch: RefitPlan,
    policy: IdentityPolicy,
    review: pl.DataFrame,
    as_nodes: Callable[[pl.DataFrame], DistinctRecords],
    every: tuple[DistinctRecords, pl.DataFrame],
) -> Model:
    """The model of the records of the epoch; `every`: nodes of all records, and their blocked pairs."""
    told, blocked = every
    records = party.filter(pl.col("drop_date") <= epoch.until)
    if records.height < party.height:
        told = as_nodes(records)
        blocked = _blocked(told, compute_statistics(told, policy)[0], policy)
    labels = _on_nodes(review, told.records)
    labels = compare_pairs(labels.select("left", "right"), told, policy).with_columns(labels["is_same"])
    return fit_model(blocked, told, policy, labels, _compared(sample_random_pairs(told, policy), told, policy))


def score_pairs(pairs: pl.DataFrame, told: DistinctRecords, model: Model, policy: IdentityPolicy) -> pl.DataFrame:
    """Pairs (left, right, pattern) with match weight, log odds, and whether fields that may contradict do, or agree."""
    of = PatternIndex.of(pairs, list(policy.comparisons))
    last = {name: len(LEVELS[each.kind]) - 1 for name, each in policy.comparisons.items() if each.contradicts}
    # Of no field that may contradict, none does and all agree.
    either = np.zeros((1, of.levels[next(iter(of.levels))].size), dtype=bool)
    differs = np.any([*either, *(of.levels[name] == place for name, place in last.items())], axis=0)
    agrees = np.all(
        [*~either, *((of.levels[name] >= 0) & (of.levels[name] < place) for name, place in last.items())], axis=0
    )
    scored = model.score(of, weigh_term_frequency(pairs, of, told, model))
    return pairs.select("left", "right", "pattern").with_columns(
        *scored,
        (pl.Series(differs[of.at]) & (scored["log_odds"] < 0)).alias("contradicts"),
        pl.Series("agrees", agrees[of.at]),
    )


def list_reviewed_records(review: pl.DataFrame) -> pl.DataFrame:
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
    of = PatternIndex.of(scored, list(policy.comparisons))
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
