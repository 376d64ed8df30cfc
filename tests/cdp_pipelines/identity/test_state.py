"""State between nights: digests by which a night finds what its changes affect."""

import polars as pl
import pytest

from cdp_pipelines.identity.state import (
    compute_configuration_digest,
    digest_records,
    fingerprint_records,
    merge_rows,
    select_rows_of,
)
from cdp_pipelines.identity.values import build_distinct_records
from cdp_pipelines.schema import REVIEW
from tests.cdp_pipelines.identity.records import ANN, NONE, PEOPLE, POLICY, SMALL, Lake, find_customers, party, review


@pytest.mark.parametrize(
    ("policy", "code_digest"),
    [
        pytest.param(SMALL, "2", id="another_version"),
        pytest.param(SMALL.model_copy(update={"max_block": 5}), "1", id="another_rule"),
    ],
)
def test_a_state_of_other_code_or_rules_is_not_used(policy, code_digest):
    frame = PEOPLE.head(300)
    state = find_customers(frame, SMALL, code_digest="1").state
    assert find_customers(frame, policy, previous=state, code_digest=code_digest).resolved is None
    assert find_customers(frame, SMALL, previous=state, code_digest="1").resolved is not None


def test_a_value_that_no_record_has_any_more_is_removed():
    frame = PEOPLE.head(1000)
    lake = Lake().bring(frame)
    before, remaining = lake.state.frequency, frame.filter(~pl.col("street").str.contains("oak").fill_null(value=False))
    after = lake.bring(remaining).state.frequency
    distinct = build_distinct_records(remaining, SMALL, NONE)
    present = {name: set(distinct.values[name]["digest"]) for name in ("first_name", "last_name", "street", "phone")}
    assert 0 < after.height < before.height
    assert all(digest in present[name] for name, digest, _ in after.iter_rows())


def fingerprints(*records, reviewed=None, configuration=1):
    reviewed = REVIEW.empty() if reviewed is None else reviewed
    return fingerprint_records(party(*records), POLICY, reviewed, configuration)["fingerprint"].to_list()


def test_a_fingerprint_changes_with_fields_reviews_and_configuration():
    once = fingerprints(ANN, {**ANN, "first_name": "Anne"})
    assert fingerprints(ANN, {**ANN, "first_name": "Anne"}) == once
    assert fingerprints(ANN, {**ANN, "first_name": "Eva"})[0] == once[0]
    assert fingerprints(ANN, {**ANN, "first_name": "Eva"})[1] != once[1]
    reviewed = fingerprints(ANN, {**ANN, "first_name": "Anne"}, reviewed=review(("r0", "gone", True)))
    assert (reviewed[0] == once[0], reviewed[1] == once[1]) == (False, True)
    assert fingerprints(ANN, configuration=2)[0] != once[0]


def test_the_configuration_digest_depends_on_rules_code_and_channels():
    digests = {
        compute_configuration_digest(POLICY, "1", ["a", "b"]),
        compute_configuration_digest(POLICY, "1", ["b", "a"]),
        compute_configuration_digest(SMALL, "1", ["a", "b"]),
        compute_configuration_digest(POLICY, "2", ["a", "b"]),
        compute_configuration_digest(POLICY, "1", ["a"]),
    }
    assert len(digests) == 4


def test_rows_of_resolved_records_are_replaced():
    rows = pl.DataFrame({"channel": "t", "source_record_id": ["a", "b"], "value": [1, 2]})
    resolved = digest_records(rows.head(1))
    found = pl.DataFrame({"channel": "t", "source_record_id": ["a"], "value": [3]})
    assert select_rows_of(rows, resolved)["value"].to_list() == [1]
    assert merge_rows(rows, found, resolved)["value"].to_list() == [2, 3]
    assert merge_rows(rows, found, None)["value"].to_list() == [3]
