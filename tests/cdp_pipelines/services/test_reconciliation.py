"""Answers about a mart are compared every night: each that differs is named with the counts."""

import duckdb
import polars as pl
import pytest

from cdp_pipelines.schema import MEMBERSHIP
from cdp_pipelines.services.mart_history import list_mart_tables
from cdp_pipelines.services.reconciliation import find_disagreements
from tests.conftest import copy_lake
from warehouse.serving.mart_file import count_rows, mart_file_path


@pytest.fixture
def lake(sample, tmp_path):
    return copy_lake(sample.lake, tmp_path / "lake")


def compare(lake, **changed) -> dict[str, str]:
    counts = {key: lake.read(table).height for key, table in list_mart_tables().items()}
    return find_disagreements(lake, counts | changed, counts, ())


def test_all_answers_about_all_marts_agree(lake):
    assert compare(lake) == {}
    assert sum(count_rows(lake).values()) > 1000


def test_a_mart_with_another_number_than_its_funnel_is_named(lake):
    count = lake.read(list_mart_tables()["email_marketing"]).height
    assert compare(lake, email_marketing=count + 1) == {
        "email_marketing": f"membership: {count}, mart: {count + 1}, funnel: {count}"
    }


def test_a_lost_membership_is_named(lake):
    history = lake.read(MEMBERSHIP)
    is_lost = (pl.col("purpose") == "payment") & pl.col("valid_to").is_null()
    lake.replace(MEMBERSHIP, history.filter(~is_lost))
    assert compare(lake)["payment"].startswith("membership: 0, mart: ")


def test_a_row_that_the_served_file_lost_is_named(lake):
    with duckdb.connect(str(mart_file_path(lake))) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM payment.customer").fetchall()
        connection.execute("DELETE FROM payment.customer WHERE rowid = 0")
    assert compare(lake) == {"payment": f"file: {count - 1}, rows to be served: {count}"}


def test_a_mart_that_was_held_back_is_not_compared_with_the_funnel_of_tonight(lake):
    counts = {key: lake.read(table).height for key, table in list_mart_tables().items()}
    table = list_mart_tables()["payment"]
    history = lake.read(MEMBERSHIP)
    lake.replace(table, lake.read(table).head(-1))
    (left,) = history.filter(pl.col("valid_to").is_null(), purpose="payment").head(1)["customer_id"]
    lake.replace(MEMBERSHIP, history.filter(~((pl.col("purpose") == "payment") & (pl.col("customer_id") == left))))
    fewer = counts | {"payment": counts["payment"] - 1}
    assert set(find_disagreements(lake, fewer, counts, {"payment"})) == set()
    assert set(find_disagreements(lake, fewer, counts, ())) == {"payment"}
