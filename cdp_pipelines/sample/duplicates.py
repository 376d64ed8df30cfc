"""A register with duplicates, to measure record linkage: people with one or several records each, and the truth.

Here belongs one table in standard form. The demonstration company with its channels is in `generate`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from cdp_pipelines.sample.noise import add_typos, choose_either, keep_some, write_address, write_date, write_names
from cdp_pipelines.sample.people import generate_people
from cdp_pipelines.schema import PARTY

TODAY = date(2024, 6, 30)
# People per record; shares of people by their number of further records: on average 1.84 records a person.
PEOPLE_SHARE = 0.55
_REPEAT_SHARES = (0.49, 0.27, 0.15, 0.09)


def generate_duplicates(record_count: int, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`record_count` of `PARTY`, in no order, and their truth: (channel, source_record_id, person).

    Typing and reading errors, short forms and initials, maiden names, swapped first and last names, day and month
    swapped, former homes and e-mails, households that share home, name, e-mail or phone, fathers and sons of one
    name, twins. 45 % of e-mails and of phones and 35 % of birth dates are missing; the same arguments give the same
    rows.
    """
    rng = np.random.default_rng(seed)
    population = generate_people(round(record_count * PEOPLE_SHARE), TODAY, rng)
    times = 1 + rng.choice(len(_REPEAT_SHARES), population.height, p=_REPEAT_SHARES)
    who = population[rng.permutation(np.repeat(np.arange(population.height), times))[:record_count]]
    n = who.height
    first, last = write_names(who, rng)
    swapped = pl.Series(rng.random(n) < 0.01)
    address = write_address(who, rng)
    ids = pl.select(pl.format("r{}", pl.int_range(n).cast(pl.String).str.zfill(8))).to_series()
    seen = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
    record = {"channel": pl.lit("register"), "source_record_id": ids}
    details = {
        "drop_date": pl.lit(TODAY),
        "ingested_at": pl.lit(seen),
        "observed_at": pl.lit(seen),
        "first_name": keep_some(pl.select(pl.when(swapped).then(last).otherwise(first)).to_series(), 0.97, rng),
        "middle_name": keep_some(who["middle"], 0.4, rng),
        "last_name": pl.select(pl.when(swapped).then(first).otherwise(last)).to_series(),
        "birth_date": _parse_date(keep_some(write_date(who["born"], rng), 0.65, rng)),
        "email": add_typos(keep_some(choose_either(who["email"], who["new_email"], 0.4, rng), 0.55, rng), 0.01, rng),
        "phone": keep_some(choose_either(who["phone"], who["old_phone"], 0.4, rng), 0.55, rng),
        "street": keep_some(address["street"], 0.95, rng),
        "city": address["city"],
        "region_code": address["region"],
        "postal_code": address["zip"],
        "country_code": pl.lit("US"),
    }
    rows = pl.select(**{name: pl.lit(None) for name in PARTY.schema} | record | details)
    truth = pl.select(**record, person=who["person"])
    return PARTY.conform(rows.lazy()).collect(), truth


def _parse_date(written: pl.Series) -> pl.Series:
    """Dates as they were typed; null where a date is invalid or before 1900."""
    read = written.str.to_date("%m/%d/%Y", strict=False)
    return pl.select(pl.when(read.dt.year().is_between(1900, TODAY.year)).then(read)).to_series()
