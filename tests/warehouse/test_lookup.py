"""One person's rows are found by predicates that files can be passed over by; they are those that joins would find."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp_pipelines.schema import CLUSTER, IDENTIFIER, IDENTIFIER_KINDS, INTERACTION, PARTY
from warehouse.delta import write_modes
from warehouse.delta.lake import Lake
from warehouse.delta.write_modes import GROUP_ROWS
from warehouse.lookup import (
    find_customers,
    find_records,
    list_record_identifiers,
    match_records,
    read_records_of,
    standard_forms,
)

NAMES = st.sampled_from(["a", "b", "c", "1", "2"])
RECORDS = st.sets(st.tuples(NAMES, NAMES), max_size=6)


def frame(records):
    return pl.DataFrame(sorted(records), schema={"channel": pl.String, "source_record_id": pl.String}, orient="row")


@given(mine=RECORDS, there=RECORDS)
def test_are_records_is_membership_in_pairs(mine, there):
    found = frame(there).filter(match_records(frame(mine)))
    assert set(found.iter_rows()) == mine & there


def test_identifiers_lead_to_whom_they_lead_by_records(sample):
    """Worked out in plain Python from every record of the company."""
    whose = {tuple(row[:2]): row[2:] for row in sample.lake.read(CLUSTER).select(
        "channel", "source_record_id", "customer_id", "is_exact").iter_rows()}  # fmt: skip
    certain, holders = {}, {}
    for row in sample.lake.read(PARTY).iter_rows(named=True):
        customer_id, is_exact = whose[row["channel"], row["source_record_id"]]
        for kind in IDENTIFIER_KINDS:
            if row[kind] is not None:
                key = row[kind], kind, customer_id
                certain[key] = certain.get(key, False) or is_exact
                holders.setdefault(key[:2], set()).add(customer_id)
    identifiers = {row[:3]: row[3:] for row in sample.lake.read(IDENTIFIER).iter_rows()}
    assert identifiers == {key: (sure, len(holders[key[:2]]) == 1) for key, sure in certain.items()}


def test_a_customers_rows_are_those_that_joins_find(sample):
    records, party = sample.lake.read(CLUSTER), sample.lake.read(PARTY)
    largest = records["customer_id"].value_counts().sort("count", "customer_id")["customer_id"][-1]
    mine = find_records(sample.lake, [largest])
    assert mine.equals(records.filter(customer_id=largest))
    for table in (PARTY, INTERACTION):
        joined = sample.lake.read(table).join(mine, on=PARTY.key, how="semi")
        assert read_records_of(sample.lake, table, mine).sort(table.key).equals(joined.sort(table.key))
    held = list_record_identifiers(party.join(mine, on=PARTY.key, how="semi"))
    assert set(held["value"]) == set(find_customers(sample.lake, held["value"])["value"])


@pytest.mark.parametrize(
    ("given_", "among"),
    [
        pytest.param(" Ann@Example.com ", "ann@example.com", id="e_mail"),
        pytest.param("+1 (206) 555-0100", "+12065550100", id="phone"),
        pytest.param("LC000017", "LC000017", id="card"),
    ],
)
def test_identifiers_are_found_as_people_write_them(given_, among):
    assert among in standard_forms(given_)


def test_rows_lie_in_small_groups_in_the_order_by_which_they_are_looked_up(tmp_path):
    n = GROUP_ROWS + 1
    numbers = pl.int_range(n, eager=True).reverse().cast(pl.String).str.zfill(6)
    rows = CLUSTER.conform(
        pl.LazyFrame(
            {"channel": "crm", "source_record_id": numbers.reverse(), "customer_id": numbers, "is_exact": True}
        )
    ).collect()
    lake = Lake(tmp_path)
    lake.replace(CLUSTER, rows)
    lake.append(CLUSTER, rows)
    import pyarrow.parquet as pq

    for path in lake.location(CLUSTER.name).glob("*.parquet"):
        assert pl.read_parquet(path)["customer_id"].is_sorted()
        assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert lake.replace(CLUSTER, pl.concat([rows, rows])).is_changed is False


def test_a_commit_names_the_code_that_made_it_and_what_is_equal_keeps_its_code(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    rows = CLUSTER.conform(
        pl.LazyFrame({"channel": "crm", "source_record_id": ["1", "2"], "customer_id": "c", "is_exact": True})
    ).collect()
    monkeypatch.setattr(write_modes, "code_version", lambda: "1+a")
    lake.replace(CLUSTER, rows)
    monkeypatch.setattr(write_modes, "code_version", lambda: "1+b")
    lake.replace(CLUSTER, rows)
    assert lake.list_versions().rows() == [("identity/cluster", 0, 2, "1+a")]
    lake.replace(CLUSTER, rows.head(1))
    assert lake.list_versions().rows() == [("identity/cluster", 1, 1, "1+b")]
    assert lake.scan_version(CLUSTER.name, 0).collect().height == 2
    assert lake.scan_version(CLUSTER.name, 2) is None
