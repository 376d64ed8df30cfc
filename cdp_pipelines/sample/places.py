"""Where people live: towns of many regions, with postal codes, area codes and streets of their own."""

from __future__ import annotations

import numpy as np
import polars as pl

from cdp_pipelines.sample.names import compute_frequencies

# Town, region, first three digits of its postal codes, area code of its phones; biggest first. The towns are invented.
_TOWNS = """
Hudson Bend|NY|100|212, Lakeview Heights|IL|606|312, Santa Lucia|CA|900|213, Bayou Bend|TX|770|713, Northport|WA|981|206,
Old Forge|PA|191|215, Saguaro|AZ|850|602, Kings Crossing|NY|112|718, Harborview|MA|021|617, Coral Shores|FL|331|305,
Peachtree Glen|GA|303|404, Palm Terrace|CA|921|619, Pinewood|MI|482|313, Cottonwood|TX|787|512, Millbrook|OR|972|503,
Summit Ridge|CO|802|303, Twin Lakes|MN|554|612, Eastwick|WA|980|425, Ashford|OH|441|216, Lakeside|CA|941|415,
Bluegrass|TN|372|615, Oakmont|NC|276|919, San Marcos Springs|TX|782|210, Oro Vista|CA|958|916, Tidewater|VA|235|757,
Steelton Hill|PA|152|412, Orange Park Hills|FL|328|407, Redwood Grove|CA|945|510, Albion Falls|NY|142|716,
Mesa Alta|NM|871|505, Cedar Bluff|WA|992|509, Granite Falls|ID|837|208, Fairhaven|OR|974|541, Prairie Grove|IL|627|217,
Harbour Point|WA|983|360, Silverton|MT|598|406
"""
_NAMES = """
main oak maple cedar pine elm washington park lake hill walnut spring ridge church lincoln jackson cherry highland mill
river chestnut jefferson spruce birch willow sunset franklin madison center union market forest garden valley meadow
orchard prospect pleasant central college liberty grove vine bridge canal harbour castle abbey station school monroe
adams locust hickory dogwood laurel magnolia cypress poplar sycamore aspen juniper hawthorn holly ivy rose violet
clover fern heather fox_hollow deer_run bear_creek eagle_nest quail_ridge turkey_trot wild_horse stone_gate old_mill
rock_springs cold_brook clear_water silver_lake golden_gate blue_heron red_barn green_acres white_oak black_rock
interlake riverside bayview fairview grandview lakeview mountain_view ocean_view pleasant_hill cherry_hill forest_glen
scotchtown treywood westminster skycrest brandywine arlington windsor cambridge oxford bristol devon kent essex sussex
cleveland grant harrison taylor tyler polk pierce hayes garfield wilson roosevelt kennedy logan sherman sheridan custer
1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 14th 15th 16th 21st 23rd 35th 42nd 88th 104th
"""
_KINDS = ("st", "ave", "rd", "dr", "ln", "ct", "way", "blvd", "pl", "cir", "ter", "pkwy")
# What a kind of street is called where it is written out.
KINDS_IN_FULL = {
    "st": "street",
    "ave": "avenue",
    "rd": "road",
    "dr": "drive",
    "ln": "lane",
    "ct": "court",
    "blvd": "boulevard",
    "pl": "place",
    "cir": "circle",
}


def generate_addresses(n: int, rng: np.random.Generator) -> pl.DataFrame:
    """`n` homes: street (number, name, kind, sometimes a direction or a flat), city, region, zip, area_code."""
    towns = [town.strip().split("|") for town in _TOWNS.split(",")]
    town = rng.choice(len(towns), n, p=compute_frequencies(len(towns), 0.7, 2))
    city, region, prefix, area = (pl.Series([row[part] for row in towns])[town] for part in range(4))
    # A big town has more postal codes than a small one.
    code = pl.Series((town * 7 + rng.integers(0, 100, n) % (3 + 24 // (town + 1))) % 100)
    names = pl.Series([name.replace("_", " ") for name in _NAMES.split()])
    name = names[rng.choice(names.len(), n, p=compute_frequencies(names.len(), 0.6, 4))]
    kind = pl.Series(_KINDS)[rng.choice(len(_KINDS), n, p=compute_frequencies(len(_KINDS), 1.0, 1))]
    number = pl.Series(np.where(rng.random(n) < 0.6, rng.integers(1, 1000, n), rng.integers(1000, 10_000, n)))
    direction = pl.Series(["", " n", " s", " e", " w", " ne", " sw"])[
        rng.choice(7, n, p=[0.76, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04])
    ]
    flat = pl.select(
        pl.when(pl.Series(rng.random(n) < 0.14)).then(pl.format(" apt {}", pl.Series(rng.integers(1, 60, n))))
    ).to_series()
    return pl.DataFrame({"city": city, "region": region, "area_code": area}).with_columns(
        pl.format("{} {} {}{}{}", number, name, kind, direction, flat.fill_null("")).alias("street"),
        pl.concat_str(prefix, code.cast(pl.String).str.zfill(2)).alias("zip"),
    )
