"""Scope of a resolution: its input, the records that it resolves, and the model that it scores them with.

What is decided before the first pair is scored belongs here: all records or only those that changes affect, the last
night's model or a new one. The steps themselves belong in `resolve`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.affected import find_affected
from cdp_pipelines.identity.classifiers import train_classifier
from cdp_pipelines.identity.fellegi_sunter import train_fellegi_sunter
from cdp_pipelines.identity.links import list_separated_records, map_reviews
from cdp_pipelines.identity.model_refresh import RefitPlan
from cdp_pipelines.identity.pairs import count_pairs_by_rule, find_candidate_pairs, sample_random_pairs
from cdp_pipelines.identity.patterns import compare_as_patterns
from cdp_pipelines.identity.score import score_pairs, select_likely
from cdp_pipelines.identity.state import compute_configuration_digest, fingerprint_records
from cdp_pipelines.identity.statistics import compute_statistics, report_blocking, restore_statistics
from cdp_pipelines.identity.values import build_distinct_records
from cdp_pipelines.schema import REVIEW

if TYPE_CHECKING:
    from cdp_pipelines.identity.affected import Affected
    from cdp_pipelines.identity.model import Model
    from cdp_pipelines.identity.pairs import BlockRefinement
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.state import IdentityState
    from cdp_pipelines.identity.statistics import CorpusStatistics
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import PartyRows, ReviewRows


@dataclass(frozen=True, slots=True)
class ResolutionInput:
    """What one resolution reads.

    `party`: `PARTY`. `review`: `REVIEW`, what clerks decided on pairs of records; it outranks all other evidence, and
    the model learns from it. `non_linking`: channels whose data was not collected to unify profiles: their links are
    recorded, but join no two customers. `previous`: the state that the night before left: only what changed since, and
    what these changes affect, is resolved then, with the same result as among all records. `code_digest`: versions of
    the code that resolves; a state of other code is not used.
    """

    party: PartyRows
    policy: IdentityPolicy
    review: ReviewRows = field(default_factory=REVIEW.empty)
    non_linking: tuple[str, ...] = ()
    previous: IdentityState | None = None
    code_digest: str = ""

    def build_distinct(self, party: PartyRows) -> DistinctRecords:
        """The distinct records of some rows of `party`."""
        return build_distinct_records(party, self.policy, list_separated_records(self.review), self.non_linking)


@dataclass(frozen=True, slots=True)
class Scope:
    """The records that a night resolves.

    `fingerprints`: of all records (`fingerprint_records`); `refit`: on which records the model is to be trained;
    `model`: the last night's, if it still holds; `distinct`, `statistics`: of the records to resolve; `affected`: what
    the night's changes affect, None if all records are resolved; `refinements`: what each blocking rule's refinement
    did, if all are.
    """

    fingerprints: pl.DataFrame
    refit: RefitPlan
    model: Model | None
    distinct: DistinctRecords
    statistics: CorpusStatistics
    affected: Affected | None
    refinements: list[BlockRefinement]

    def report_blocking(self, candidates: pl.DataFrame, policy: IdentityPolicy) -> list[dict[str, object]]:
        """What each blocking rule did; `candidates`: the candidate pairs."""
        if self.affected is not None:
            return self.affected.blocking
        counts = count_pairs_by_rule(candidates, policy)
        return [report_blocking(*of_rule) for of_rule in zip(policy.blocking, self.refinements, counts, strict=True)]


def select_scope(inputs: ResolutionInput) -> Scope:
    """Select the records to resolve: those that changes since `inputs.previous` affect if its model holds, else all."""
    policy, previous = inputs.policy, inputs.previous
    configuration = compute_configuration_digest(policy, inputs.code_digest, inputs.non_linking)
    fingerprints = fingerprint_records(inputs.party, policy, inputs.review, configuration)
    refit = RefitPlan.of(inputs.party, fingerprints, policy, configuration)
    model = refit.reuse_model(previous, policy)
    if model is None or previous is None or previous.records.is_empty():
        distinct = inputs.build_distinct(inputs.party)
        statistics, refinements = compute_statistics(distinct, policy)
        return Scope(fingerprints, refit, model, distinct, statistics, None, refinements)
    likely = partial(_select_likely, model=model, policy=policy)
    affected = find_affected(inputs.party, fingerprints, previous.records, policy, inputs.build_distinct, likely)
    distinct = inputs.build_distinct(inputs.party[affected.rows])
    statistics = restore_statistics(distinct, previous.records, affected, policy)
    return Scope(fingerprints, refit, model, distinct, statistics, affected, [])


def _select_likely(
    distinct: DistinctRecords, pairs: pl.DataFrame, model: Model, policy: IdentityPolicy
) -> pl.DataFrame:
    """Those of `pairs` (left, right) that are likely one person."""
    return select_likely(score_pairs(compare_as_patterns(pairs, distinct, policy), distinct, model, policy), policy)


def train_model(inputs: ResolutionInput, scope: Scope, compared: pl.DataFrame) -> Model:
    """Train the declared classifier on the records of the refit plan.

    `compared`: the candidate pairs of all records, which are those of the plan in most nights.
    """
    policy, distinct = inputs.policy, scope.distinct
    records = inputs.party.filter(pl.col("drop_date") <= scope.refit.until)
    if records.height < inputs.party.height:
        distinct = inputs.build_distinct(records)
        statistics, _ = compute_statistics(distinct, policy)
        candidates = find_candidate_pairs(distinct, statistics.refinements, policy)
        compared = compare_as_patterns(candidates, distinct, policy)
    reviewed = compare_as_patterns(map_reviews(inputs.review, distinct), distinct, policy)
    if policy.classifier != "fellegi_sunter":
        return train_classifier(compared, policy, reviewed)
    random = compare_as_patterns(sample_random_pairs(distinct, policy), distinct, policy)
    return train_fellegi_sunter(compared, distinct, policy, reviewed, random)
