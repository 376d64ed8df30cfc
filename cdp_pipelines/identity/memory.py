"""What a night leaves to the next, and what of it a night's records touch.

Records hang together where one may decide what becomes of the other: they are linked, a clerk joined them, or one of
them says an identifier alone. Such a neighbourhood is resolved for itself, by what is true of all records: the model,
which blocks are too large, which identifiers a crowd shares. So a night looks again at the neighbourhoods alone that
its changes touch, and what it finds is what it would have found among all records.

Values are remembered as digests, by which shared ones are found; who said them is found among tonight's records.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.identity.pairs import NO_BLOCK, Cut, blocks, cuts, key_of
from cdp_pipelines.identity.values import says_who, told_by
from cdp_pipelines.tables import SEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import Nodes

_RECORD = ["channel", "source_record_id"]
# Of how far blocks are cut down, for each rule so many bits.
_BITS = 4
# Digests of values, as they are named where they are remembered.
_DIGEST = "_digest"


@dataclass(frozen=True, slots=True)
class Memory:
    """Every record of the last night (`SEEN`), the model (`MODEL`) and the values it was learned from (`FREQUENCY`)."""

    seen: pl.DataFrame
    model: pl.DataFrame
    frequency: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of nodes because of all others.

    `cut`: per blocking rule, how far each node's block is cut down (`pairs.Cut`); `crowded`: by identifier, whether
    each node's value of it is shared by so many that it joins nobody.
    """

    cut: list[np.ndarray]
    crowded: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Touched:
    """What a night touches: `rows` of its records, what `left`, by record, and how blocks changed.

    `cut`: (content, cut), what to add to what is remembered of a node; `crowded`: by identifier (digest, is_crowded) of
    the values touched; `report`: of each blocking rule what it did tonight; `n_new`: records new or changed; `n_pairs`:
    pairs that were compared to find out.
    """

    rows: np.ndarray
    left: pl.Series
    cut: pl.DataFrame
    crowded: dict[str, pl.DataFrame]
    report: list[dict[str, object]]
    n_new: int
    n_pairs: int


def salt(policy: IdentityPolicy, made_by: str, bound: Collection[str]) -> int:
    """A number that changes with the rules and with what carries them out: what was made otherwise is not remembered.

    `made_by`: versions of the code and the libraries that resolve.
    """
    return int.from_bytes(sha256(f"{policy.model_dump_json()}{made_by}{sorted(bound)}".encode()).digest()[:7])


def record_of(records: pl.DataFrame, prefix: str = "") -> pl.Series:
    """A digest of each record's channel and id, the same in every night."""
    named = records.select(pl.col(f"{prefix}{name}").alias(name) for name in _RECORD)
    return named.hash_rows(seed=0).reinterpret(signed=True).alias("record")


def about(rows: pl.DataFrame, records: pl.Series | None, prefix: str = "") -> pl.DataFrame:
    """Those of `rows` that are about `records` (as of `record_of`; None: all).

    `prefix`: of the columns channel and source_record_id by which a row is known to be about a record.
    """
    return rows if records is None else rows.filter(record_of(rows, prefix).is_in(records.implode()))


def renewed(before: pl.DataFrame, found: pl.DataFrame, void: pl.Series | None, prefix: str = "") -> pl.DataFrame:
    """Rows of `before` but for those about the records `void` (None: all), and those `found` instead."""
    if void is None:
        return found
    return pl.concat([before.filter(~record_of(before, prefix).is_in(void.implode())), found])


def marks(party: pl.DataFrame, policy: IdentityPolicy, review: pl.DataFrame, number: int) -> pl.DataFrame:
    """`record` of each record of `party`, and `fingerprint`: of all it says, what was decided on it, and `number`."""
    record = record_of(party)
    decided = pl.concat(
        [
            pl.DataFrame([record_of(review, f"{side}_"), review.hash_rows(seed=number).alias("decided")])
            for side in ("left", "right")
        ]
    )
    told = party.select("drop_date", *told_by(policy)).with_columns(record)
    if decided.height:
        decided = decided.group_by("record").agg(pl.col("decided").sum())
        told = told.join(decided, on="record", how="left", maintain_order="left")
    return pl.DataFrame([record, told.hash_rows(seed=number).reinterpret(signed=True).alias("fingerprint")])


