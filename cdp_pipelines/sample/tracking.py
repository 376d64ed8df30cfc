"""Channels of what was observed: app and web messages, store beacons, connected devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from cdp_pipelines.sample.noise import choose_either, draw_chance, keep_some, write_names
from cdp_pipelines.sample.records import ISO, build_hidden_columns, draw_by_activity, draw_often, number_ids, pick

if TYPE_CHECKING:
    from cdp_pipelines.sample.clock import Clock

_SCREENS = ("Home", "Category", "Product", "Checkout", "Help")
_ACTIONS = (
    "Product Added",
    "Order Completed",
    "Wishlist Added",
    "Cart Abandoned",
    "Product Searched",
    "Product Viewed",
)


def _draw_device_use(people: pl.DataFrame, times: float, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    who = draw_by_activity(people.filter(pl.col("device").is_not_null()), times, clock, rng)
    return who.with_columns(choose_either(who["device"], who["second_device"], 0.5, rng).alias("on"))


def generate_app_events(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Messages in Segment's spec; some say who signed in, all carry the choices of the cookie banner."""
    who = _draw_device_use(people, 20.4, clock, rng)
    n = who.height
    kind = pick(("track", "screen", "page", "identify"), n, rng, (0.44, 0.22, 0.22, 0.12))
    is_track, is_identify = kind == "track", kind == "identify"
    ids = number_ids("msg-24000-{}", n, width=7)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "messageId": ids,
            "type": kind,
            "anonymousId": who["on"],
            "userId": keep_some(who["account"], 0.25, rng),
            "timestamp": who["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "receivedAt": (who["at"] + _draw_delays(1500, n, rng)).dt.strftime(ISO),
            "channel": pick(("browser", "mobile"), n, rng),
            "context": _build_context(who, rng),
            "name": _null_unless(~is_track & ~is_identify, pick(_SCREENS, n, rng)),
            "event": _null_unless(is_track, pick(_ACTIONS, n, rng)),
            "properties": _null_unless(is_track, _build_properties(n, rng)),
            "traits": _null_unless(is_identify, _build_traits(who, rng)),
        }
    )


def _null_unless(condition: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(condition).then(values)).to_series()


def _draw_delays(mean_s: float, n: int, rng: np.random.Generator) -> pl.Series:
    return pl.Series(rng.exponential(mean_s, n).astype(np.int64) * 1_000_000).cast(pl.Duration("us"))


def _build_context(who: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    n = who.height
    # A device answers its banner once in a quarter: the choice depends on the device and the quarter.
    device = who["on"].str.head(8).str.to_integer(base=16, dtype=pl.Int64)
    choice = (device // 7 + who["at"].dt.quarter().cast(pl.Int64) * 31) % 100
    preferences = pl.DataFrame(
        {
            "Analytics": choice < 60,
            "Advertising": choice % 20 < 7,
            "Functional": pl.Series([True] * n, dtype=pl.Boolean),
        }
    )
    octets = (pl.Series(part) for part in rng.integers(0, 256, (3, n)))
    return pl.DataFrame(
        {
            "device": pl.DataFrame(
                {"id": who["on"], "advertisingId": who["on"].str.head(8), "adTrackingEnabled": device % 5 < 3}
            ).to_struct(),
            "ip": pl.select(pl.format("10.{}.{}.{}", *octets)).to_series(),
            "locale": pl.Series(["en-US"] * n, dtype=pl.String),
            "consent": preferences.select(pl.struct(pl.all()).alias("categoryPreferences")).to_struct(),
            "gpc": _null_unless(choice % 12 == 0, pl.Series([True] * n, dtype=pl.Boolean)),
        }
    ).to_struct()


def _build_properties(n: int, rng: np.random.Generator) -> pl.Series:
    price = pl.Series(rng.exponential(28, n) + 0.5).round(2)
    sku = pl.select(pl.format("SKU{}", pl.Series(rng.integers(0, 3000, n)).cast(pl.String).str.zfill(5))).to_series()
    return pl.DataFrame({"sku": sku, "price": price}).to_struct()


def _build_traits(who: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    first, last = write_names(who, rng)
    phone = keep_some(who["phone"].str.slice(2), 0.31, rng)
    return pl.DataFrame({"email": who["email"], "firstName": first, "lastName": last, "phone": phone}).to_struct()


def generate_beacons(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Pings of devices near a store's beacon."""
    who = _draw_device_use(people, 5.1, clock, rng)
    n = who.height
    ids = number_ids("b{}", n, width=6)
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "ping_id": ids,
            "ad_id": who["on"].str.head(8),
            "store": pick(tuple(number_ids("S{}", 14, start=1, width=2)), n, rng),
            "lat": pl.Series(np.round(rng.normal(47.61, 0.04, n), 6)),
            "lon": pl.Series(np.round(rng.normal(-122.33, 0.05, n), 6)),
            "dwell_s": pl.Series(rng.gamma(2, 110, n).astype(np.int64) + 5),
            "at": who["at"].dt.epoch("ms"),
        }
    )


def generate_iot(people: pl.DataFrame, clock: Clock, rng: np.random.Generator) -> pl.DataFrame:
    """Readings of connected devices; a fifth name their owner."""
    who = draw_often(people.filter(pl.col("serial").is_not_null()), 95, clock, rng)
    n = who.height
    ids = pl.select(pl.format("{}-{}", who["serial"], pl.int_range(n))).to_series()
    owner = _null_unless(draw_chance(n, 0.2, rng), who["email"])
    return pl.DataFrame(
        {
            **build_hidden_columns(ids, who),
            "reading_id": ids,
            "serial": who["serial"],
            "owner_email": owner,
            "at": who["at"].cast(pl.Datetime("ns")),
            "metric": pick(("temp_c", "battery", "brew_count"), n, rng),
            "value": pl.Series(np.round(rng.normal(50, 20, n), 2)),
        }
    )
