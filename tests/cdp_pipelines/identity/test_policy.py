"""The identity policy: what a file may declare, and the errors of a wrong one."""

from math import log2

import pytest
import yaml

from cdp_pipelines.errors import PolicyError
from cdp_pipelines.identity.policy import LEVELS, load_policy
from tests.cdp_pipelines.identity.records import POLICY

GOOD = {
    "exact": ["account_id"],
    "shareable": ["email", "phone", "account_id"],
    "blocking": [["email"]],
    "comparisons": {"email": {"kind": "email", "levels": {level: [0.2, 0.1] for level in LEVELS["email"]}}},
}


def load(folder, changes):
    file = folder / "defs.yaml"
    file.write_text(yaml.safe_dump({"type": "assets.components.Identity", "attributes": {**GOOD, **changes}}))
    return load_policy(file)


def test_defaults(tmp_path):
    policy = load(tmp_path, {})
    assert policy.classifier == "fellegi_sunter"
    assert (policy.refit.min_records, policy.refit.growth, policy.refit.frozen_above) == (10_000, 1.25, 500_000)
    assert policy.identifiers == ["account_id", "email", "phone"]
    assert policy.min_log_odds == pytest.approx(log2(9))
    assert policy.compared["email"].declared("m") == (0.25, 0.25, 0.25, 0.25)


def test_the_demonstration_uses_the_built_in_classifier():
    assert POLICY.classifier == "fellegi_sunter"


@pytest.mark.parametrize("classifier", ["fellegi_sunter", "ecm", "naive_bayes", "logistic_regression", "svm"])
def test_every_classifier_may_be_declared(tmp_path, classifier):
    assert load(tmp_path, {"classifier": classifier}).classifier == classifier


WRONG = [
    pytest.param({"classifier": "svn"}, "classifier", "'svm'", id="unknown_classifier"),
    pytest.param({"settled": 5}, "settled", "not permitted", id="unknown_key"),
    pytest.param({"refit": {"growth": 1.0}}, "refit.growth", "greater than 1", id="no_growth"),
    pytest.param({"refit": {"steady": 1}}, "refit.steady", "not permitted", id="unknown_key_of_refit"),
    pytest.param({"comparisons": {}}, "comparisons", "at least 1", id="nothing_to_compare"),
    pytest.param({"exact": ["passport"]}, "exact.0", "'account_id'", id="unknown_identifier"),
    pytest.param(
        {"comparisons": {"email": {"kind": "email", "levels": {"exact": [0.5, 0.1]}}}},
        "comparisons.email", "email has exact, local, typo, other", id="a_level_is_missing",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "message"), WRONG)
def test_a_wrong_file_is_a_clear_error(tmp_path, changes, field, message):
    with pytest.raises(PolicyError) as error:
        load(tmp_path, changes)
    assert str(tmp_path / "defs.yaml") in str(error.value)
    assert any(field in where and message in why for where, why in error.value.problems), error.value.problems
