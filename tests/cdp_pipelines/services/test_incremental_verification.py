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
def test_what_a_night_missed_is_found_and_nothing_else(sample_data, sample_first_night, run, tmp_path):
    lake = copy_lake(sample_first_night, tmp_path / "lake")
    assert run(sample_data / "drops", lake.path, list_drop_dates(sample_data / "drops")[2]) == 0
    # One record and one customer are as no night would leave them.
    party = lake.read(PARTY).with_row_index()
    wrong = pl.when(pl.col("index") == 7).then(pl.lit("Nobody")).otherwise("city").alias("city")
    lake.replace(PARTY, party.with_columns(wrong).drop("index"))
    lake.replace(CUSTOMER, lake.read(CUSTOMER).tail(-1))
    tables = lake.tables()
    verification = verify_incremental(lake, recompute_lake, lambda _: None)
    assert not verification.is_equal
    assert differing(verification) == {PARTY.name: (1, 1), CUSTOMER.name: (0, 1)}
    rows = sum(pl.read_delta(str(lake.location(name))).height for name in tables)
    assert verification.document.answer.startswith(f"{rows:,} rows of {len(tables)} tables compared")
    assert lake.tables() == tables
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
