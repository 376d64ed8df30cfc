"""Runs within a day: what has arrived takes effect at once, and the nightly run afterwards gives what it always gives."""

import shutil
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from cdp_pipelines.cli.main import app
from cdp_pipelines.schema import DECISION, FILE, LEDGER, MEMBERSHIP, RUN, SEAL
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services.declarations import COMPANY
from cdp_pipelines.services.night_record import record_night
from cdp_pipelines.services.nights import find_instant
from tests.conftest import content, copy_lake, lasting
from warehouse.delta.lake import Lake
from warehouse.sources.drop_folder import list_drop_dates
from warehouse.verify.marts import verify_lake

NIGHT = date(2024, 6, 29)
NOON = datetime(2024, 6, 29, 12, tzinfo=UTC)


@pytest.mark.long
def test_what_arrives_within_a_day_counts_at_once_and_the_night_is_as_without(
    sample, sample_first_night, run, tmp_path
):
    lake, drops = copy_lake(sample_first_night, tmp_path / "lake"), tmp_path / "drops"
    shutil.copytree(sample.drops, drops)
    last = list_drop_dates(drops)[-1]
    noon = datetime.combine(last, time(12), UTC)
    later = sorted((drops / str(last)).iterdir())[1::2]
    for path in later:
        path.rename(tmp_path / path.name)
    assert run(drops, lake.path, as_of=noon) == 0
    assert verify_lake(lake.path, COMPANY).differences == []
    assert noon in lake.read(MEMBERSHIP)["valid_from"].to_list()
    (within,) = lake.read(RUN).filter(night=last).iter_rows(named=True)
    assert (within["as_of"], within["file_count"]) == (noon, lake.read(FILE).filter(drop_date=last).height)
    for path in later:
        (tmp_path / path.name).rename(path)
    assert run(drops, lake.path) == 0
    assert lake.read(RUN).filter(night=last)["as_of"].to_list() == [noon, end_of_night(last)]
    assert lake.scan(DECISION).filter(pl.col("valid_from") == noon).collect().height > 0
    one, other = lasting(content(lake)), lasting(content(sample.lake))
    one[RUN.name] = one[RUN.name].filter(pl.col("as_of") != noon)
    # The ledger keeps the order in which events arrived, and a seal is of what one run added.
    for tables in (one, other):
        del tables[SEAL.name]
        tables[LEDGER.name] = tables[LEDGER.name].drop("position").sort("event_id")
    assert [name for name in one if not one[name].equals(other[name])] == []


def test_a_run_never_goes_back_before_the_last_instant_of_its_lake(tmp_path):
    lake = Lake(tmp_path)
    assert find_instant(lake, NOON) == NOON
    record_run(lake, NIGHT, NOON)
    assert find_instant(lake, NOON - timedelta(hours=1)) == NOON
    assert find_instant(lake, NOON + timedelta(hours=1)) == NOON + timedelta(hours=1)


def record_run(lake: Lake, night: date, as_of: datetime) -> list[tuple[object, ...]]:
    record_night(lake, night, as_of)
    return lake.read(RUN).rows()


def test_an_instant_is_recorded_beside_its_night_and_stays_there(tmp_path):
    lake = Lake(tmp_path)
    rows = [
        {"channel": "c", "drop_date": night, "file": "f", "file_sha256": str(night), "received_count": 5}
        for night in (NIGHT - timedelta(days=1), NIGHT)
    ]
    lake.replace(FILE, pl.concat([FILE.empty(), pl.DataFrame(rows)], how="diagonal"))
    before = (NIGHT - timedelta(days=1), end_of_night(NIGHT - timedelta(days=1)), 1, 5)
    noon, evening = (NIGHT, NOON, 1, 5), (NIGHT, NOON + timedelta(hours=6), 1, 5)
    assert record_run(lake, NIGHT, NOON) == [before, noon]
    assert record_run(lake, NIGHT, NOON) == [before, noon]
    assert record_run(lake, NIGHT, NOON + timedelta(hours=6)) == [before, noon, evening]
    night = (NIGHT, end_of_night(NIGHT), 1, 5)
    assert record_run(lake, NIGHT, end_of_night(NIGHT)) == [before, noon, evening, night]
    after = NIGHT + timedelta(days=1)
    assert record_run(lake, after, end_of_night(after))[-2:] == [night, (after, end_of_night(after), 0, 0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--intraday", "--until", "2024-06-29"], "--intraday goes as far as now; leave out --until"),
        (["--as-of", "2024-06-29T12:00:00"], "--as-of needs --intraday"),
        (["--intraday", "--as-of", "2999-01-01"], "2999-01-01 00:00:00 UTC is later than now"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, tmp_path):
    answer = CliRunner().invoke(app, ["run", "--drops", str(tmp_path), "--lake", str(tmp_path / "lake"), *options])
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.replace("│", " ").split())
    assert not (tmp_path / "lake").exists()
