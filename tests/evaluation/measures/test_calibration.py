"""Temperature and threshold against closed forms and against every possibility tried."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table

from hierattn import metrics
from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.measures.calibration import (
    Calibration,
    calibrate,
    error_by_chance,
    evaluate_calibration,
    fit_calibration,
    fit_temperature,
    read_calibration,
    risk,
    softmax,
    write_calibration,
)
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.records import to_plain
from hierattn.taxonomy.built_in import EIGHT


def test_two_classes_have_a_temperature_in_closed_form():
    # 7 of 10 answers are right, all with logits of 3 to 0: the best probability is 0.7 = sigmoid(3 / T).
    labels = np.array([0] * 7 + [1] * 3)
    probabilities = softmax(np.tile([3.0, 0.0], (10, 1)))
    assert fit_temperature(labels, probabilities) == pytest.approx(3 / math.log(0.7 / 0.3), rel=1e-9)


def test_no_other_temperature_is_better():
    some = table(images=300, seed=4)
    # Two labels in three are the predicted class, so that the best temperature lies well inside its limits.
    some.labels[:200] = some.predicted[:200]
    best = fit_temperature(some.labels, some.probabilities)
    loss = metrics.negative_log_likelihood(some.labels, calibrate(some.probabilities, best))
    for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 2.0):
        other = metrics.negative_log_likelihood(some.labels, calibrate(some.probabilities, best * factor))
        assert other >= loss - 1e-12


def test_overconfidence_made_on_purpose_is_taken_back():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits)])
    sharpened = softmax(logits, temperature=1 / 3)
    temperature = fit_temperature(labels, sharpened)
    assert temperature == pytest.approx(3, rel=0.05)
    before = metrics.expected_calibration_error(labels, sharpened)
    assert metrics.expected_calibration_error(labels, calibrate(sharpened, temperature)) < before / 5


@pytest.mark.parametrize("images", [20, 150])
def test_the_error_by_chance_is_the_one_of_labels_that_the_probabilities_themselves_draw(images):
    rng = np.random.default_rng(images)
    probabilities = softmax(rng.normal(0, 2, (images, 5)))
    drawn = [
        metrics.expected_calibration_error(np.array([rng.choice(5, p=row) for row in probabilities]), probabilities)
        for _ in range(600)
    ]
    chance = error_by_chance(probabilities)
    assert chance.value == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(600))
    assert chance.interval == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.2 * chance.value)
    assert error_by_chance(probabilities) == chance


def test_certain_answers_and_none_have_no_error_by_chance():
    assert error_by_chance(np.eye(3)) == Estimate(0.0, (0.0, 0.0))
    assert error_by_chance(np.zeros((0, 3))) == Estimate(None, None)


def test_perfect_answers_say_nothing_about_confidence():
    assert fit_temperature(np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]])) == 1


def test_the_temperature_changes_no_answer_and_one_changes_nothing():
    probabilities = table(images=500).probabilities
    np.testing.assert_allclose(calibrate(probabilities, 1.0), probabilities, atol=1e-15)
    for temperature in (0.1, 0.7, 3.0, 20.0):
        hot = calibrate(probabilities, temperature)
        assert np.array_equal(hot.argmax(axis=1), probabilities.argmax(axis=1))
        np.testing.assert_allclose(hot.sum(axis=1), 1)


def test_calibrating_probabilities_is_dividing_the_logits():
    logits = np.random.default_rng(0).normal(0, 5, (50, 8)).astype(np.float32)
    np.testing.assert_allclose(calibrate(softmax(logits), 2.5), softmax(logits, 2.5), atol=1e-14)


def test_a_softmax_of_huge_logits_stays_finite():
    assert softmax(np.array([[1e4, -1e4]])).tolist() == [[1, 0]]


def test_each_of_several_sources_weighs_the_same_in_the_temperature():
    # 7 of 10 right at home, 9 of 10 elsewhere, all with logits of 3 to 0; elsewhere has a tenth of the photographs.
    home, other = [0] * 70 + [1] * 30, [0] * 9 + [1]
    probabilities, labels = softmax(np.tile([3.0, 0.0], (110, 1))), np.array(home + other)
    two = EIGHT.subset(("MEL", "NV"))
    one = Predictions(tuple(map(str, range(110))), two, probabilities, labels, np.zeros(110), ("",) * 110)
    some = replace(one, sources=("home",) * 100 + ("other",) * 10)
    fitted = fit_calibration(some, resamples=0)
    assert fitted.temperature == pytest.approx(3 / math.log(0.8 / 0.2), rel=1e-9)  # the mean of both shares
    assert "threshold is the lowest that a source needs (home " in fitted.fitted_on
    assert "too few lesions that should be seen for a threshold of its own: other (9)" in fitted.fitted_on
    alone = fit_calibration(one, resamples=0)
    assert alone == fit_calibration(replace(one, sources=("home",) * 110), resamples=0)
    assert alone.sources == ()
    with pytest.raises(UsageError, match="several sources"):
        fit_calibration(some, per_class=True, resamples=0)


def test_what_each_source_asked_for_comes_back(tmp_path):
    calibration = fit_calibration(replace(table(images=60, seed=1), sources=("a", "b") * 30), resamples=0)
    write_calibration(tmp_path / "c.json", calibration)
    back = read_calibration(tmp_path / "c.json")
    assert [(source.source, source.lesions) for source in back.sources] == [
        (source.source, source.lesions) for source in calibration.sources
    ]
    assert [source.source for source in back.sources] == ["a", "b"]


def test_risk_sums_the_triage_group_alone():
    some = table(images=5)
    positive, scores = risk(some, 1.0)
    inside = [index for index, code in enumerate(some.classes) if code in EIGHT.triage_group]
    np.testing.assert_allclose(scores, some.probabilities[:, inside].sum(axis=1), atol=1e-12)
    assert positive.tolist() == [label in inside for label in some.labels]


def test_without_a_positive_there_is_no_threshold_and_no_invented_figure(tmp_path):
    harmless = ("BKL", "DF", "NV")
    calibration = evaluate_calibration(fit_calibration(table(classes=harmless)), table(classes=harmless))
    plain = to_plain(calibration)
    assert plain["risk_threshold"] is None
    assert plain["test"]["sensitivity"] is plain["test"]["specificity"] is plain["test"]["interval"] is None
    write_calibration(tmp_path / "c.json", calibration)
    assert math.isnan(read_calibration(tmp_path / "c.json").risk_threshold)
    with pytest.raises(DataError, match="no validation image"):
        fit_calibration(table(images=0))


def test_the_wish_holds_where_it_was_fitted_and_is_measured_where_it_was_not():
    validation, test = table(images=400, seed=1), table(images=300, seed=2)
    calibration = evaluate_calibration(fit_calibration(validation, resamples=200), test, resamples=200)
    assert calibration.validation.sensitivity >= 0.95
    positive, scores = risk(test, calibration.temperature)
    referred = scores >= calibration.risk_threshold
    assert calibration.test.sensitivity == pytest.approx(referred[positive].mean())
    assert calibration.test.specificity == pytest.approx((~referred)[~positive].mean())
    low, high = calibration.test.interval
    assert low < calibration.test.sensitivity < high
    assert (calibration.test.images, calibration.test.positives) == (300, positive.sum())


def test_no_test_image_moves_what_was_fitted():
    validation = table(images=100, seed=1)
    fitted = fit_calibration(validation, resamples=0)
    for seed in (2, 3):
        judged = evaluate_calibration(fitted, table(images=100, seed=seed), resamples=0)
        assert (judged.temperature, judged.risk_threshold) == (fitted.temperature, fitted.risk_threshold)
        assert judged.validation == fitted.validation


def test_all_found_is_not_reported_as_certain():
    # Every one of 6 positives is found: the interval is the exact binomial one, not 100 to 100 %.
    probabilities = np.array([[0.9, 0.1]] * 6 + [[0.1, 0.9]] * 6)
    two, labels = EIGHT.subset(("MEL", "NV")), np.array([0] * 6 + [1] * 6)
    some = Predictions(tuple(map(str, range(12))), two, probabilities, labels, np.zeros(12), ("",) * 12)
    point = fit_calibration(some, resamples=100).validation
    assert point.sensitivity == 1
    assert point.interval == (pytest.approx(0.025 ** (1 / 6)), 1.0)


def test_calibration_json_comes_back_and_has_the_agreed_keys(tmp_path):
    calibration = evaluate_calibration(fit_calibration(table(seed=1), resamples=100), table(seed=2), resamples=100)
    write_calibration(tmp_path / "calibration.json", calibration)
    plain = json.loads((tmp_path / "calibration.json").read_text())
    assert list(plain) == [
        "format_version", "temperature", "risk_threshold", "target_sensitivity", "validation", "test", "fitted_on",
        "confidence",
    ]  # fmt: skip
    assert {"sensitivity", "specificity", "interval", "images", "groups"} <= set(plain["test"])
    assert read_calibration(tmp_path / "calibration.json") == calibration
    assert isinstance(calibration, Calibration)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"temperature": -1}', '{"temperature": "warm"}'])
def test_a_damaged_calibration_is_named(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(TableError, match="not a calibration"):
        read_calibration(path)
    with pytest.raises(TableError, match="no calibration"):
        read_calibration(tmp_path / "none.json")


def test_a_calibration_of_version_1_is_read_and_a_later_one_refused(tmp_path):
    path = tmp_path / "calibration.json"
    calibration = evaluate_calibration(fit_calibration(table(seed=1), resamples=100), table(seed=2), resamples=100)
    plain = to_plain(calibration)
    plain["wished_sensitivity"], plain["sure"] = plain.pop("target_sensitivity"), plain.pop("confidence")
    path.write_text(json.dumps(plain))
    assert read_calibration(path) == calibration
    path.write_text(json.dumps({**to_plain(calibration), "format_version": 3}))
    with pytest.raises(TableError, match="version 3, wanted at most 2"):
        read_calibration(path)
