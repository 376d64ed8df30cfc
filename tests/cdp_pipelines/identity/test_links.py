"""Links between distinct records, and the rows that they become."""

import polars as pl
import pytest

from cdp_pipelines.identity.links import (
    attach_unnamed_records,
    build_links,
    link_exactly,
    list_separated_records,
    list_shared_values,
    list_unnamed_sharing,
    map_reviews,
)
from cdp_pipelines.identity.statistics import compute_statistics
from cdp_pipelines.schema import LINK, REVIEW
from tests.cdp_pipelines.identity.records import ANN, BOB, POLICY, distinct_of, review


def shared_of(distinct, policy=POLICY):
    return list_shared_values(distinct, compute_statistics(distinct, policy)[0])


def no_reviews(distinct):
    return map_reviews(REVIEW.empty(), distinct)


def test_reviews_lead_to_distinct_records_and_the_latest_holds():
    distinct = distinct_of(ANN, ANN, BOB)
    mapped = map_reviews(
        review(("r2", "r0", False), ("r0", "r1", True), ("r1", "r2", True), ("r0", "gone", True)), distinct
    )
    assert mapped.rows() == [(0, 1, True)]
    assert list_separated_records(review(("a", "b", False), ("a", "c", True)))["source_record_id"].to_list() == [
        "a",
        "b",
    ]


def test_every_record_with_a_value_is_linked_to_the_first():
    distinct = distinct_of(
        {"device_id": "d"}, {"device_id": "d", "account_id": "k"}, {"account_id": "k"}, {"email": "x"}
    )
    links = link_exactly(shared_of(distinct), no_reviews(distinct), POLICY)
    assert sorted(links.select("left", "right", "rule").rows()) == [(0, 1, "device_id"), (1, 2, "account_id")]
    assert links["is_exact"].all()
    assert links["evidence"].to_list()[0][0].endswith(":exact")


def test_an_over_shared_value_links_nobody():
    policy = POLICY.model_copy(update={"max_sharers": 2})
    distinct = distinct_of(*({"device_id": "kiosk", "account_id": f"k{n}"} for n in range(3)))
    assert link_exactly(shared_of(distinct, policy), no_reviews(distinct), policy).is_empty()


MRS_ERVIN = {"last_name": "Ervin", "phone": ANN["phone"]}
UNNAMED = [
    pytest.param([ANN, MRS_ERVIN], [(0, 1, "phone")], id="to_the_sole_owner"),
    pytest.param([ANN, BOB, MRS_ERVIN], [], id="not_to_one_of_two"),
    pytest.param([ANN, {**MRS_ERVIN, "last_name": "Moss"}], [], id="not_to_another_family"),
    pytest.param([{"email": "a@x.de"}, {"email": "a@x.de", "device_id": "d"}], [(0, 1, "email")], id="to_each_other"),
]


@pytest.mark.parametrize(("records", "expected"), UNNAMED)
def test_unnamed_records_are_attached(records, expected):
    distinct = distinct_of(*records)
    shared = shared_of(distinct)
    none = link_exactly(shared, no_reviews(distinct), POLICY).clear()
    assert attach_unnamed_records(none, shared, POLICY).select("left", "right", "rule").rows() == expected


def test_sharers_of_an_unnamed_value_are_tied():
    shared = shared_of(distinct_of(ANN, MRS_ERVIN, {**BOB, "phone": "+1"}, {**ANN, "phone": "+1"}))
    ties = list_unnamed_sharing(shared, POLICY).filter(pl.col("left") != pl.col("right"))
    assert ties.rows() == [(0, 1)]


def test_links_stand_for_earliest_records_and_further_ones_are_the_same():
    distinct = distinct_of(ANN, ANN, BOB)
    links = link_exactly(shared_of(distinct), map_reviews(review(("r1", "r2", True)), distinct), POLICY)
    rows = build_links(pl.concat([links, links]), distinct.records)
    assert rows.schema == LINK.schema
    assert rows.select("left_source_record_id", "right_source_record_id", "rule").rows() == [
        ("r0", "r1", "same"), ("r0", "r2", "review"),
    ]  # fmt: skip
    assert rows["is_exact"].all()
