"""Consent channels of a lake with a gap in their deliveries, and the grants that do not count because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from cdp_pipelines.channels.continuity import READ_OUTCOMES, Delivery
from cdp_pipelines.consent.silence import is_uncertain
from cdp_pipelines.schema import FILE, LEDGER
from cdp_pipelines.services.declarations import load_all_contracts

if TYPE_CHECKING:
    from datetime import date, datetime

    from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class SilentChannel:
    """A channel with an open gap. `since`: what it granted in this night and later does not count."""

    channel: str
    since: date
    reason: str

    def describe(self, lake: Lake) -> str:
        """One line for people, with the number of events that do not count."""
        uncertain = lake.scan(LEDGER).filter(is_uncertain({self.channel: self.since})).select(pl.len())
        count = uncertain.collect().item()
        return f"{self.channel}: {self.reason}; {count:,} grants since {self.since} do not count until it is closed"


def find_silent_channels(lake: Lake, known_at: datetime) -> list[SilentChannel]:
    """Channels whose declared `continuity` has a gap, by the files that were taken in until `known_at`."""
    declared = {key: each.continuity for key, each in load_all_contracts().items() if each.continuity}
    if not declared:
        return []
    files = (
        lake.scan(FILE)
        .filter(pl.col("ingested_at") <= known_at, pl.col("outcome").is_in(READ_OUTCOMES))
        .select("channel", "drop_date", "file")
        .collect()
    )
    # Midnight after a night is its end, and not yet the next night.
    night = (known_at - timedelta(microseconds=1)).date()
    found = []
    for key, continuity in declared.items():
        deliveries = files.filter(channel=key).select("drop_date", "file").iter_rows()
        if gaps := continuity.find_gaps([Delivery(*row) for row in deliveries], night):
            reasons = "; ".join(gap.reason for gap in gaps)
            found.append(SilentChannel(key, gaps[0].since, reasons))
    return found


def find_silences(lake: Lake, known_at: datetime) -> dict[str, date]:
    """Channel to the first night after its gap; see `select_certain`."""
    return {each.channel: each.since for each in find_silent_channels(lake, known_at)}
