"""recordlinkage's classifiers: sensible links, missing fields that are neutral, and what training needs."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from cdp_pipelines.benchmarks.identity import draw_reviews
from cdp_pipelines.errors import TrainingError
from cdp_pipelines.identity import evaluate
from cdp_pipelines.identity.classifiers import LEAST_REVIEWS, SUPERVISED, build_features, train_classifier
from cdp_pipelines.identity.model import load_model
from cdp_pipelines.identity.patterns import PatternIndex
from cdp_pipelines.identity.policy import LEVELS, Refit
from cdp_pipelines.sample.duplicates import generate_duplicates
from cdp_pipelines.schema import REVIEW
from tests.cdp_pipelines.identity.records import PEOPLE, POLICY, Lake, find_customers, review

OTHERS = ("ecm", *SUPERVISED)
RECORDS, TRUTH = generate_duplicates(3000)
REVIEWS = draw_reviews(RECORDS, TRUTH, POLICY)


def declare(classifier, **changes):
    return POLICY.model_copy(update={"classifier": classifier, **changes})


def reviews_for(classifier, reviews=REVIEWS):
    return reviews if classifier in SUPERVISED else REVIEW.empty()


@pytest.fixture(scope="module", params=OTHERS)
def found(request):
    return find_customers(RECORDS, declare(request.param), review=reviews_for(request.param))


def test_drawn_reviews_are_half_same_half_different_and_true():
    assert REVIEWS.group_by("is_same").len().sort("is_same").rows() == [(False, 200), (True, 200)]
    person = dict(TRUTH.select("source_record_id", "person").iter_rows())
    for row in REVIEWS.iter_rows(named=True):
        is_same = person[row["left_source_record_id"]] == person[row["right_source_record_id"]]
        assert row["is_same"] == is_same
    assert draw_reviews(RECORDS.reverse(), TRUTH, POLICY).equals(REVIEWS)


def test_each_links_better_than_exact_email_and_hardly_worse_than_ours(found, capsys):
    ours = evaluate(find_customers(RECORDS).cluster, TRUTH).row(0, named=True)
    own_id = pl.concat_str("channel", "source_record_id", separator=":")
    by_email = RECORDS.select("channel", "source_record_id", pl.coalesce("email", own_id).alias("customer_id"))
    email = evaluate(by_email, TRUTH).row(0, named=True)
    theirs = evaluate(found.cluster, TRUTH).row(0, named=True)
    with capsys.disabled():
        print(f"\n{found.model.origin}: F1 {theirs['f1']:.4f}; ours {ours['f1']:.4f}; e-mail {email['f1']:.4f}")
    assert theirs["f1"] > email["f1"]
    assert theirs["f1"] > ours["f1"] - 0.1
    assert theirs["precision"] > 0.9


def test_agreement_weighs_more_than_contradiction(found):
    weights = found.model.weights_by_level()
    for name in ("first_name", "birth_date", "email", "phone"):
        assert weights[name]["exact"] > weights[name]["other"], name


def test_a_missing_field_is_neutral(found):
    """A pair that has one field only weighs what its level weighs, and one without any field has the intercept."""
    names = list(POLICY.compared)
    missing = dict.fromkeys(names, -1)
    rows = [missing, {**missing, "email": 0}, {**missing, "email": 0, "phone": 0}]
    compared = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int8))
    weight = found.model.score(PatternIndex.of(compared, names), {})["match_weight"]
    weights = found.model.weights_by_level()
    assert weight[0] == pytest.approx(found.model.intercept)
    assert weight[1] - weight[0] == pytest.approx(weights["email"]["exact"])
    assert weight[2] - weight[1] == pytest.approx(weights["phone"]["exact"])


def test_a_stored_model_scores_as_it_did(found):
    classifier = found.model.origin.removeprefix("learned by ")
    loaded = load_model(found.state.model, found.state.frequency, declare(classifier))
    patterns = PatternIndex.of(found.scored, POLICY.compared)
    assert loaded.score(patterns, {}).equals(found.scored.select("match_weight", "log_odds"))
    rows = found.state.model
    assert rows["household_probability"].null_count() == rows.height
    assert rows.select(pl.sum_horizontal("match_share", "household_share", "non_match_share")).to_series().is_between(
        0.999999, 1.000001
    ).all()  # fmt: skip
    has_probabilities = classifier in {"ecm", "naive_bayes"}
    assert (rows["m_probability"].null_count() == 0) is has_probabilities


def test_linear_scores_are_those_of_the_library(monkeypatch):
    """The model adds up to the decision scores of scikit-learn's logistic regression on the same features."""
    import recordlinkage

    fitted, original = [], recordlinkage.LogisticRegressionClassifier.fit
    monkeypatch.setattr(
        recordlinkage.LogisticRegressionClassifier,
        "fit",
        lambda self, frame, index: fitted.append((self, list(frame.columns))) or original(self, frame, index),
    )
    found = find_customers(RECORDS, declare("logistic_regression"), review=REVIEWS)
    classifier, columns = fitted[0]
    patterns = PatternIndex.of(found.scored, POLICY.compared)
    features = build_features(patterns.levels, POLICY).select(columns)
    expected = classifier.kernel.decision_function(features.to_pandas().values)[patterns.of_pair] / np.log(2)
    assert found.scored["log_odds"].to_numpy() == pytest.approx(expected)


