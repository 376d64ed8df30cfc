"""The company, drop by drop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample import events, parties
from cdp_pipelines.sample.clock import Clock
from cdp_pipelines.sample.defects import plant
from cdp_pipelines.sample.encode import FILES, encode
from cdp_pipelines.sample.people import people as settle

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST_NIGHT = date(2024, 6, 30)
_CHANNELS = {name: getattr(parties, name, None) or getattr(events, name) for name in FILES}


@dataclass(frozen=True, slots=True)
class Drop:
    """One delivery: file name to bytes, and the truth about its rows.

    `persons`: (channel, source_record_id, person), of records that are about somebody. `defects`: (channel, drop,
    kind, source_record_id); of a row without id the id it would have had, and for `missing_id` none.
    """

    drop_date: date
    files: dict[str, bytes]
    persons: pl.DataFrame
    defects: pl.DataFrame
    n_records: int


def generate(people: int, nights: int, seed: int, last_night: date = LAST_NIGHT) -> Iterator[Drop]:
    """`nights` drops of a company of `people`, about twenty records each: the history, then one per night.

    The same arguments give the same bytes. Event times lie within the days of their drop.
    """
    rng = np.random.default_rng([seed, people, nights])
    clock = Clock(last_night, nights)
    population = settle(people, rng)
    rows = {
        name: plant(name, make(population, clock, rng).sort("_drop", "_at", "_id"), rng)
        for name, make in _CHANNELS.items()
    }
    for number, night in enumerate(clock.drops):
        tonight = {name: frame.filter(pl.col("_drop") == number) for name, frame in rows.items()}
        yield _drop(night, {name: frame for name, frame in tonight.items() if frame.height})


def _drop(night: date, rows: dict[str, pl.DataFrame]) -> Drop:
    about = ["_id", "_person", "_defect"]
    # A night without rows still has its two tables, empty.
    told = pl.concat(
        [pl.DataFrame(schema=dict.fromkeys(["channel", *about], pl.String))]
        + [
            frame.filter(pl.col("_copy") == 0).select(pl.lit(name).alias("channel"), *about)
            for name, frame in rows.items()
        ]
    )
    return Drop(
        night,
        {FILES[name]: encode(name, frame) for name, frame in rows.items()},
        told.filter(pl.col("_person").is_not_null()).select("channel", source_record_id="_id", person="_person"),
        told.filter(pl.col("_defect").is_not_null()).select(
            "channel",
            drop=pl.lit(str(night)),
            kind="_defect",
            source_record_id=pl.when(pl.col("_defect") != "missing_id").then("_id").otherwise(pl.lit("")),
        ),
        sum(frame.height for frame in rows.values()),
    )
