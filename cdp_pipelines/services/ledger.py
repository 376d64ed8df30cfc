"""Extend the ledger of consent events, seal what is new, and write the consent events that may still be used.

The order of these steps belongs here; what a record states is `standardise`'s, and how a seal is made `consent`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.channels.elements import record_id
from cdp_pipelines.consent import complete_events, extend_ledger, seal_events, select_current_resolutions
from cdp_pipelines.errors import LakeError
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import AT_ONCE, find_expired_values, select_usable
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, RESOLUTION, SEAL, UNNAMED_STATEMENT, Table
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts, load_company
from cdp_pipelines.services.record_changes import find_record_changes, store_record_cursor
from cdp_pipelines.services.standardisation import stage_records
from cdp_pipelines.standardise import build_consent_event, find_unnamed_events, select_latest
from warehouse.audit_receipts import read_receipts
from warehouse.keys import ledger_key, read_head, store_head

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from cdp_pipelines.services.record_changes import RecordChanges
    from warehouse.delta.lake import Lake


# The standard tables that are built with the ledger.
_BY_RECORD = (CONSENT_EVENT, UNNAMED_STATEMENT)


class ConsentEvents(NamedTuple):
    """What changed records state. `new`: events of records with new rows, for the ledger, in use or not.

    `usable`, `unnamed`: rows of `CONSENT_EVENT` and `UNNAMED_STATEMENT` of the records that may still be used.
    """

    new: pl.DataFrame
    usable: pl.DataFrame
    unnamed: pl.DataFrame


def consent_contracts() -> dict[str, ChannelContract]:
    """The channels that deliver consent events, by name."""
    return {key: contract for key, contract in load_all_contracts().items() if contract.consents}


def describe_consent_event() -> Table:
    """The table of consent events with the raw columns that each of its columns comes from."""
    return with_raw_sources(CONSENT_EVENT, consent_contracts().values())


def describe_unnamed_statement() -> Table:
    """The table of statements that name nobody, with the raw columns that each of its columns comes from."""
    return with_raw_sources(UNNAMED_STATEMENT, consent_contracts().values())


def update_ledger(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Append the consent events and answers that the ledger does not have, and seal them.

    Events are read before anything leaves raw tonight: a denial counts, however late it comes. A run that stopped in
    between is completed first, because events without a seal are sealed with the new ones. Raises `LakeError` where
    events or seals are gone that were sealed: a new ledger would forget withdrawals.
    """
    ledger, sealed = lake.read(LEDGER), lake.scan(SEAL).drop("leaf_hashes").collect()
    _require_sealed_events(lake, ledger, sealed)
    resolutions = select_current_resolutions(lake.scan(RESOLUTION)).collect()
    contracts = consent_contracts().values()
    changes = [each.include(resolutions) for each in find_record_changes(lake, _BY_RECORD, contracts, as_of)]
    events = _read_consent_events(lake, changes, as_of)
    answers = read_receipts(lake.path, night, load_company().request_purpose)
    resolved = _read_resolved_events(lake, events.new, resolutions, night)
    new = extend_ledger(ledger, pl.concat([events.new, resolved, answers]))
    seals = seal_events(sealed, ledger, new, ledger_key(lake.path))
    report = check_and_write(
        lake,
        night,
        stage_records(lake, describe_consent_event(), changes, events.usable),
        stage_records(lake, describe_unnamed_statement(), changes, events.unnamed),
        StagedWrite(LEDGER, new, lambda: lake.append(LEDGER, new), {"new events": new.height}, is_addition=True),
        StagedWrite(SEAL, seals, lambda: lake.append(SEAL, seals), {"new seals": seals.height}, is_addition=True),
    )
    store_record_cursor(lake, _BY_RECORD, changes, as_of, also=[LEDGER, SEAL])
    newest = pl.concat([sealed, seals.drop("leaf_hashes")]).sort("seal_number").tail(1)
    if newest.height:
        store_head(lake.path, newest.row(0, named=True))
    return report


def _require_sealed_events(lake: Lake, ledger: pl.DataFrame, sealed: pl.DataFrame) -> None:
    head = read_head(lake.path) or {"seal_number": 0, "last_position": 0}
    for table, column, rows, expected in (
        (SEAL, "seal_number", sealed["seal_number"], int(str(head["seal_number"]))),
        (LEDGER, "position", ledger["position"], max([int(str(head["last_position"])), *sealed["last_position"]])),
    ):
        newest = max(rows, default=0)
        if newest < expected:
            raise LakeError(
                f"{table.name} ends at {column} {newest}, but {column} {expected} was signed: the table was removed or "
                f"cut off. Restore {lake.location(table.name).parent} from a backup, and run again. "
                "`cdp verify ledger` names what is missing"
            )


def _read_consent_events(lake: Lake, changes: Iterable[RecordChanges], as_of: datetime) -> ConsentEvents:
    new, usable, unnamed = [], [], []
    for each in changes:
        contract, retention, raw = each.contract, each.retention, lake.scan(each.contract.raw)
        changed = raw.filter(each.is_of_changed)
        in_use = select_latest(select_usable(changed, contract, retention, as_of), contract)
        usable.append(build_consent_event(in_use, contract))
        unnamed.append(find_unnamed_events(in_use, contract))
        has_ended = not find_expired_values(changed, contract, retention, AT_ONCE, as_of).collect().is_empty()
        added = select_latest(raw.filter(each.is_of_added), contract)
        new.append(build_consent_event(added, contract) if has_ended else usable[-1])
    return ConsentEvents(*(pl.concat(pl.collect_all(frames)) for frames in (new, usable, unnamed)))


def _read_resolved_events(lake: Lake, events: pl.DataFrame, resolutions: pl.DataFrame, night: date) -> pl.DataFrame:
    """What the records state that a clerk resolved, with the subject that the clerk named."""
    unnamed = []
    for contract in consent_contracts().values():
        ids = resolutions.filter(channel=contract.name).select(record_id(contract)).to_series()
        if ids.len():
            rows = lake.scan(contract.raw).filter(record_id(contract).is_in(ids.implode()))
            unnamed.append(find_unnamed_events(select_latest(rows, contract), contract))
    return complete_events(pl.concat([events.lazy(), *unnamed]), resolutions.lazy(), night).collect()