def touched(
    party: pl.DataFrame,
    marked: pl.DataFrame,
    before: pl.DataFrame,
    policy: IdentityPolicy,
    as_nodes: Callable[[pl.DataFrame], Nodes],
    linked: Callable[[Nodes, pl.DataFrame], pl.DataFrame],
) -> Touched:
    """What of `party` has to be looked at again after `before` (`SEEN`), with all that hangs together with it.

    `marked`: as of `marks`; `as_nodes`: `values.nodes` of some of its rows; `linked`: of pairs of such nodes (left,
    right) those that are likely one person.
    """
    found = marked.join(
        before.select("record", "fingerprint", at=pl.int_range(pl.len())),
        on=["record", "fingerprint"],
        how="left",
        maintain_order="left",
    )["at"]
    is_new = found.is_null().to_numpy()
    row = np.full(before.height, -1)
    row[found.drop_nulls().to_numpy()] = np.flatnonzero(~is_new)
    come = as_nodes(party.filter(pl.Series(is_new)))
    fresh = come.digest[come.records["node"]].rename({"content": "node"}).with_columns(record_of(come.records))
    fresh = fresh.join(
        marked.select("record", row=pl.int_range(pl.len())), on="record", how="left", maintain_order="left"
    )
    names = come.digest.drop("content").columns
    known = before.select(
        "record", "node", "neighbourhood", *(pl.col(f"{name}{_DIGEST}").alias(name) for name in names)
    )
    fresh = fresh.with_columns(neighbourhood=pl.lit(None, pl.Int64)).select(*known.columns, "row")
    every = pl.concat(
        [
            known.with_columns(row=pl.Series(row), is_before=pl.lit(value=True)),
            fresh.with_columns(is_before=pl.lit(value=False)),
        ],
        rechunk=True,
    ).with_columns(is_now=pl.col("row") >= 0)
    moved = every.filter(~(pl.col("is_before") & pl.col("is_now")))
    # Nodes that other records of before and of now say as well have not changed.
    same = (
        every.filter(pl.col("node").is_in(moved["node"].unique().implode()))
        .group_by("node")
        .agg(pl.col("is_before", "is_now").any())
    )
    changed = same.filter(pl.col("is_before") != pl.col("is_now"))["node"]
    is_changed = every.select(pl.col("node").is_in(changed.implode())).to_series()
    is_who = every.select(says_who()).to_series()
    reached, cut, report, candidates = [moved["node"]], [], [], []
    for at, fields in enumerate(policy.blocking):
        shifted, more, pairs, told = _by_rule(every, is_changed, is_who, at, fields, policy)
        reached.append(shifted)
        cut.append(more)
        candidates.append(pairs)
        report.append(told)
    of_value = {}
    for name in identifiers(policy):
        of_value[name], hit = _by_identifier(every, is_changed, name, policy)
        reached.append(hit)
    pairs = pl.concat(candidates).unique(maintain_order=True)
    reached += _joined(every, pairs, party, as_nodes, linked)
    again = every.filter(pl.col("node").is_in(pl.concat(reached).unique().implode()) | ~pl.col("is_now"))
    hood = again["neighbourhood"].drop_nulls().unique()
    inside = every.filter(pl.col("is_now"), pl.col("neighbourhood").is_in(hood.implode()) | ~pl.col("is_before"))
    total = pl.concat(cut).group_by("content").agg(pl.col("cut").sum())
    left = every.filter(~pl.col("is_now"))["record"]
    return Touched(inside["row"].sort().to_numpy(), left, total, of_value, report, int(is_new.sum()), pairs.height)


