"""Identity in a lake: each night writes the rows that its changes affect, and the lake is as all at once would make it."""

from datetime import timedelta

import polars as pl
import pytest

from cdp_pipelines.benchmarks.identity import draw_reviews
from cdp_pipelines.identity.policy import Refit
from cdp_pipelines.reports.identity import PAGE, write_identity_page
from cdp_pipelines.sample.duplicates import TODAY, generate_duplicates
from cdp_pipelines.schema import CLUSTER, FREQUENCY, GROUP, HISTORY, LINK, MODEL, PARTY, RECORD_STATE, REVIEW
from cdp_pipelines.schema.duration import end_of_night
from cdp_pipelines.services import identity_resolution
from cdp_pipelines.services.declarations import load_identity_policy
from cdp_pipelines.services.identity_resolution import resolve_lake, update_identity
from warehouse.delta.lake import Lake

POLICY = load_identity_policy().model_copy(
    update={"refit": Refit(min_records=100, frozen_above=1), "random_pairs": 3000, "max_block": 5}
)
TABLES = (LINK, CLUSTER, GROUP, RECORD_STATE, FREQUENCY)


def of_two_channels(frame):
    """Of ten records four are the till's, whose data joins no profiles; one of these ties two of the others together."""
    last, ten = pl.col("source_record_id").str.tail(1), pl.col("source_record_id").str.head(-1)
    return frame.with_columns(
        channel=pl.when(last.is_in(["0", "3", "6", "9"])).then(pl.lit("till")).otherwise("channel"),
        device_id=pl.when(last.is_in(["0", "1"])).then(ten),
        loyalty_card=pl.when(last.is_in(["0", "2"])).then(ten),
    )


PEOPLE = of_two_channels(generate_duplicates(900)[0])
NIGHTS = [
    PEOPLE.slice(start, n).with_columns(pl.col("drop_date") + timedelta(days=day))
    for day, (start, n) in enumerate([(0, 700), (700, 30), (730, 30), (760, 30)])
]


@pytest.fixture(autouse=True)
def channels(monkeypatch):
    monkeypatch.setattr(identity_resolution, "non_linking_channels", lambda: ["till"])
    monkeypatch.setattr(identity_resolution, "linking_channels", lambda: {"fraud_prevention": ["register", "till"]})


def bring_to(store, party, day):
    store.replace(PARTY, party)
    night = TODAY + timedelta(days=day)
    return update_identity(store, POLICY, night, end_of_night(night), write_identity_page)


def after(path, *days):
    """A lake that was brought to these nights."""
    store = Lake(path)
    for day in days:
        bring_to(store, pl.concat(NIGHTS[: day + 1]), day)
    return store


def content(store):
    return {table.name: store.read(table) for table in TABLES} | {MODEL.name: store.read(MODEL).drop("table_versions")}


def is_same(one, other):
    left, right = content(one), content(other)
    assert left.keys() == right.keys()
    for name, frame in left.items():
        assert frame.equals(right[name]), name


def rows_checked(report):
    return {check.table.name: check.result.row_count for check in report.checks if check.result}


def test_night_by_night_is_all_at_once_and_only_resolved_rows_are_checked(tmp_path):
    nightly, once = after(tmp_path / "nightly", 0, 1, 2), after(tmp_path / "once", 2)
    is_same(nightly, once)
    checked = rows_checked(bring_to(nightly, pl.concat(NIGHTS), 3))
    is_same(nightly, after(tmp_path / "again", 3))
    every = nightly.read(CLUSTER).height
    assert every == 790
    assert 30 <= checked["identity/cluster"] == checked["identity/record_state"] < every / 3
    assert nightly.read(GROUP).height > 10
    history = nightly.read(HISTORY)
    assert history.filter(event="created")["customer_id"].is_unique().all()
    assert set(nightly.read(CLUSTER)["customer_id"]) <= set(history.filter(event="created")["customer_id"])


def test_the_same_night_twice_writes_nothing(tmp_path):
    store = after(tmp_path / "lake", 0, 1)
    before = store.tables()
    assert rows_checked(bring_to(store, store.read(PARTY), 1)).keys() <= {"identity/model"}
    assert store.tables() == before


