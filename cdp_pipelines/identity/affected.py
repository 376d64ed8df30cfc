"""Affected records: those that a night has to resolve again, its changes and the components that these reach.

Finding them belongs here; the state that they are found by belongs in `state`. What two records state about each other
changes only if one of them changes. But one more record may make a block too large, which is then refined for all of
its records, and may make an identifier over-shared: the records of both are affected too. All of it is found by the
digests of the state; values are read only of the records that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, build_blocks, pack_block, refine_blocks
from cdp_pipelines.identity.state import DIGEST, digest_records
from cdp_pipelines.identity.statistics import BITS, report_blocking
from cdp_pipelines.identity.values import is_identifying

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import PartyRows, RecordStateRows

    # Deduplicates some rows of PARTY; selects those pairs (left, right) of distinct records that are likely one person.
    Deduplicate = Callable[[PartyRows], DistinctRecords]
    SelectLikely = Callable[[DistinctRecords, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Affected:
    """What a night's changes affect.

    `rows`: rows of `PARTY` to resolve; `removed`: record_digest of the records that left; `refinement_changes`:
    (content, change), what to add to the packed block refinements of a distinct record; `over_shared`: by identifier
    (digest, is_over_shared) of the values that changed records have; `blocking`: per blocking rule what it did tonight;
    `changed_count`: records new or changed; `pair_count`: pairs compared to find all this.
    """

    rows: NDArray[np.int64]
    removed: pl.Series
    refinement_changes: pl.DataFrame
    over_shared: Mapping[str, pl.DataFrame]
    blocking: list[dict[str, object]]
    changed_count: int
    pair_count: int


@dataclass(frozen=True, slots=True)
class _RuleChanges:
    """What changed under one blocking rule: distinct records whose refinement did, by how much, and the new pairs."""

    refined: pl.Series
    refinement_changes: pl.DataFrame
    pairs: pl.DataFrame
    report: dict[str, object]


def find_affected(
    party: PartyRows,
    fingerprints: pl.DataFrame,
    previous: RecordStateRows,
    policy: IdentityPolicy,
    deduplicate: Deduplicate,
    select_likely: SelectLikely,
) -> Affected:
    """Find the records of `party` that the changes since `previous` affect.

    `fingerprints`: those of `party`, as of `fingerprint_records`; `deduplicate`, `select_likely`: by tonight's model.
    """
    records = _compare_with_previous(party, fingerprints, previous, deduplicate)
    moved = records.filter(~(pl.col("is_before") & pl.col("is_now")))
    # A distinct record that other records have before and now has not changed.
    touched = records.filter(pl.col("distinct").is_in(moved["distinct"].unique().implode()))
    presence = touched.group_by("distinct").agg(pl.col("is_before", "is_now").any())
    changed = presence.filter(pl.col("is_before") != pl.col("is_now"))["distinct"]
    is_changed = records.select(pl.col("distinct").is_in(changed.implode())).to_series()
    by_rule = [_find_rule_changes(records, is_changed, number, policy) for number in range(len(policy.blocking))]
    over_shared, reached = {}, [moved["distinct"], *(changes.refined for changes in by_rule)]
    for name in policy.identifiers:
        over_shared[name], sharing = _find_sharing(records, is_changed, name, policy)
        reached.append(sharing)
    pairs = pl.concat([changes.pairs for changes in by_rule]).unique(maintain_order=True)
    reached += _find_likely(records, pairs, party, deduplicate, select_likely)
    again = records.filter(pl.col("distinct").is_in(pl.concat(reached).unique().implode()))
    components = again["component_digest"].drop_nulls().unique()
    is_inside = pl.col("component_digest").is_in(components.implode()) | ~pl.col("is_before")
    refinement_changes = pl.concat([changes.refinement_changes for changes in by_rule])
    return Affected(
        rows=records.filter(pl.col("is_now"), is_inside)["row"].sort().to_numpy(),
        removed=records.filter(~pl.col("is_now"))["record_digest"],
        refinement_changes=refinement_changes.group_by("content").agg(pl.col("change").sum()),
        over_shared=over_shared,
        blocking=[changes.report for changes in by_rule],
        changed_count=records.filter(~pl.col("is_before")).height,
        pair_count=pairs.height,
    )


def _compare_with_previous(
    party: PartyRows, fingerprints: pl.DataFrame, previous: RecordStateRows, deduplicate: Deduplicate
) -> pl.DataFrame:
    """Records of before and of now by their digests; a changed record has a row for either.

    Columns: record_digest, distinct (its digest), component_digest, the digests of fields and parts, row (in `party`,
    below 0 for a record that left), is_before, is_now.
    """
    rows = fingerprints.with_row_index("row").cast({"row": pl.Int64})
    known = previous.select("fingerprint").join(rows, on="fingerprint", how="left", maintain_order="left")["row"]
    is_new = np.ones(party.height, dtype=bool)
    is_new[known.drop_nulls().to_numpy()] = False
    new = deduplicate(party.filter(pl.Series(is_new)))
    digests = [pl.col(f"{name}{DIGEST}").alias(name) for name in new.digests.columns if name != "content"]
    before = previous.select(
        "record_digest",
        pl.col("distinct_digest").alias("distinct"),
        "component_digest",
        *digests,
        row=known.fill_null(-1),
    )
    now = new.digests[new.records["distinct"]].rename({"content": "distinct"})
    now = now.with_columns(digest_records(new.records), component_digest=pl.lit(None, pl.Int64))
    now = now.join(rows.select("record_digest", "row"), on="record_digest", how="left", maintain_order="left")
    both = [
        before.with_columns(is_before=pl.lit(value=True)),
        now.select(before.columns).with_columns(is_before=pl.lit(value=False)),
    ]
    return pl.concat(both).with_columns(is_now=pl.col("row") >= 0)


def _find_rule_changes(
    records: pl.DataFrame, is_changed: pl.Series, number: int, policy: IdentityPolicy
) -> _RuleChanges:
    """What changed under one blocking rule, in the blocks of changed records."""
    fields = policy.blocking[number]
    is_compared = records.select(is_identifying()).to_series()
    key = records.select(pack_block(fields)).to_series()
    changed_blocks = key.filter(is_changed & is_compared).drop_nulls().unique()
    needed = dict.fromkeys([*fields, *policy.refine_by])
    inside = (
        records.filter(key.is_in(changed_blocks.implode()).fill_null(value=False) & is_compared)
        .group_by("distinct", maintain_order=True)
        .agg(pl.col("is_before", "is_now").any(), *(pl.col(name).first() for name in needed))
    )
    before, now = inside.filter("is_before"), inside.filter("is_now")
    refinement_before, refinement = (refine_blocks(frame, fields, policy) for frame in (before, now))
    former = before.select("distinct", former=pl.Series(refinement_before.of_record, dtype=pl.Int64))
    now = now.select(
        "distinct",
        build_blocks(now, fields, refinement.of_record, policy),
        refinement=pl.Series(refinement.of_record, dtype=pl.Int64),
    ).join(former, on="distinct", how="left", maintain_order="left")
    moved = now.filter(pl.col("former").is_null() | (pl.col("former") != pl.col("refinement")))
    pairs = (
        moved.select("distinct", "block")
        .drop_nulls()
        .join(now.select("block", other="distinct"), on="block")
        .filter(pl.col("distinct") != pl.col("other"))
        .select(
            content=pl.min_horizontal("distinct", "other"),
            other=pl.max_horizontal("distinct", "other"),
        )
        .unique(maintain_order=True)
    )
    change = (pl.col("refinement") - pl.col("former").fill_null(NO_BLOCK)) * (1 << BITS * number)
    return _RuleChanges(
        refined=moved.filter(pl.col("former").is_not_null())["distinct"],
        refinement_changes=moved.select(content="distinct", change=change),
        pairs=pairs,
        report=report_blocking(fields, refinement, pairs.height),
    )


def _find_sharing(
    records: pl.DataFrame, is_changed: pl.Series, name: str, policy: IdentityPolicy
) -> tuple[pl.DataFrame, pl.Series]:
    """Of one identifier's values that changed records have: (digest, is_over_shared), and the records they join."""
    values = records[name].filter(is_changed).drop_nulls().unique()
    inside = (
        records.filter(pl.col(name).is_in(values.implode()))
        .group_by("distinct")
        .agg(
            pl.col("is_before", "is_now").any(),
            pl.col(name).first(),
            pl.col("first_name").first().is_null().alias("is_unnamed"),
        )
    )
    of_value = inside.group_by(name).agg(
        was_over_shared=pl.col("is_before").sum() > policy.max_sharers,
        is_over_shared=pl.col("is_now").sum() > policy.max_sharers,
        can_join=pl.lit(name in policy.exact) | pl.col("is_unnamed").any(),
    )
    is_other = pl.col("was_over_shared") != pl.col("is_over_shared")
    joining = of_value.filter(is_other | (~pl.col("is_over_shared") & pl.col("can_join")))
    sharing = inside.join(joining, on=name, how="semi")["distinct"]
    return of_value.select(digest=name, is_over_shared="is_over_shared"), sharing


def _find_likely(
    records: pl.DataFrame,
    pairs: pl.DataFrame,
    party: PartyRows,
    deduplicate: Deduplicate,
    select_likely: SelectLikely,
) -> list[pl.Series]:
    """The distinct records, by digest, of those pairs (content, other) that are likely one person."""
    ends = pl.concat([pairs["content"], pairs["other"]]).unique()
    first = records.filter(pl.col("is_now"), pl.col("distinct").is_in(ends.implode())).unique("distinct", keep="first")
    distinct = deduplicate(party[first["row"].sort()])
    numbers = distinct.digests.select("content", number=pl.int_range(pl.len()))
    left, right = (
        pairs.join(numbers, left_on=side, right_on="content", how="left", maintain_order="left")["number"]
        for side in pairs.columns
    )
    numbered = pl.select(left=pl.min_horizontal(left, right), right=pl.max_horizontal(left, right))
    likely = select_likely(distinct, numbered.sort("left", "right"))
    return [distinct.digests["content"].gather(likely[side]) for side in ("left", "right")]
