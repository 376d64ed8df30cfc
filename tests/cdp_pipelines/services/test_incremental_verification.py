"""A lake that was grown night by night is compared with all of it computed again."""

import polars as pl
import pytest

from assets.runtime.night import recompute_lake
from cdp_pipelines.schema import CUSTOMER, PARTY
from cdp_pipelines.services.incremental_verification import verify_incremental
from tests.conftest import copy_lake
from warehouse.sources.drop_folder import list_drop_dates


def differing(verification) -> dict[str, tuple[int, int]]:
    sections = {section.key: section.rows for section in verification.document.sections}
    return {row["table"]: (row["in_lake_only_count"], row["computed_only_count"]) for row in sections["differences"]}


@pytest.mark.long
def test_a_grown_lake_is_what_computing_it_again_makes_and_a_missed_change_is_found(
    sample_data, sample_first_night, run, tmp_path
):
    lake = copy_lake(sample_first_night, tmp_path / "lake")
    assert run(sample_data / "drops", lake.path, list_drop_dates(sample_data / "drops")[2]) == 0
    tables = lake.tables()
    verification = verify_incremental(lake, recompute_lake, lambda _: None)
    assert verification.is_equal, differing(verification)
    assert verification.document.answer.startswith(f"{sum(frame.height for frame in read_all(lake)):,} rows")
    assert lake.tables() == tables
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]

    # One record and one customer are as no night would leave them.
    party = lake.read(PARTY).with_row_index()
    wrong = pl.when(pl.col("index") == 7).then(pl.lit("Nobody")).otherwise("city").alias("city")
    lake.replace(PARTY, party.with_columns(wrong).drop("index"))
    lake.replace(CUSTOMER, lake.read(CUSTOMER).tail(-1))
    verification = verify_incremental(lake, recompute_lake, lambda _: None)
    assert not verification.is_equal
    assert {PARTY.name: (1, 1), CUSTOMER.name: (0, 1)}.items() <= differing(verification).items()


def read_all(lake) -> list[pl.DataFrame]:
    return [pl.read_delta(str(lake.location(name))) for name in lake.tables()]
