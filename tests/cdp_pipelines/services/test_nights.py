"""A run of an implausible night is refused before it writes, and taken in where it is accepted."""

import shutil
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.errors import LakeError
from cdp_pipelines.schema import RUN
from cdp_pipelines.services.nights import check_nights
from tests.conftest import fingerprint
from warehouse.delta.lake import Lake

TODAY = date(2026, 11, 26)


def test_a_folder_dated_2204_is_refused_and_the_lake_stays_as_it_was(sample, tmp_path):
    drops = tmp_path / "drops"
    shutil.copytree(sample.drops, drops)
    (drops / "2204-07-01").mkdir()
    (drops / "2204-07-01" / "surveys.csv").write_text("x\n")
    before = fingerprint(sample.lake)
    answer = CliRunner().invoke(app, ["run", "--drops", str(drops), "--lake", str(sample.lake.path)])
    assert answer.exit_code == 2
    message = " ".join(answer.output.split())
    assert "the night 2204-07-01 is later than" in message
    assert "cdp run --accept-night 2204-07-01" in message
    assert fingerprint(sample.lake) == before


def test_nights_that_the_lake_has_had_and_accepted_nights_pass(tmp_path):
    lake = Lake(tmp_path)
    check_nights(lake, [date(2024, 7, 1)], [], TODAY)
    night = date(2204, 7, 1)
    with pytest.raises(LakeError, match="2204-07-01"):
        check_nights(lake, [night], [], TODAY)
    check_nights(lake, [night], [night], TODAY)
    lake.replace(RUN, pl.concat([RUN.empty(), pl.DataFrame({"night": [night]})], how="diagonal"))
    check_nights(lake, [night], [], TODAY)
