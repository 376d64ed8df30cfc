"""The golden record of whole lakes: each of its tables, computed again from the records in plain Python."""

from collections import Counter, defaultdict

import polars as pl
import pytest

from cdp_pipelines.schema import (
    CONFLICT,
    CONTACT_POINT,
    CROSSWALK,
    CUSTOMER,
    HOUSEHOLD,
    PARTY,
    PREFERENCE,
    PROVENANCE,
    TABLES,
)
from cdp_pipelines.services.declarations import load_survivorship
from tests.commands import read_answer, run_command


@pytest.fixture(params=["sample", "anytown"])
def lake(request):
    return request.getfixturevalue(request.param).lake


def test_what_survives_together_is_what_one_record_says(lake, capsys):
    customers = lake.read(CUSTOMER)
    profiled = lake.scan(CROSSWALK).filter("is_profiled").select("channel", "source_record_id", "customer_id")
    said = [lake.scan(table).join(profiled, on=["channel", "source_record_id"]) for table in (PARTY, PREFERENCE)]
    for group in load_survivorship().attribute_groups:
        of = said[group[0] not in PARTY.schema].select("customer_id", *group).unique().collect()
        complete = customers.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in group))
        whole = complete.join(of, on=["customer_id", *group], how="semi", nulls_equal=True)
        with capsys.disabled():
            print(
                f"\n{' '.join(group)}: {complete.height:,} customers have one, one record says it of {whole.height:,}"
            )
        assert whole.height == complete.height > 0


def test_each_golden_value_is_the_first_of_its_candidates(lake):
    customers, candidates = lake.read(CUSTOMER), lake.read(PROVENANCE)
    first = candidates.filter(rank=1).select("customer_id", "attribute", "value")
    names = [name for name in CUSTOMER.schema if name in set(candidates["attribute"])]
    held = customers.select("customer_id", pl.col(names).cast(pl.String)).unpivot(
        index="customer_id", variable_name="attribute"
    )
    order = ["customer_id", "attribute"]
    assert held.drop_nulls("value").sort(order).equals(first.sort(order))
    ranks = candidates.group_by("customer_id", "attribute_group").agg(pl.col("rank").min())
    assert set(ranks["rank"]) == {1}


def test_contact_points_are_all_that_records_with_a_profile_tell(lake):
    points = lake.read(CONTACT_POINT)
    profiled = lake.scan(CROSSWALK).filter("is_profiled").select("channel", "source_record_id", "customer_id")
    candidates = (
        lake.scan(PARTY)
        .join(profiled, on=["channel", "source_record_id"])
        .unpivot(on=["email", "phone"], index="customer_id", variable_name="kind")
        .drop_nulls("value")
        .unique()
        .collect()
    )
    assert (
        points.select("customer_id", "kind", "value")
        .sort(pl.all())
        .equals(candidates.select("customer_id", "kind", "value").sort(pl.all()))
    )
    assert all({*row[0]} >= {*row[1]} for row in points.select("collected_for", "allowed_for").iter_rows())
    golden = points.filter("is_golden")
    assert golden.select("customer_id", "kind").is_unique().all()
    # One that bounced is golden only where all of its kind did.
    others = points.filter(pl.col("state") != "bounced").select("customer_id", "kind").unique()
    assert golden.filter(state="bounced").join(others, on=["customer_id", "kind"], how="semi").is_empty()


def test_households_share_a_name_and_an_address_and_nothing_else_follows_from_them(lake, capsys):
    households, customers = lake.read(HOUSEHOLD), lake.read(CUSTOMER)
    members = households.join(customers, on="customer_id", how="left")
    of = members.group_by("household_id").agg(
        pl.len().alias("n"), pl.col("member_count").first(), pl.col("postal_code", "country_code").n_unique()
    )
    with capsys.disabled():
        print(f"\n{of.height:,} households of {households.height:,} customers")
    assert (of["n"] == of["member_count"]).all()
    assert set(of["postal_code"]) == set(of["country_code"]) == {1}
    assert members["last_name"].null_count() == members["street"].null_count() == 0
    others = [name for name, table in TABLES.items() if "household_id" in table.schema]
    assert others == [HOUSEHOLD.name]


def test_conflicts_are_those_of_the_candidates(lake):
    of = defaultdict(list)
    for row in lake.read(PROVENANCE).iter_rows(named=True):
        of[row["customer_id"], row["attribute"]].append(row)
    both, differ = Counter(), Counter()
    for (_, attribute), rows in of.items():
        for golden in (row for row in rows if row["rank"] == 1):
            for channel in {row["channel"] for row in rows}:
                pair = attribute, golden["channel"], channel
                both[pair] += 1
                differ[pair] += any(row["value"] != golden["value"] for row in rows if row["channel"] == channel)
    conflicts = {tuple(row[:3]): row[3:] for row in lake.read(CONFLICT).iter_rows()}
    assert conflicts == {pair: (n, differ[pair]) for pair, n in both.items()}


def test_conflicts_are_printed(sample):
    answer = read_answer("conflicts", "email", "--lake", sample.lake.path)
    held = sample.lake.read(CUSTOMER)["email"].count()
    assert sum(row["customer_count"] for row in answer["winners"]) == held > 0
    assert {row["attribute"] for row in answer["losers"]} == {"email"}
    wrong = run_command("conflicts", "emial", "--lake", sample.lake.path)
    assert wrong.exit_code == 2
    assert "there is no attribute 'emial'. Did you mean 'email'?" in wrong.stderr
