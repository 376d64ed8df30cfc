"""The demonstration company, drop by drop: files and truth.

Here belongs the order of generation. Each channel's records are made in a module of its group.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample import canaries, consent_events, parties, purchases, tracking
from cdp_pipelines.sample.clock import Clock
from cdp_pipelines.sample.defects import plant_defects
from cdp_pipelines.sample.encode import FILES, encode_records
from cdp_pipelines.sample.people import generate_people

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST_NIGHT = date(2024, 6, 30)
_CHANNELS = {
    "crm_west": parties.generate_crm_west,
    "crm_east": parties.generate_crm_east,
    "webshop_customers": parties.generate_webshop_customers,
    "webshop_orders": purchases.generate_webshop_orders,
    "pos_receipts": purchases.generate_pos_receipts,
    "app_events": tracking.generate_app_events,
    "call_centre": parties.generate_call_centre,
    "social": parties.generate_social,
    "surveys": consent_events.generate_surveys,
    "iot": tracking.generate_iot,
    "beacons": tracking.generate_beacons,
    "consent_receipts": consent_events.generate_consent_receipts,
    "unsubscribes": consent_events.generate_unsubscribes,
    "preferences": consent_events.generate_preferences,
    "privacy_requests": consent_events.generate_privacy_requests,
}


@dataclass(frozen=True, slots=True)
class Drop:
    """One delivery: file name to bytes, and the truth about its rows.

    `persons`: (channel, source_record_id, person), of records that are about a known person, including spoilt ones.
    `defects`: (channel, drop, kind, source_record_id); for a row without an id, the id that was removed.
    """

    drop_date: date
    files: dict[str, bytes]
    persons: pl.DataFrame
    defects: pl.DataFrame
    record_count: int


def generate(people: int, nights: int, seed: int, last_night: date = LAST_NIGHT) -> Iterator[Drop]:
    """`nights` drops of a company of `people`, about twenty records each: the history, then one per night.

    The same arguments give the same bytes. Events of a drop happened on its day in UTC; events of the history on its day
    or in the year before.
    """
    clock = Clock(last_night, nights)
    rng = np.random.default_rng([seed, people, nights])
    population = generate_people(people, last_night, rng)
    # Channel by channel, so that only one channel's rows are in memory at a time; the files are far smaller.
    by_channel = {
        name: _build_deliveries(name, make(population, clock, rng), clock, rng) for name, make in _CHANNELS.items()
    }
    for night in clock.drops:
        tonight = {name: nights.pop(night) for name, nights in by_channel.items() if night in nights}
        yield Drop(
            night,
            {FILES[name]: drop.files[FILES[name]] for name, drop in tonight.items()},
            pl.concat([_PERSONS, *(drop.persons for drop in tonight.values())]),
            pl.concat([_DEFECTS, *(drop.defects for drop in tonight.values())]),
            sum(drop.record_count for drop in tonight.values()),
        )


_PERSONS = pl.DataFrame(schema={"channel": pl.String, "source_record_id": pl.String, "person": pl.String})
_DEFECTS = pl.DataFrame(
    schema={"channel": pl.String, "drop": pl.String, "kind": pl.String, "source_record_id": pl.String}
)


def _build_deliveries(channel: str, rows: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> dict[date, Drop]:
    """One channel's part of each drop that has any of its rows."""
    spoilt = plant_defects(channel, rows, rng)
    spoilt = pl.concat([spoilt, canaries.build_records(channel, spoilt.schema, clock.drops)])
    return {
        clock.drops[number]: _build_delivery(channel, clock.drops[number], frame)
        for (number,), frame in spoilt.partition_by("_drop", as_dict=True, maintain_order=True).items()
    }


def _build_delivery(channel: str, night: date, rows: pl.DataFrame) -> Drop:
    originals = rows.filter(pl.col("_copy") == 0).select(
        pl.lit(channel).alias("channel"),
        pl.lit(str(night)).alias("drop"),
        pl.col("_defect").alias("kind"),
        pl.col("_id").alias("source_record_id"),
        pl.col("_person").alias("person"),
    )
    return Drop(
        night,
        {FILES[channel]: encode_records(channel, rows)},
        originals.filter(pl.col("person").is_not_null()).select(_PERSONS.columns),
        originals.filter(pl.col("kind").is_not_null()).select(_DEFECTS.columns),
        rows.height,
    )