@pytest.mark.parametrize("written_count", [1, 3, 6])
def test_a_night_that_was_cut_short_is_completed(tmp_path, monkeypatch, written_count):
    store = after(tmp_path / "lake", 0, 1)
    writes, replace = iter(range(written_count + 1)), Lake.replace

    def cut_short(lake, *given):
        if next(writes) == written_count:
            raise KeyboardInterrupt
        return replace(lake, *given)

    store.replace(PARTY, pl.concat(NIGHTS[:3]))
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "replace", cut_short)
        with pytest.raises(KeyboardInterrupt):
            bring_to(store, pl.concat(NIGHTS[:3]), 2)
    assert resolve_lake(store, POLICY).resolved is None
    # It is completed even by a night that has other records.
    fewer = pl.concat(NIGHTS).filter(pl.col("source_record_id") != NIGHTS[2]["source_record_id"][0])
    bring_to(store, fewer, 3)
    whole = Lake(tmp_path / "whole")
    bring_to(whole, fewer, 3)
    is_same(store, whole)


def test_a_table_that_somebody_else_wrote_is_not_built_upon(tmp_path):
    store = after(tmp_path / "lake", 0, 1)
    assert resolve_lake(store, POLICY).resolved is not None
    store.replace(CLUSTER, store.read(CLUSTER).head(100))
    assert resolve_lake(store, POLICY).resolved is None


def test_nothing_remains_of_a_record_that_left(tmp_path):
    store = after(tmp_path / "lake", 0, 1)
    gone = NIGHTS[0].filter(pl.col("channel") == "register").head(40)["source_record_id"]
    left = store.read(PARTY).filter(~pl.col("source_record_id").is_in(gone.implode()))
    before = store.read(RECORD_STATE)
    bring_to(store, left, 2)
    links = store.read(LINK)
    for table, names in ((CLUSTER, ["source_record_id"]), (LINK, ["left_source_record_id", "right_source_record_id"])):
        for name in names:
            assert store.read(table)[name].is_in(gone.implode()).sum() == 0
    after_it = store.read(RECORD_STATE)
    assert after_it.height == before.height - 40
    assert set(after_it["street_digest"].drop_nulls()) < set(before["street_digest"].drop_nulls())
    assert links.height > 100


def test_a_night_that_resolves_all_and_changes_nothing_passes(tmp_path):
    store = after(tmp_path / "lake", 0, 1)
    store.replace(MODEL, store.read(MODEL).with_columns(table_versions=pl.lit("others")))
    before = store.tables()
    assert rows_checked(bring_to(store, store.read(PARTY), 1))["identity/cluster"] == 730
    assert {name: version for name, version in store.tables().items() if name != MODEL.name} == {
        name: version for name, version in before.items() if name != MODEL.name
    }


def test_the_page_and_the_counts_are_reported(tmp_path):
    store = Lake(tmp_path / "lake")
    report = bring_to(store, NIGHTS[0], 0)
    of_links = next(write.metadata for write in report.writes if write.table is LINK)
    assert of_links["page"] == store.path / PAGE
    assert of_links["page"].exists()
    assert of_links["identity records"] == of_links["identity records resolved"] == 700


@pytest.mark.parametrize("classifier", ["ecm", "logistic_regression"])
def test_the_tables_of_another_classifier_pass_their_gates(tmp_path, monkeypatch, classifier):
    """Its model has no household probabilities, a linear one no probabilities at all."""
    people, truth = generate_duplicates(900)
    store, policy = Lake(tmp_path / "lake"), POLICY.model_copy(update={"classifier": classifier, "min_pairs": 50})
    store.replace(REVIEW, draw_reviews(people, truth, policy))
    monkeypatch.setattr(f"{__name__}.POLICY", policy)
    report = bring_to(store, people, 0)
    assert all(check.is_passed for check in report.checks)
    model = store.read(MODEL)
    assert model["origin"].unique().to_list() == [f"learned by {classifier}"]
    assert model["household_probability"].null_count() == model.height
    assert resolve_lake(store, policy).resolved is not None