def test_features_reach_levels_and_say_whether_a_field_does_not_contradict():
    levels = {name: np.array([-1, 0, 1, len(LEVELS[of.kind]) - 1]) for name, of in POLICY.compared.items()}
    features = build_features(levels, POLICY).select("email>=exact", "email>=local", "email>=typo", "email!")
    assert features.rows() == [(0, 0, 0, 1), (1, 1, 1, 1), (0, 1, 1, 1), (0, 0, 0, 0)]


@pytest.mark.parametrize("classifier", SUPERVISED)
@pytest.mark.parametrize(("same", "different"), [(0, 0), (LEAST_REVIEWS, LEAST_REVIEWS - 1), (LEAST_REVIEWS - 1, 90)])
def test_too_few_reviews_are_a_clear_error(classifier, same, different):
    halves = [REVIEWS.filter(pl.col("is_same") == is_same).head(n) for is_same, n in ((True, same), (False, different))]
    with pytest.raises(TrainingError, match=f"{classifier} learns from reviews") as error:
        find_customers(RECORDS, declare(classifier), review=pl.concat(halves))
    assert (error.value.needed, error.value.same, error.value.different) == (LEAST_REVIEWS, same, different)
    assert f"needs {LEAST_REVIEWS} pairs" in str(error.value)
    assert "cdp link review" in str(error.value)


def test_reviews_of_equal_records_do_not_count():
    """Two records with the same fields are one distinct record: there is nothing to compare."""
    with pytest.raises(TrainingError, match="found 0 and 0"):
        find_customers(PEOPLE, declare("svm"), review=review(("a", "b", True)))


def test_too_few_pairs_take_the_declared_probabilities():
    pairs = pl.DataFrame({name: pl.Series([0], dtype=pl.Int8) for name in POLICY.compared})
    model = train_classifier(pairs, declare("ecm"), pairs.with_columns(is_same=pl.lit(value=True)).clear())
    assert model.origin.startswith("declared")


@pytest.mark.parametrize("classifier", OTHERS)
def test_night_by_night_is_all_at_once(classifier):
    """A night that brings new records keeps the model and resolves the affected ones alone."""
    policy = declare(classifier, refit=Refit(min_records=1000, growth=4.0, frozen_above=1))
    lake, reviews = Lake(policy), reviews_for(classifier)
    first = RECORDS.head(2500)
    later = RECORDS.slice(2500, 100).with_columns(pl.col("drop_date") + timedelta(days=1))
    reviews = reviews.filter(
        pl.col(f"{side}_source_record_id").is_in(first["source_record_id"].implode()) for side in ("left", "right")
    )
    lake.bring(first, reviews)
    lake.bring(pl.concat([first, later]), reviews)
    assert lake.night.resolved is not None
    assert lake.night.report["records resolved"] < 1000
    lake.is_as(find_customers(pl.concat([first, later]), policy, review=reviews))


@pytest.mark.parametrize("classifier", SUPERVISED)
def test_a_new_review_trains_the_model_anew(classifier):
    policy = declare(classifier, refit=Refit(min_records=1000))
    fewer = pl.concat([REVIEWS.head(199), REVIEWS.tail(199)])
    lake = Lake(policy).bring(RECORDS, fewer)
    before = lake.state.model
    assert lake.bring(RECORDS, REVIEWS).night.resolved is None
    assert not lake.state.model["match_weight"].equals(before["match_weight"])
