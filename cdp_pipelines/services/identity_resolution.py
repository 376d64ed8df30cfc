"""Which records of a lake are one customer: resolution without writing, and the state that a night leaves.

Here belongs reading a lake for `cdp_pipelines.identity`. A night's writes are in `assets.runtime.identity`.
"""

import polars as pl

from cdp_pipelines.identity import IdentityPolicy, IdentityState, Resolution, resolve
from cdp_pipelines.identity.model import Model
from cdp_pipelines.identity.state import configuration_digest
from cdp_pipelines.identity.values import DistinctRecords, build_distinct_records
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, LINK, MODEL, PARTY, RECORD_STATE, REVIEW
from cdp_pipelines.services.declarations import identity_code_digest, non_linking_channels
from warehouse.delta.lake import Lake


def resolve_lake(store: Lake, policy: IdentityPolicy, *, anew: bool = False) -> Resolution:
    """The customers of what has changed since the last night, and of what that touches; `anew`: of all records."""
    before = read_identity_state(store)
    if before and anew:
        before = IdentityState(RECORD_STATE.empty(), before.model, before.frequency)
    return resolve_since(store, policy, before)


def weigh_records(store: Lake, policy: IdentityPolicy, records: list[tuple[str, str]]) -> tuple[DistinctRecords, Model]:
    """What these records (channel, id) say, and the model that weighs it: the last night's, else one learned now."""
    named = [(pl.col("channel") == channel) & (pl.col("source_record_id") == record) for channel, record in records]
    party = store.scan(PARTY).filter(pl.any_horizontal(named)).collect()
    told = build_distinct_records(
        party, policy, PARTY.empty().select("channel", "source_record_id"), non_linking_channels()
    )
    model = store.read(MODEL)
    if model.is_empty() or model["made_by"][0] != configuration_digest(
        policy, identity_code_digest(), non_linking_channels()
    ):
        return told, resolve_lake(store, policy).model
    return told, Model.of(model, store.read(FREQUENCY), policy)


def resolve_since(store: Lake, policy: IdentityPolicy, before: IdentityState | None) -> Resolution:
    """Customers after the changes since a state; all records are resolved where there is none."""
    return resolve(
        store.scan(PARTY).collect(), policy, store.read(REVIEW), non_linking_channels(), before, identity_code_digest()
    )


def read_identity_state(store: Lake) -> IdentityState | None:
    """What the last night left, unless one of the tables is of another: a run was cut short, or somebody wrote it."""
    model = store.read(MODEL)
    if model.is_empty() or model["versions"][0] != describe_versions(store):
        return None
    return IdentityState(store.scan(RECORD_STATE).collect(), model, store.read(FREQUENCY))


def describe_versions(store: Lake) -> str:
    """The versions of the tables that are made of one another from night to night."""
    return ", ".join(
        f"{table.name} {store.version(table.name)}" for table in (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)
    )
