"""Kills, faults and hostile values: short forms of three development commands, and what they do to files."""

import csv
import gzip
import io
import json
import random

import polars as pl
import pytest

from tests import break_lakes, fuzz_nights, kill_nights
from tests.fuzz_nights import Spoiler

ROWS = [{"a": "1", "b": "x"}] * 50


def write_parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "read"),
    [
        ("f.csv", b"a,b\n" + b"1,x\n" * 50, lambda data: [*csv.DictReader(io.StringIO(data.decode(), newline=""))]),
        ("f.ndjson", b'{"a": "1", "b": "x"}\n' * 50, lambda data: [*map(json.loads, data.splitlines())]),
        ("f.json", json.dumps(ROWS).encode(), json.loads),
        ("f.parquet", write_parquet(pl.DataFrame(ROWS)), lambda data: pl.read_parquet(data).to_dicts()),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_spoilt_file_has_as_many_records_and_hostile_cells(name, data, read, is_packed):
    spoiler = Spoiler(random.Random(1), 0.3)  # noqa: S311  always the same cells
    if is_packed:
        spoilt = read(gzip.decompress(spoiler.spoil_file(name + ".gz", gzip.compress(data))))
    else:
        spoilt = read(spoiler.spoil_file(name, data))
    changed = [field for row in spoilt for field, value in row.items() if value != ROWS[0][field]]
    assert len(spoilt) == len(ROWS)
    assert {*changed} == {"a", "b"}
    assert 10 < len(changed) < 60


def test_every_kind_of_damage_meets_several_layers():
    faults = [*break_lakes.list_table_faults()]
    layers = {}
    for fault in faults:
        table, _, kind = fault.name.partition(": ")
        layers.setdefault(kind, set()).add(table.partition("/")[0])
    assert len(layers) == 7
    assert all(len(of_kind) >= 3 for of_kind in layers.values())
    assert len(faults) >= 30


@pytest.mark.slow
def test_killed_nights_run_again_are_nights_run_once(tmp_path):
    kills = kill_nights.kill_nights(6, random.SystemRandom().randrange(10**6), tmp_path)
    assert len(kills) == 6
    assert [kill.differences for kill in kills] == [[]] * 6


@pytest.mark.slow
def test_nights_over_hostile_values_pass(tmp_path):
    assert fuzz_nights.fuzz_nights(3, random.SystemRandom().randrange(10**6), tmp_path) == 0