def identifiers(policy: IdentityPolicy) -> list[str]:
    """Identifiers by which records are linked; each once."""
    return list(dict.fromkeys([*policy.exact, *policy.shareable]))


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
    key = every.select(key_of(fields)).to_series()
    hit = key.filter(is_changed & is_who).drop_nulls().unique()
    wanted = dict.fromkeys([*fields, *policy.cut_by])
    inside = (
        every.filter(key.is_in(hit.implode()).fill_null(value=False) & is_who)
        .group_by("node", maintain_order=True)
        .agg(pl.col("is_before", "is_now").any(), *(pl.col(name).first() for name in wanted))
    )
    was, now = (inside.filter(when) for when in ("is_before", "is_now"))
    then, cut = cuts(was, fields, policy), cuts(now, fields, policy)
    before = was.select("node", then=pl.Series(then.of_node, dtype=pl.Int64))
    now = now.select(
        "node",
        blocks(now, fields, cut.of_node, policy),
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
    more = moved.select(content="node", cut=(pl.col("cut") - pl.col("then").fill_null(NO_BLOCK)) * (1 << _BITS * at))
    return moved.filter(pl.col("then").is_not_null())["node"], more, pairs, told_of(fields, cut, pairs.height)


def told_of(fields: tuple[str, ...], cut: Cut, n_pairs: int) -> dict[str, object]:
    """What a blocking rule did."""
    return {
        "rule": "+".join(fields),
        "pairs": n_pairs,
        "largest block": cut.largest if cut.largest > 1 else 0,
        "blocks cut down": cut.n_cut,
        "blocks skipped": cut.n_skipped,
    }


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


def _joined(
    every: pl.DataFrame,
    pairs: pl.DataFrame,
    party: pl.DataFrame,
    as_nodes: Callable[[pl.DataFrame], Nodes],
    linked: Callable[[Nodes, pl.DataFrame], pl.DataFrame],
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


def facts(told: Nodes, policy: IdentityPolicy) -> tuple[Facts, list[dict[str, object]]]:
    """What is true of `told`, where these are all nodes, and what each blocking rule did but for its pairs."""
    who = np.flatnonzero(told.who.to_numpy())
    among, of_node, report = told.digest[who], [], []
    for fields in policy.blocking:
        cut = cuts(among, fields, policy)
        of_node.append(np.full(told.digest.height, NO_BLOCK))
        of_node[-1][who] = cut.of_node
        report.append(told_of(fields, cut, 0))
    crowded = {}
    for name in identifiers(policy):
        numbers = told.frame[name]
        is_crowded = pl.Series(np.bincount(numbers.drop_nulls().to_numpy(), minlength=1) > policy.max_sharers)
        crowded[name] = is_crowded.gather(numbers).fill_null(value=False).to_numpy()
    return Facts(of_node, crowded), report


def recalled(told: Nodes, before: pl.DataFrame, found: Touched, policy: IdentityPolicy) -> Facts:
    """What is true of `told`, some of tonight's nodes, by what is remembered and what the night changed."""
    content = told.digest.select("content")
    known = before.filter(pl.col("node").is_in(content["content"].implode())).unique("node")
    known = known.select("crowded", content="node", known="cut")
    of_node = content.join(known, on="content", how="left", maintain_order="left")
    of_node = of_node.join(found.cut, on="content", how="left", maintain_order="left")
    none = sum(NO_BLOCK << _BITS * at for at in range(len(policy.blocking)))
    packed = (of_node["known"].fill_null(none) + of_node["cut"].fill_null(0)).to_numpy()
    bits = of_node["crowded"].fill_null(0).to_numpy()
    crowded = {}
    for at, name in enumerate(identifiers(policy)):
        now = told.digest.select(name).join(found.crowded[name], left_on=name, right_on="digest", how="left",
                                            maintain_order="left")["is_crowded"]  # fmt: skip
        crowded[name] = np.where(now.is_null(), bits >> at & 1 == 1, now.fill_null(value=False))
    return Facts([packed >> _BITS * at & NO_BLOCK for at in range(len(policy.blocking))], crowded)


def remember(told: Nodes, known: Facts, hood: np.ndarray, marked: pl.DataFrame) -> pl.DataFrame:
    """Rows of `SEEN` for the records of `told`; `hood`: per node, one of its neighbourhood; `marked`: as of `marks`."""
    packed = sum((each << _BITS * at for at, each in enumerate(known.cut)), np.zeros(hood.size, dtype=np.int64))
    bits = sum((each.astype(np.int64) << at for at, each in enumerate(known.crowded.values())), np.zeros_like(packed))
    named = told.digest.rename(lambda name: "node" if name == "content" else f"{name}{_DIGEST}")
    of_node = named.with_columns(pl.Series("cut", packed), pl.Series("crowded", bits), pl.Series("hood", hood))
    rows = of_node[told.records["node"]].with_columns(record_of(told.records))
    rows = rows.with_columns(neighbourhood=pl.col("record").min().over("hood")).join(marked, on="record")
    absent = [pl.lit(None).alias(name) for name in SEEN.schema if name not in rows.columns]
    return SEEN.conform(rows.with_columns(absent).lazy()).collect()


def crowded(seen: pl.DataFrame, policy: IdentityPolicy) -> dict[str, int]:
    """How many values of each identifier join nobody, for a crowd shares them; `seen`: `SEEN`; no zeros."""
    names = identifiers(policy)
    some = seen.filter(pl.col("crowded") != 0)
    counts = {
        name: some.filter(pl.col("crowded") // (1 << at) % 2 == 1)[f"{name}{_DIGEST}"].n_unique()
        for at, name in enumerate(names)
    }
    return {name: n for name, n in counts.items() if n}


def forget(seen: pl.DataFrame, frequency: pl.DataFrame) -> pl.DataFrame:
    """The values of `frequency` (`FREQUENCY`) that a record of `seen` still says."""
    said = pl.concat(
        [
            seen.select(pl.lit(name).alias("field"), digest=f"{name}{_DIGEST}").drop_nulls().unique()
            for name in frequency["field"].unique(maintain_order=True)
        ]
        or [frequency.select("field", "digest")]
    )
    return frequency.join(said, on=["field", "digest"], how="semi")
