"""Candidate pairs: each pair once, over several blocking rules, none of which is allowed to explode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from cdp_pipelines.identity.memory import Recalled
    from cdp_pipelines.identity.policy import IdentityPolicy

PAIR = {"left": pl.Int64, "right": pl.Int64, "rules": pl.Int64}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs (left, right, rules), and per node of all the rules in which its block was too large.

    `rules` and `large`: one bit per blocking rule, in their order; `report`: what each rule did.
    """

    pairs: pl.DataFrame
    large: np.ndarray
    report: list[dict[str, object]]


def block(frame: pl.DataFrame, policy: IdentityPolicy, before: Recalled) -> Candidates:
    """Pairs of nodes that agree on any blocking rule; key (left, right) with left < right, in this order.

    `frame`: node and the numbers of its values (`values.Nodes.among`). A block of more than `policy.max_block` nodes is
    cut down by the fields of `policy.cut_by`, one after another; what is still too large then is skipped and counted:
    a value that so many share is a placeholder or a switchboard. Only blocks that have a new node, or were too large
    before, are made; the pairs of all others are those of `before`.
    """
    found, report, at_work = [], [], np.zeros(before.is_new.size, dtype=np.int64)
    large = np.zeros(before.is_new.size, dtype=np.int64)
    numbers = {
        name: frame[name].cast(pl.Int64).fill_null(-1).to_numpy() for fields in policy.blocking for name in fields
    }
    for at, fields in enumerate(policy.blocking):
        touched = _touched(
            frame, {name: numbers[name] for name in fields}, before.is_new | (before.large >> at & 1 == 1)
        )
        at_work[touched["node"]] |= 1 << at
        pairs, in_large, told = _of_rule(touched, fields, policy)
        large[in_large] |= 1 << at
        found.append(pairs.with_columns(pl.lit(1 << at, pl.Int64).alias("rules")))
        report.append({"rule": "+".join(fields), **told})
    pairs = _together(before.pairs, at_work, pl.concat(found))
    rules, left, right = (pairs[name].to_numpy() for name in ("rules", "left", "right"))
    for at, told in enumerate(report):
        rows = np.flatnonzero(rules >> at & 1)
        told["pairs"] = rows.size
        if not told["largest block"] and rows.size:
            # All blocks are whole: a node of the largest has a pair with each other one of it.
            told["largest block"] = int(np.bincount(np.concatenate([left[rows], right[rows]])).max()) + 1
    return Candidates(pairs, large, report)


def merged(one: pl.DataFrame, few: pl.DataFrame) -> pl.DataFrame:
    """Two frames of pairs that are in order of (left, right) as one; cheap where the second is small."""
    if one.is_empty():
        return few
    at = np.searchsorted(packed(one), packed(few))
    return pl.DataFrame(
        [pl.Series(name, np.insert(one[name].to_numpy(), at, few[name].to_numpy())) for name in one.columns]
    )


def places(pairs: pl.DataFrame, among: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each of `pairs` whether it is `among` pairs that are in order, and the row of it where it is."""
    if among.is_empty():
        return np.zeros(pairs.height, dtype=bool), np.zeros(pairs.height, dtype=np.int64)
    wanted, known = packed(pairs), packed(among)
    at = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return known[at] == wanted, at


def packed(pairs: pl.DataFrame) -> np.ndarray:
    """Each pair (left, right) as one number, which orders them alike."""
    return (pairs["left"].to_numpy() << 32) | pairs["right"].to_numpy()


def _touched(frame: pl.DataFrame, fields: dict[str, np.ndarray], is_touched: np.ndarray) -> pl.DataFrame:
    """The nodes of `frame` in whose blocks there is a touched one; `fields`: numbers that make a block, -1 for none."""
    at = is_touched[frame["node"].to_numpy()]
    if at.all():
        return frame
    # First by each field alone, which takes an array to look up in.
    likely = np.ones(at.size, dtype=bool)
    for numbers in fields.values():
        is_shared = np.zeros(numbers.max(initial=-1) + 2, dtype=bool)
        is_shared[numbers[at]] = True
        is_shared[-1] = False
        likely &= is_shared[numbers]
    keys = frame.filter(at).select(*fields).unique()
    return frame.filter(likely).join(keys, on=list(fields), how="semi", maintain_order="left")


def _together(before: pl.DataFrame, at_work: np.ndarray, found: pl.DataFrame) -> pl.DataFrame:
    """Pairs of before, but for those of blocks that were made anew, and those found now; each once, in order.

    `at_work`: per node a bit for each rule whose block of it was made anew.
    """
    again = at_work[before["left"].to_numpy()] & at_work[before["right"].to_numpy()]
    kept = before["rules"].to_numpy() & ~again
    now = found.group_by("left", "right").agg(pl.col("rules").sum()).sort("left", "right")
    is_known, at = places(now, before)
    kept[at[is_known]] |= now["rules"].to_numpy()[is_known]
    both = before.select("left", "right", pl.Series("rules", kept)).filter(pl.col("rules") != 0)
    return merged(both, now.filter(~is_known))


def _of_rule(
    frame: pl.DataFrame, fields: tuple[str, ...], policy: IdentityPolicy
) -> tuple[pl.DataFrame, np.ndarray, dict[str, int]]:
    """Pairs of one rule, the nodes whose blocks are too large for it, and how large (0 where none is)."""
    on, pairs, cut, largest = list(fields), [], 0, 0
    in_large = np.empty(0, dtype=np.int64)
    rest = frame.select("node", *dict.fromkeys([*fields, *policy.cut_by])).drop_nulls(on)
    for more in (None, *(name for name in policy.cut_by if name not in fields)):
        if more:
            on.append(more)
            rest = rest.drop_nulls(more)
        sized = rest.with_columns(pl.len().over(on).alias("size")).filter(pl.col("size") > 1)
        kept = sized.filter(pl.col("size") <= policy.max_block).select("node", *on)
        pairs.append(
            kept.join(kept, on=on, suffix="_right")
            .filter(pl.col("node") < pl.col("node_right"))
            .select(pl.col("node").alias("left"), pl.col("node_right").alias("right"))
        )
        rest = sized.filter(pl.col("size") > policy.max_block)
        if more is None and rest.height:
            largest = rest["size"].max()
            cut = rest.select(on).n_unique()
            in_large = rest["node"].to_numpy()
        rest = rest.drop("size")
        if rest.is_empty():
            break
    skipped = rest.select(on).n_unique() if rest.height else 0
    told = {"pairs": 0, "largest block": largest, "blocks cut down": cut, "blocks skipped": skipped}
    return pl.concat(pairs), in_large, told
