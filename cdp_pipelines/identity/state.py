"""State between nights: what a night leaves so that the next one resolves only what its changes affect.

Digests of records, and the rows that carry them, belong here; what changes affect belongs in `affected`. Records form a
component if one of them may decide what becomes of another: they are linked, a clerk joined them, or one of them has an
identifier without a first name. A component is resolved by itself, with what depends on all records: the model, block
refinement and over-shared identifiers. So a night resolves only the components that its changes affect, and finds what
it would have found among all records.

The state keeps values as digests, by which shared values are found; the values themselves are read from the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.identity.statistics import pack_over_shared, pack_refinements
from cdp_pipelines.identity.values import list_digest_fields
from cdp_pipelines.schema import RECORD_KEY, RECORD_STATE

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.identity.statistics import CorpusStatistics
    from cdp_pipelines.identity.values import DistinctRecords
    from cdp_pipelines.schema import FrequencyRows, ModelRows, PartyRows, RecordStateRows, ReviewRows

# The columns of `RECORD_STATE` that hold digests of values end so.
DIGEST = "_digest"


@dataclass(frozen=True, slots=True)
class IdentityState:
    """The last night's records (`RECORD_STATE`), its model (`MODEL`) and the values it learned from (`FREQUENCY`)."""

    records: RecordStateRows
    model: ModelRows
    frequency: FrequencyRows


def compute_configuration_digest(policy: IdentityPolicy, code_digest: str, non_linking: Collection[str]) -> int:
    """A number that changes with the rules and the code: a state with another number is not used.

    `code_digest`: digest of the code and of the versions of the libraries that resolve.
    """
    text = f"{policy.model_dump_json()}{code_digest}{sorted(non_linking)}"
    return int.from_bytes(sha256(text.encode()).digest()[:7])


def digest_records(records: pl.DataFrame, prefix: str = "") -> pl.Series:
    """`record_digest` of each record's channel and id, the same in every night; `prefix`: of these two columns."""
    key = records.select(pl.col(f"{prefix}{name}").alias(name) for name in RECORD_KEY)
    return key.hash_rows(seed=0).reinterpret(signed=True).alias("record_digest")


def select_rows_of(rows: pl.DataFrame, resolved: pl.Series | None, prefix: str = "") -> pl.DataFrame:
    """The rows about records that were resolved (their `record_digest`; None: all).

    `prefix`: of the columns channel and source_record_id that tell which record a row is about.
    """
    return rows if resolved is None else rows.filter(digest_records(rows, prefix).is_in(resolved.implode()))


def merge_rows(
    previous: pl.DataFrame, found: pl.DataFrame, resolved: pl.Series | None, prefix: str = ""
) -> pl.DataFrame:
    """The rows of `previous` about records that were not resolved, and those `found`; arguments of `select_rows_of`."""
    if resolved is None:
        return found
    return pl.concat([previous.filter(~digest_records(previous, prefix).is_in(resolved.implode())), found])


def fingerprint_records(
    party: PartyRows, policy: IdentityPolicy, review: ReviewRows, configuration: int
) -> pl.DataFrame:
    """`record_digest` and `fingerprint` of each record: of its fields, the reviews of it, and the configuration."""
    record = digest_records(party)
    decision = review.drop("decided_by", "decided_at").hash_rows(seed=configuration).alias("decision")
    decisions = pl.concat([pl.DataFrame([digest_records(review, f"{side}_"), decision]) for side in ("left", "right")])
    decisions = decisions.group_by("record_digest").agg(pl.col("decision").sum())
    fields = party.select("drop_date", *list_digest_fields(policy)).with_columns(record)
    fields = fields.join(decisions, on="record_digest", how="left", maintain_order="left")
    fingerprint = fields.hash_rows(seed=configuration).reinterpret(signed=True).alias("fingerprint")
    return pl.DataFrame([record, fingerprint])


def build_record_state(
    distinct: DistinctRecords,
    statistics: CorpusStatistics,
    component: NDArray[np.int64],
    fingerprints: pl.DataFrame,
) -> RecordStateRows:
    """Rows of `RECORD_STATE` for the records of `distinct`.

    `component`: per distinct record, one of its component; `fingerprints`: as of `fingerprint_records`.
    """
    digests = distinct.digests.rename(lambda name: "distinct_digest" if name == "content" else f"{name}{DIGEST}")
    of_distinct = digests.with_columns(
        pl.Series("block_refinement", pack_refinements(statistics, distinct.count)),
        pl.Series("over_shared", pack_over_shared(statistics, distinct.count)),
        pl.Series("component", component),
    )
    rows = of_distinct[distinct.records["distinct"]].with_columns(digest_records(distinct.records))
    rows = rows.with_columns(component_digest=pl.col("record_digest").min().over("component"))
    rows = rows.join(fingerprints, on="record_digest")
    absent = [pl.lit(None).alias(name) for name in RECORD_STATE.schema if name not in rows.columns]
    return RECORD_STATE.conform(rows.with_columns(absent).lazy()).collect()


def count_over_shared(records: RecordStateRows, policy: IdentityPolicy) -> dict[str, int]:
    """How many values of each identifier are over-shared; identifiers without any are left out."""
    columns = records.select("over_shared", *(f"{name}{DIGEST}" for name in policy.identifiers))
    some = columns.filter(pl.col("over_shared") != 0)
    counts = {
        name: some.filter(pl.col("over_shared") // (1 << place) % 2 == 1)[f"{name}{DIGEST}"].n_unique()
        for place, name in enumerate(policy.identifiers)
    }
    return {name: count for name, count in counts.items() if count}


def prune_frequencies(records: RecordStateRows, frequency: FrequencyRows) -> FrequencyRows:
    """The values of `frequency` that a record still has."""
    present = [
        records.select(pl.lit(name).alias("field"), digest=f"{name}{DIGEST}").drop_nulls().unique()
        for name in frequency["field"].unique(maintain_order=True)
    ]
    return frequency.join(pl.concat(present), on=["field", "digest"], how="semi") if present else frequency
