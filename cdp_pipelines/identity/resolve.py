"""Identity resolution: from the records of `PARTY` to links and customers, step by step.

The order of the steps belongs here; each step belongs in the module that it is imported from. A wrong link breaches the
privacy of two people, a missing one makes one person two customers: where the evidence is ambiguous, records stay
separate. The result depends on the records alone, not on their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.clusters import (
    build_clusters,
    enforce_cannot_link,
    label_components,
    select_unifying_links,
    split_conflicts,
)
from cdp_pipelines.identity.links import (
    attach_unnamed_records,
    build_links,
    link_exactly,
    link_probably,
    list_shared_values,
    list_unnamed_sharing,
    map_reviews,
)
from cdp_pipelines.identity.pairs import find_candidate_pairs, locate_pairs
from cdp_pipelines.identity.patterns import compare_as_patterns
from cdp_pipelines.identity.scope import select_scope, train_model
from cdp_pipelines.identity.score import score_pairs, score_rest_of_groups, select_ends, select_likely
from cdp_pipelines.identity.state import IdentityState, build_record_state, count_over_shared, prune_frequencies

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.scope import ResolutionInput, Scope
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import ClusterRows, LinkRows


@dataclass(frozen=True, slots=True)
class Resolution:
    """The links (`LINK`) and customers (`CLUSTER`) of the records that were resolved, and how they came about.

    `resolved`: record_digest of these records and of those that left, whose former rows are void; None if all records
    were resolved. `scored`: compared pairs of distinct records (left, right, pattern, match_weight, log_odds,
    is_linked); `state`: what the next night starts from; `report`: counts by their names in words.
    """

    link: LinkRows
    cluster: ClusterRows
    resolved: pl.Series | None
    distinct: DistinctRecords
    model: Model
    scored: pl.DataFrame
    state: IdentityState
    report: dict[str, object]


def resolve(inputs: ResolutionInput) -> Resolution:
    """Find the customers of the records of `inputs.party`, all of them or those that the night's changes affect.

    A customer is named after its earliest record (drop date, channel, id), so its name stays when later records join.
    Links between distinct records stand for their earliest records, and further records of a distinct record are linked
    to it as `same`. `TrainingError` if the declared classifier needs more reviews than there are.
    """
    policy, scope = inputs.policy, select_scope(inputs)
    distinct, records = scope.distinct, scope.distinct.records
    shared, reviewed = list_shared_values(distinct, scope.statistics), map_reviews(inputs.review, distinct)

    candidates = find_candidate_pairs(distinct, scope.statistics.refinements, policy)
    compared = compare_as_patterns(candidates, distinct, policy)
    model = scope.model or train_model(inputs, scope, compared)
    exact = link_exactly(shared, reviewed, policy)
    scored = score_rest_of_groups(score_pairs(compared, distinct, model, policy), exact, distinct, model, policy)
    probable = split_conflicts(distinct.count, exact, scored, policy.min_log_odds)
    links = attach_unnamed_records(pl.concat([exact, link_probably(probable, policy)]), shared, policy)
    links = enforce_cannot_link(distinct.count, links, reviewed.filter(~pl.col("is_same")))
    unifying = select_unifying_links(links, distinct.non_linking.to_numpy())
    cluster = build_clusters(records, unifying, distinct.count)
    likely = select_likely(scored, policy)
    ties = pl.concat([select_ends(exact), select_ends(likely), list_unnamed_sharing(shared, policy)])
    resolved, state = update_state(inputs, scope, model, label_components(distinct.count, ties))

    link = build_links(links, records)
    report = {
        "records": inputs.party.height,
        "records new or changed": scope.affected.changed_count if scope.affected else inputs.party.height,
        "records resolved": records.height,
        "distinct records resolved": distinct.count,
        "pairs compared": scored.height + (scope.affected.pair_count if scope.affected else 0),
        "blocking": scope.report_blocking(candidates, policy),
        "over-shared identifiers": count_over_shared(state.records, policy),
        "links resolved": link.height,
        "links that join no profiles": links.height - unifying.height,
        "links refused": likely.height - probable.height,
        "reviews": inputs.review.height,
        **_describe_model(model, state),
    }
    is_linked = locate_pairs(scored, probable.sort("left", "right"))[0]
    scored = scored.with_columns(pl.Series("is_linked", is_linked))
    return Resolution(link, cluster, resolved, distinct, model, scored, state, report)


def update_state(
    inputs: ResolutionInput, scope: Scope, model: Model, component: NDArray[np.int64]
) -> tuple[pl.Series | None, IdentityState]:
    """The record_digest of the records whose former rows are void (None: all), and the state for the next night.

    `component`: per distinct record one of its component.
    """
    previous, affected = inputs.previous, scope.affected
    records = build_record_state(scope.distinct, scope.statistics, component, scope.fingerprints)
    if scope.model is not None and previous is not None:
        rows, frequency = previous.model, previous.frequency
    else:
        rows, frequency = scope.refit.describe_model(model)
    if previous is None or affected is None:
        return None, IdentityState(records, rows, frequency)
    resolved = pl.concat([records["record_digest"], affected.removed]).unique()
    kept = previous.records.filter(~pl.col("record_digest").is_in(resolved.implode()))
    records = pl.concat([kept, records])
    if affected.removed.len():
        frequency = prune_frequencies(records, frequency)
    return resolved, IdentityState(records, rows, frequency)


def _describe_model(model: Model, state: IdentityState) -> dict[str, object]:
    names = ("one person", "one household", "two people")
    return {
        "model origin": model.origin,
        "trained until": str(state.model["trained_until_date"].max()),
        "training records": state.model["training_record_count"].max(),
        "shares of pairs": dict(zip(names, model.shares, strict=True)),
        "match weights": {
            name: {level: round(weight, 2) for level, weight in levels.items()}
            for name, levels in model.weights_by_level().items()
        },
    }
