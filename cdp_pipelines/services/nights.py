"""The nights to which a lake was brought: the first and the last one.

Here belong questions about `audit/run`. What a night wrote is in the tables of that night.
"""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import RUN
from warehouse.delta.lake import Lake


@dataclass(frozen=True)
class Nights:
    """The last night of a lake, and the instants (UTC) up to which its first and its last night decided."""

    last: date
    first_as_of: datetime
    last_as_of: datetime


def read_nights(lake: Lake) -> Nights:
    """The nights of a lake; `LakeError` where there was none."""
    last, first_as_of, last_as_of = (
        lake.scan(RUN)
        .select(pl.col("night").max(), pl.col("as_of").min().alias("first_as_of"), pl.col("as_of").max())
        .collect()
        .row(0)
    )
    if last is None:
        raise LakeError(f"{lake.path} has no night yet; `cdp run` makes one")
    return Nights(last, first_as_of, last_as_of)
