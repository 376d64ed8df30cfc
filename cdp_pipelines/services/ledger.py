"""Extend the ledger of consent events, seal what is new, and write the consent events that may still be used.

The order of these steps belongs here; what a record states is `standardise`'s, and how a seal is made `consent`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from cdp_pipelines.consent import complete_events, extend_ledger, seal_events, select_current_resolutions
from cdp_pipelines.errors import LakeError
from cdp_pipelines.lineage import with_raw_sources
from cdp_pipelines.retention import AT_ONCE, compute_retention_rules, find_expired_values, select_usable
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, RESOLUTION, SEAL, Table
from cdp_pipelines.services.checked_write import StagedWrite, WriteReport, check_and_write
from cdp_pipelines.services.declarations import load_all_contracts, load_company, load_company_register
from cdp_pipelines.services.standardisation import count_by_channel
from cdp_pipelines.standardise import build_consent_event, find_unnamed_events, select_latest
from warehouse.audit_receipts import read_receipts
from warehouse.keys import ledger_key, read_head, store_head

if TYPE_CHECKING:
    from datetime import date, datetime

    from cdp_pipelines.channels.contract import ChannelContract
    from warehouse.delta.lake import Lake


class ConsentEvents(NamedTuple):
    """Rows of `CONSENT_EVENT`: all that raw contains, and those whose record may still be used; mostly the same."""

    all: pl.DataFrame
    usable: pl.DataFrame


def consent_contracts() -> dict[str, ChannelContract]:
    """The channels that deliver consent events, by name."""
    return {key: contract for key, contract in load_all_contracts().items() if contract.consents}


def describe_consent_event() -> Table:
    """The table of consent events with the raw columns that each of its columns comes from."""
    return with_raw_sources(CONSENT_EVENT, consent_contracts().values())


def update_ledger(lake: Lake, night: date, as_of: datetime) -> WriteReport:
    """Append the consent events and answers that the ledger does not have, and seal them.

    Events are read before anything leaves raw tonight: a denial counts, however late it comes. A run that stopped in
    between is completed first, because events without a seal are sealed with the new ones. Raises `LakeError` where
    events or seals are gone that were sealed: a new ledger would forget withdrawals.
    """
    ledger, sealed = lake.read(LEDGER), lake.scan(SEAL).drop("leaf_hashes").collect()
    _require_sealed_events(lake, ledger, sealed)
    events = _read_consent_events(lake, as_of)
    answers = read_receipts(lake.path, night, load_company().request_purpose)
    resolved = _read_resolved_events(lake, events.all, night)
    new = extend_ledger(ledger, pl.concat([events.all, resolved, answers]))
    seals = seal_events(sealed, ledger, new, ledger_key(lake.path))
    usable, by_channel = events.usable, {"rows by channel": count_by_channel(events.usable)}
    report = check_and_write(
        lake,
        night,
        StagedWrite(describe_consent_event(), usable, lambda: lake.replace(CONSENT_EVENT, usable), by_channel),
        StagedWrite(LEDGER, new, lambda: lake.append(LEDGER, new), {"new events": new.height}, is_addition=True),
        StagedWrite(SEAL, seals, lambda: lake.append(SEAL, seals), {"new seals": seals.height}, is_addition=True),
    )
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


def _read_consent_events(lake: Lake, as_of: datetime) -> ConsentEvents:
    purposes = load_company_register().at(as_of)
    every, usable = [], []
    for contract in consent_contracts().values():
        raw, rules = lake.scan(contract.raw), compute_retention_rules(contract, purposes)
        every.append(build_consent_event(select_latest(raw, contract), contract).collect())
        if find_expired_values(raw, contract, rules, AT_ONCE, as_of).collect().is_empty():
            usable.append(every[-1])
        else:
            rows = select_usable(raw, contract, rules, as_of)
            usable.append(build_consent_event(select_latest(rows, contract), contract).collect())
    return ConsentEvents(pl.concat(every), pl.concat(usable))


def _read_resolved_events(lake: Lake, events: pl.DataFrame, night: date) -> pl.DataFrame:
    """Events of the records that a clerk resolved, with the subject that the clerk named."""
    resolutions = select_current_resolutions(lake.scan(RESOLUTION)).collect()
    contracts = consent_contracts()
    unnamed = [
        find_unnamed_events(select_latest(lake.scan(contracts[channel].raw), contracts[channel]), contracts[channel])
        for channel in resolutions["channel"].unique().sort()
        if channel in contracts
    ]
    return complete_events(pl.concat([events.lazy(), *unnamed]), resolutions.lazy(), night).collect()
