"""What a night leaves to the next, so that it looks again at what it touches alone.

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

from cdp_pipelines.identity.statistics import BITS, CorpusStatistics
from cdp_pipelines.identity.values import digest_fields
from cdp_pipelines.schema import RECORD_STATE

if TYPE_CHECKING:
    from collections.abc import Collection

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.values import DistinctRecords

_RECORD = ["channel", "source_record_id"]
# Digests of values, as they are named where they are remembered.
DIGEST = "_digest"


@dataclass(frozen=True, slots=True)
class IdentityState:
    """Every record of the last night (`SEEN`), the model (`MODEL`) and the values it was learned from (`FREQUENCY`)."""

    seen: pl.DataFrame
    model: pl.DataFrame
    frequency: pl.DataFrame


def configuration_digest(policy: IdentityPolicy, made_by: str, bound: Collection[str]) -> int:
    """A number that changes with the rules and with what carries them out: what was made otherwise is not remembered.

    `made_by`: versions of the code and the libraries that resolve.
    """
    return int.from_bytes(sha256(f"{policy.model_dump_json()}{made_by}{sorted(bound)}".encode()).digest()[:7])


def digest_records(records: pl.DataFrame, prefix: str = "") -> pl.Series:
    """A digest of each record's channel and id, the same in every night."""
    named = records.select(pl.col(f"{prefix}{name}").alias(name) for name in _RECORD)
    return named.hash_rows(seed=0).reinterpret(signed=True).alias("record")


def select_links_of(rows: pl.DataFrame, records: pl.Series | None, prefix: str = "") -> pl.DataFrame:
    """Those of `rows` that are about `records` (as of `record_of`; None: all).

    `prefix`: of the columns channel and source_record_id by which a row is known to be about a record.
    """
    return rows if records is None else rows.filter(digest_records(rows, prefix).is_in(records.implode()))


def merge_rows(before: pl.DataFrame, found: pl.DataFrame, void: pl.Series | None, prefix: str = "") -> pl.DataFrame:
    """Rows of `before` but for those about the records `void` (None: all), and those `found` instead."""
    if void is None:
        return found
    return pl.concat([before.filter(~digest_records(before, prefix).is_in(void.implode())), found])


def fingerprint_records(party: pl.DataFrame, policy: IdentityPolicy, review: pl.DataFrame, number: int) -> pl.DataFrame:
    """`record` of each record of `party`, and `fingerprint`: of all it says, what was decided on it, and `number`."""
    record, decision = digest_records(party), review.drop("decided_by", "decided_at").hash_rows(seed=number)
    decided = pl.concat(
        [pl.DataFrame([digest_records(review, f"{side}_"), decision.alias("decided")]) for side in ("left", "right")]
    )
    decided = decided.group_by("record").agg(pl.col("decided").sum())
    told = party.select("drop_date", *digest_fields(policy)).with_columns(record)
    told = told.join(decided, on="record", how="left", maintain_order="left")
    return pl.DataFrame([record, told.hash_rows(seed=number).reinterpret(signed=True).alias("fingerprint")])


def build_record_state(
    told: DistinctRecords, known: CorpusStatistics, hood: np.ndarray, marked: pl.DataFrame
) -> pl.DataFrame:
    """Rows of `SEEN` for the records of `told`; `hood`: per node, one of its neighbourhood; `marked`: as of `marks`."""
    packed = sum((each << BITS * at for at, each in enumerate(known.cut)), np.zeros(hood.size, dtype=np.int64))
    bits = sum((each.astype(np.int64) << at for at, each in enumerate(known.crowded.values())), np.zeros_like(packed))
    named = told.digest.rename(lambda name: "node" if name == "content" else f"{name}{DIGEST}")
    of_node = named.with_columns(pl.Series("cut", packed), pl.Series("crowded", bits), pl.Series("hood", hood))
    rows = of_node[told.records["node"]].with_columns(digest_records(told.records))
    rows = rows.with_columns(neighbourhood=pl.col("record").min().over("hood")).join(marked, on="record")
    absent = [pl.lit(None).alias(name) for name in RECORD_STATE.schema if name not in rows.columns]
    return RECORD_STATE.conform(rows.with_columns(absent).lazy()).collect()


def list_over_shared(seen: pl.DataFrame, policy: IdentityPolicy) -> dict[str, int]:
    """How many values of each identifier join nobody, for a crowd shares them; `seen`: `SEEN`; no zeros."""
    named = seen.select("crowded", *(f"{name}{DIGEST}" for name in policy.identifiers))
    some = named.filter(pl.col("crowded") != 0)
    counts = {
        name: some.filter(pl.col("crowded") // (1 << at) % 2 == 1)[f"{name}{DIGEST}"].n_unique()
        for at, name in enumerate(policy.identifiers)
    }
    return {name: n for name, n in counts.items() if n}


def prune_frequencies(seen: pl.DataFrame, frequency: pl.DataFrame) -> pl.DataFrame:
    """The values of `frequency` (`FREQUENCY`) that a record of `seen` still says."""
    said = pl.concat(
        [
            seen.select(pl.lit(name).alias("field"), digest=f"{name}{DIGEST}").drop_nulls().unique()
            for name in frequency["field"].unique(maintain_order=True)
        ]
        or [frequency.select("field", "digest")]
    )
    return frequency.join(said, on=["field", "digest"], how="semi")
