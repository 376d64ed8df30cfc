"""Corpus statistics: how far each record's blocks are refined, and which identifiers are over-shared.

Both depend on all records. A night that resolves some of them takes the statistics from the state of the night before
(`restore_statistics`). The pairs that come of the blocks belong in `pairs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, BlockRefinement, refine_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cdp_pipelines.identity.affected import Affected
    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import RecordStateRows

# Bits per blocking rule in the packed column `block_refinement`.
BITS = 4


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """What holds for distinct records because of all other records.

    `refinements`: per blocking rule the refinement of each one's block (`pairs.BlockRefinement.of_record`);
    `over_shared`: by identifier, whether each one's value of it is over-shared and so joins nobody.
    """

    refinements: Sequence[NDArray[np.int64]]
    over_shared: Mapping[str, NDArray[np.bool_]]


def compute_statistics(
    distinct: DistinctRecords, policy: IdentityPolicy
) -> tuple[CorpusStatistics, list[BlockRefinement]]:
    """The statistics of `distinct`, which are all distinct records, and what each blocking rule's refinement did."""
    identifying = np.flatnonzero(distinct.is_identifying.to_numpy())
    digests = distinct.digests[identifying]
    done = [refine_blocks(digests, fields, policy) for fields in policy.blocking]
    refinements = []
    for refinement in done:
        of_record = np.full(distinct.count, NO_BLOCK)
        of_record[identifying] = refinement.of_record
        refinements.append(of_record)
    over_shared = {}
    for name in policy.identifiers:
        numbers = distinct.codes[name]
        counts = np.bincount(numbers.drop_nulls().to_numpy(), minlength=1)
        is_over_shared = pl.Series(counts > policy.max_sharers)
        over_shared[name] = is_over_shared.gather(numbers).fill_null(value=False).to_numpy()
    return CorpusStatistics(refinements, over_shared), done


def restore_statistics(
    distinct: DistinctRecords, previous: RecordStateRows, affected: Affected, policy: IdentityPolicy
) -> CorpusStatistics:
    """The statistics of `distinct`, some of tonight's distinct records: those of `previous`, and what changed since."""
    content = distinct.digests.select("content")
    known = previous.filter(pl.col("distinct_digest").is_in(content["content"].implode())).unique("distinct_digest")
    known = known.select("over_shared", content="distinct_digest", known="block_refinement")
    of_record = content.join(known, on="content", how="left", maintain_order="left")
    of_record = of_record.join(affected.refinement_changes, on="content", how="left", maintain_order="left")
    no_blocks = sum(NO_BLOCK << BITS * place for place in range(len(policy.blocking)))
    packed = (of_record["known"].fill_null(no_blocks) + of_record["change"].fill_null(0)).to_numpy()
    bits = of_record["over_shared"].fill_null(0).to_numpy()
    over_shared = {}
    for place, name in enumerate(policy.identifiers):
        digests = distinct.digests.select(name)
        changed = digests.join(
            affected.over_shared[name], left_on=name, right_on="digest", how="left", maintain_order="left"
        )["is_over_shared"]
        over_shared[name] = np.where(changed.is_null(), bits >> place & 1 == 1, changed.fill_null(value=False))
    refinements = [packed >> BITS * place & NO_BLOCK for place in range(len(policy.blocking))]
    return CorpusStatistics(refinements, over_shared)


def pack_refinements(statistics: CorpusStatistics, count: int) -> NDArray[np.int64]:
    """The refinements of all blocking rules as one number per distinct record: four bits per rule, the first lowest."""
    packed = np.zeros(count, dtype=np.int64)
    for place, of_rule in enumerate(statistics.refinements):
        packed += of_rule << BITS * place
    return packed


def pack_over_shared(statistics: CorpusStatistics, count: int) -> NDArray[np.int64]:
    """The over-shared identifiers as one number per distinct record: a bit per identifier, the first lowest."""
    packed = np.zeros(count, dtype=np.int64)
    for place, of_identifier in enumerate(statistics.over_shared.values()):
        packed += of_identifier.astype(np.int64) << place
    return packed


def report_blocking(fields: tuple[str, ...], refinement: BlockRefinement, pair_count: int) -> dict[str, object]:
    """What a blocking rule did: its pairs, and the blocks that were refined and skipped."""
    return {
        "rule": "+".join(fields),
        "pairs": pair_count,
        "largest block": refinement.largest if refinement.largest > 1 else 0,
        "blocks refined": refinement.refined_count,
        "blocks skipped": refinement.skipped_count,
    }
