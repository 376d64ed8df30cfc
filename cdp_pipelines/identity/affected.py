"""What a night touches, of all that is there: its own records, and what hangs together with them.

What two records say of each other changes only where one of them does. But a block that one more record makes too large
is cut down for all that are in it, and an identifier that one more shares may be a crowd's: their records are touched
as well. All of it is found by the digests that are remembered; values are read of the records alone that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, build_blocks, pack_pair, refine_blocks
from cdp_pipelines.identity.state import DIGEST, digest_records
from cdp_pipelines.identity.statistics import BITS, CorpusStatistics, report_blocking
from cdp_pipelines.identity.values import is_identifying

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords


@dataclass(frozen=True, slots=True)
class Affected:
    """What a night touches: `rows` of its records, what `left`, by record, and how blocks changed.

    `cut`: (content, cut), what to add to what is remembered of a node; `crowded`: by identifier (digest, is_crowded) of
    the values touched; `report`: of each blocking rule what it did tonight; `new_count`: records new or changed;
    `pair_count`: pairs that were compared to find out.
    """

    rows: np.ndarray
    left: pl.Series
    cut: pl.DataFrame
    crowded: dict[str, pl.DataFrame]
    report: list[dict[str, object]]
    new_count: int
    pair_count: int


def find_affected(
    party: pl.DataFrame,
    marked: pl.DataFrame,
    before: pl.DataFrame,
    policy: IdentityPolicy,
    as_nodes: Callable[[pl.DataFrame], DistinctRecords],
    linked: Callable[[DistinctRecords, pl.DataFrame], pl.DataFrame],
) -> Affected:
    """What of `party` has to be looked at again after `before` (`SEEN`), with all that hangs together with it.

    `marked`: as of `marks`; `as_nodes`: `values.nodes` of some of its rows; `linked`: of pairs of such nodes (left,
    right) those that are likely one person.
    """
    every = _every(party, marked, before, as_nodes)
    moved = every.filter(~(pl.col("is_before") & pl.col("is_now")))
    # Nodes that other records of before and of now say as well have not changed.
    said = every.filter(pl.col("node").is_in(moved["node"].unique().implode()))
    nodes = said.group_by("node").agg(pl.col("is_before", "is_now").any())
    changed = nodes.filter(pl.col("is_before") != pl.col("is_now"))["node"]
    is_changed = every.select(pl.col("node").is_in(changed.implode())).to_series()
    is_who = every.select(is_identifying()).to_series()
    reached, cut, report, candidates = [moved["node"]], [], [], []
    for at, fields in enumerate(policy.blocking):
        shifted, more, pairs, told = _by_rule(every, is_changed & is_who, is_who, at, fields, policy)
        reached.append(shifted)
        cut.append(more)
        candidates.append(pairs)
        report.append(told)
    crowded = {}
    for name in policy.identifiers:
        crowded[name], sharing = _by_identifier(every, is_changed, name, policy)
        reached.append(sharing)
    pairs = pl.concat(candidates).unique(maintain_order=True)
    reached += _likely_nodes(every, pairs, party, as_nodes, linked)
    again = every.filter(pl.col("node").is_in(pl.concat(reached).unique().implode()))
    hood = again["neighbourhood"].drop_nulls().unique()
    inside = every.filter(pl.col("is_now"), pl.col("neighbourhood").is_in(hood.implode()) | ~pl.col("is_before"))
    return Affected(
        inside["row"].sort().to_numpy(),
        every.filter(~pl.col("is_now"))["record"],
        pl.concat(cut).group_by("content").agg(pl.col("cut").sum()),
        crowded,
        report,
        every.filter(~pl.col("is_before")).height,
        pairs.height,
    )


def _every(
    party: pl.DataFrame, marked: pl.DataFrame, before: pl.DataFrame, as_nodes: Callable[[pl.DataFrame], DistinctRecords]
) -> pl.DataFrame:
    """Records of before and of now, by digests: of one that has changed, what it said and what it says.

    `row`: its row in `party`, below 0 where it is there no more; `is_before`, `is_now`.
    """
    rows = marked.with_row_index("row").cast({"row": pl.Int64})
    known = before.select("fingerprint").join(rows, on="fingerprint", how="left", maintain_order="left")["row"]
    is_new = np.ones(party.height, dtype=bool)
    is_new[known.drop_nulls().to_numpy()] = False
    come = as_nodes(party.filter(pl.Series(is_new)))
    fresh = come.digest[come.records["node"]].rename({"content": "node"}).with_columns(digest_records(come.records))
    fresh = fresh.join(rows.select("record", "row"), on="record", how="left", maintain_order="left")
    digests = [pl.col(f"{name}{DIGEST}").alias(name) for name in come.digest.columns if name != "content"]
    held = before.select("record", "node", "neighbourhood", *digests, row=known.fill_null(-1))
    fresh = fresh.with_columns(neighbourhood=pl.lit(None, pl.Int64)).select(held.columns)
    both = [frame.with_columns(is_before=pl.lit(when)) for frame, when in ((held, True), (fresh, False))]
    return pl.concat(both).with_columns(is_now=pl.col("row") >= 0)


def _by_rule(
    every: pl.DataFrame,
    is_changed: pl.Series,
    is_who: pl.Series,
    at: int,
    fields: tuple[str, ...],
    policy: IdentityPolicy,
) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame, dict[str, object]]:
    """Of one blocking rule, in the blocks that changed.

    Nodes whose block is cut down otherwise than before; what to add to `cut` of these and of new ones; the pairs
    (content, other) of both with their blocks; what the rule did.
    """
    key = every.select(pack_pair(fields)).to_series()
    hit = key.filter(is_changed).drop_nulls().unique()
    wanted = dict.fromkeys([*fields, *policy.cut_by])
    inside = (
        every.filter(key.is_in(hit.implode()).fill_null(value=False) & is_who)
        .group_by("node", maintain_order=True)
        .agg(pl.col("is_before", "is_now").any(), *(pl.col(name).first() for name in wanted))
    )
    was, now = (inside.filter(when) for when in ("is_before", "is_now"))
    then, cut = refine_blocks(was, fields, policy), refine_blocks(now, fields, policy)
    before = was.select("node", then=pl.Series(then.of_node, dtype=pl.Int64))
    now = now.select(
        "node",
        build_blocks(now, fields, cut.of_node, policy),
        cut=pl.Series(cut.of_node, dtype=pl.Int64),
    ).join(before, on="node", how="left", maintain_order="left")
    moved = now.filter(pl.col("then").is_null() | (pl.col("then") != pl.col("cut")))
    pairs = (
        moved.select("node", "block").drop_nulls()
        .join(now.select("block", other="node"), on="block")
        .filter(pl.col("node") != pl.col("other"))
        .select(content=pl.min_horizontal("node", "other"), other=pl.max_horizontal("node", "other"))
        .unique(maintain_order=True)
    )  # fmt: skip
    more = moved.select(content="node", cut=(pl.col("cut") - pl.col("then").fill_null(NO_BLOCK)) * (1 << BITS * at))
    return moved.filter(pl.col("then").is_not_null())["node"], more, pairs, report_blocking(fields, cut, pairs.height)


def _by_identifier(
    every: pl.DataFrame, is_changed: pl.Series, name: str, policy: IdentityPolicy
) -> tuple[pl.DataFrame, pl.Series]:
    """Of one identifier, the values that nodes which changed have: (digest, is_crowded), and the nodes they join."""
    hit = every[name].filter(is_changed).drop_nulls().unique()
    inside = (
        every.filter(pl.col(name).is_in(hit.implode()))
        .group_by("node")
        .agg(
            pl.col("is_before", "is_now").any(),
            pl.col(name).first(),
            pl.col("first_name").first().is_null().alias("bare"),
        )
    )
    of_value = inside.group_by(name).agg(
        was=pl.col("is_before").sum() > policy.max_sharers,
        is_crowded=pl.col("is_now").sum() > policy.max_sharers,
        joins=pl.lit(name in policy.exact) | pl.col("bare").any(),
    )
    hangs = of_value.filter((pl.col("was") != pl.col("is_crowded")) | (~pl.col("is_crowded") & pl.col("joins")))
    return of_value.select(digest=name, is_crowded="is_crowded"), inside.join(hangs, on=name, how="semi")["node"]


def _likely_nodes(
    every: pl.DataFrame,
    pairs: pl.DataFrame,
    party: pl.DataFrame,
    as_nodes: Callable[[pl.DataFrame], DistinctRecords],
    linked: Callable[[DistinctRecords, pl.DataFrame], pl.DataFrame],
) -> list[pl.Series]:
    """The nodes of pairs (content, other) that are likely one person."""
    ends = pl.concat([pairs["content"], pairs["other"]]).unique()
    said = every.filter(pl.col("is_now"), pl.col("node").is_in(ends.implode())).unique("node", keep="first")
    told = as_nodes(party[said["row"].sort()])
    number = told.digest.select("content", at=pl.int_range(pl.len()))
    left, right = (pairs.join(number, left_on=side, right_on="content", how="left", maintain_order="left")["at"]
                   for side in pairs.columns)  # fmt: skip
    numbered = pl.select(left=pl.min_horizontal(left, right), right=pl.max_horizontal(left, right))
    likely = linked(told, numbered.sort("left", "right"))
    return [told.digest["content"].gather(likely[side]) for side in ("left", "right")]


def restore_statistics(
    told: DistinctRecords, before: pl.DataFrame, found: Affected, policy: IdentityPolicy
) -> CorpusStatistics:
    """What is true of `told`, some of tonight's nodes, by what is remembered and what the night changed."""
    content = told.digest.select("content")
    known = before.filter(pl.col("node").is_in(content["content"].implode())).unique("node")
    known = known.select("crowded", content="node", known="cut")
    of_node = content.join(known, on="content", how="left", maintain_order="left")
    of_node = of_node.join(found.cut, on="content", how="left", maintain_order="left")
    none = sum(NO_BLOCK << BITS * at for at in range(len(policy.blocking)))
    packed = (of_node["known"].fill_null(none) + of_node["cut"].fill_null(0)).to_numpy()
    bits = of_node["crowded"].fill_null(0).to_numpy()
    crowded = {}
    for at, name in enumerate(policy.identifiers):
        now = told.digest.select(name).join(found.crowded[name], left_on=name, right_on="digest", how="left",
                                            maintain_order="left")["is_crowded"]  # fmt: skip
        crowded[name] = np.where(now.is_null(), bits >> at & 1 == 1, now.fill_null(value=False))
    return CorpusStatistics([packed >> BITS * at & NO_BLOCK for at in range(len(policy.blocking))], crowded)
