"""A mart is built anew when something has changed that it rests on, and else stays as it is."""

from datetime import timedelta

import polars as pl
import pytest

from cdp_pipelines.schema import DECISION, PROVENANCE
from cdp_pipelines.services.declarations import load_company_register
from cdp_pipelines.services.mart_build import update_mart
from cdp_pipelines.services.nights import read_nights
from tests.conftest import copy_lake

MEASURED, PLAIN, OTHER = "analytics", "email_marketing", "sms_marketing"


@pytest.fixture
def is_built(sample, tmp_path):
    """Whether the mart of a purpose is built in a run so many days after the last."""
    lake = copy_lake(sample.lake, tmp_path / "lake")
    nights = read_nights(lake)

    def build(key, days=0):
        as_of = nights.last_as_of + timedelta(days=days)
        report = update_mart(lake, load_company_register()[key], as_of.date(), as_of)
        assert all(check.is_passed for check in report.checks)
        return not report.writes[0].is_recalled

    build.lake = lake
    return build


def test_time_alone_builds_only_marts_that_measure_a_window(is_built):
    is_built(MEASURED)
    assert not is_built(MEASURED)
    assert is_built(MEASURED, days=1)
    is_built(PLAIN)
    assert not is_built(PLAIN, days=1)


def test_a_decision_builds_the_mart_of_its_purpose_alone(is_built):
    is_built(PLAIN)
    is_built(OTHER)
    decisions = is_built.lake.read(DECISION)
    allowed = decisions.filter(pl.col("purpose") == PLAIN, pl.col("valid_to").is_null(), "is_allowed")
    person = allowed["customer_id"][0]
    is_theirs = (pl.col("customer_id") == person) & (pl.col("purpose") == PLAIN)
    denied = decisions.with_columns(
        is_allowed=pl.when(is_theirs).then(statement=False).otherwise("is_allowed"),
        reason=pl.when(is_theirs).then(pl.lit("withdrawn")).otherwise("reason"),
    )
    is_built.lake.replace(DECISION, denied)
    assert not is_built(OTHER)
    assert is_built(PLAIN)
    assert not is_built(PLAIN)


def test_a_golden_value_builds_the_mart(is_built):
    is_built(PLAIN)
    values = is_built.lake.read(PROVENANCE)
    is_name = pl.col("attribute") == "first_name"
    is_built.lake.replace(
        PROVENANCE, values.with_columns(pl.when(is_name).then(pl.lit("Nobody")).otherwise("value").alias("value"))
    )
    assert is_built(PLAIN)
    names = pl.read_delta(str(is_built.lake.location(f"mart/{PLAIN}")))["first_name"].drop_nulls().unique().to_list()
    assert names == ["Nobody"]
