"""Every figure of merit against scikit-learn, a naive loop or a closed form."""

import itertools
import math
import warnings

import numpy as np
import pytest
import sklearn
from prediction_tables import CASES, random_case, same
from sklearn import metrics as sk

from hierattn import metrics
from hierattn.errors import UsageError
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(autouse=True)
def _fast_scikit_learn():
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        yield


def test_counts_agree_with_scikit_learn():
    for seed in CASES:
        labels, probabilities = random_case(seed)
        classes = np.arange(probabilities.shape[1])
        guessed = probabilities.argmax(axis=1)
        matrix = metrics.confusion_matrix(labels, probabilities)
        assert np.array_equal(matrix, sk.confusion_matrix(labels, guessed, labels=classes))
        same(metrics.top1_accuracy(labels, probabilities), sk.accuracy_score(labels, guessed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's word on predicted classes that have no images
            same(metrics.balanced_accuracy(labels, probabilities), sk.balanced_accuracy_score(labels, guessed))
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, guessed, labels=classes, zero_division=np.nan
        )
        same(metrics.sensitivity_of(matrix), recall)
        same(metrics.precision_of(matrix), precision)
        same(metrics.f1_of(matrix), f1)
        specificity = [
            np.mean(guessed[labels != index] != index) if (labels != index).any() else np.nan for index in classes
        ]
        same(metrics.specificity_of(matrix), specificity)


def test_areas_and_curves_agree_with_scikit_learn():
    for seed in CASES:
        labels, probabilities = random_case(seed)
        positive, scores = labels == 0, probabilities[:, 0]
        if positive.all() or not positive.any():
            assert math.isnan(metrics.auc(positive, scores))
            assert math.isnan(metrics.partial_auc(positive, scores))
            continue
        same(metrics.auc(positive, scores), sk.roc_auc_score(positive, scores))
        curve = metrics.roc_curve(positive, scores)
        for ours, theirs in zip(curve, sk.roc_curve(positive, scores, drop_intermediate=False), strict=True):
            same(ours, theirs)
        # The ISIC 2024 challenge's own lines: flip the problem, then undo McClish's correction.
        scaled = sk.roc_auc_score(~positive, -scores, max_fpr=0.2)
        same(metrics.partial_auc(positive, scores), 0.02 + (0.2 - 0.02) / 0.5 * (scaled - 0.5))


def pairwise_auc(positive, scores):
    if positive.all() or not positive.any():
        return np.nan
    difference = scores[positive][:, None] - scores[~positive][None, :]
    return np.mean((difference > 0) + (difference == 0) / 2)


def test_auc_of_every_class_is_the_pairwise_count():
    for seed in range(0, 1000, 5):
        labels, probabilities = random_case(seed)
        expected = [pairwise_auc(labels == index, probabilities[:, index]) for index in range(probabilities.shape[1])]
        same(metrics.auc_per_class(labels, probabilities), expected)
        mean = np.nanmean(expected) if not np.isnan(expected).all() else np.nan
        same(metrics.macro_auc(labels, probabilities), mean)


def test_probability_scores_agree_with_scikit_learn_and_a_naive_loop():
    for seed in CASES:
        labels, probabilities = random_case(seed)
        truth = np.eye(probabilities.shape[1])[labels]
        squares = sk.mean_squared_error(truth, probabilities) * probabilities.shape[1]
        same(metrics.brier(labels, probabilities), squares)
        normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
        theirs = sk.log_loss(labels, normalised, labels=np.arange(probabilities.shape[1]))
        same(metrics.negative_log_likelihood(labels, normalised), theirs)
        weights = 1 / np.bincount(labels)[labels]  # each class counts alike
        balanced = sk.log_loss(labels, normalised, labels=np.arange(probabilities.shape[1]), sample_weight=weights)
        same(metrics.balanced_negative_log_likelihood(labels, normalised), balanced)
        same(metrics.expected_calibration_error(labels, probabilities), naive_calibration_error(labels, probabilities))


def naive_calibration_error(labels, probabilities, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = [row for row in range(len(labels)) if low < probabilities[row].max() <= high]
        if inside:
            confidence = np.mean([probabilities[row].max() for row in inside])
            right = np.mean([probabilities[row].argmax() == labels[row] for row in inside])
            total += len(inside) / len(labels) * abs(confidence - right)
    return total


def test_operating_points_agree_with_every_threshold_tried():
    for seed in range(0, 1000, 9):
        labels, probabilities = random_case(seed)
        positive, scores = labels == 0, probabilities[:, 0]
        if positive.all() or not positive.any():
            continue
        tried = [np.inf, *np.unique(scores)]
        pairs = [((scores[positive] >= t).mean(), (scores[~positive] < t).mean()) for t in tried]
        for wished in (0.0, 0.5, 0.8, 0.95, 1.0):
            best_sensitivity = max(a for a, b in pairs if b >= wished)
            best_specificity = max(b for a, b in pairs if a >= wished)
            same(metrics.sensitivity_at_specificity(positive, scores, wished), best_sensitivity)
            same(metrics.specificity_at_sensitivity(positive, scores, wished), best_specificity)


def test_always_saying_nevus_scores_one_eighth():
    labels = np.repeat(np.arange(8), [5, 20, 30, 3, 40, 800, 7, 4])
    always = np.zeros((len(labels), 8))
    always[:, EIGHT.codes.index("NV")] = 1
    assert metrics.balanced_accuracy(labels, always) == 1 / 8
    assert metrics.top1_accuracy(labels, always) > 0.85
    assert metrics.macro_auc(labels, always) == 0.5


def test_a_weight_counts_as_so_many_copies():
    rng = np.random.default_rng(1)
    labels, probabilities = rng.integers(0, 4, 50), np.round(rng.dirichlet(np.ones(4), 50), 1)
    weights = rng.integers(0, 4, (3, 50))
    stacked = metrics.auc_per_class(labels, probabilities, weights)
    for row in range(3):
        copies = np.repeat(np.arange(50), weights[row])
        same(stacked[row], metrics.auc_per_class(labels[copies], probabilities[copies]))


def test_weighted_operating_points_are_those_of_copies():
    rng = np.random.default_rng(2)
    for _ in range(20):
        positive, scores = rng.random(40) < 0.4, np.round(rng.random(40), 1)
        weights = rng.integers(0, 3, (3, 40))
        for figure, wished in (
            (metrics.sensitivity_at_specificity, 0.95),
            (metrics.specificity_at_sensitivity, 0.95),
            (metrics.partial_auc, 0.8),
        ):
            stacked = figure(positive, scores, wished, weights)
            for row in range(3):
                copies = np.repeat(np.arange(40), weights[row])
                same(stacked[row], figure(positive[copies], scores[copies], wished))


def test_malignant_auc_counts_cancer_and_not_actinic_keratosis():
    classes = ("ACK", "BCC", "NV")
    labels = np.array([0, 1, 2])
    # The cancer's own probability is largest for the BCC image alone; ACK must count as the rest.

    def cancer(labels, probabilities, classes):
        return float(metrics.auc(*metrics.group_scores(labels, probabilities, classes, EIGHT.malignant)))

    assert cancer(labels, np.array([[0.9, 0.1, 0], [0.1, 0.8, 0.1], [0.0, 0.2, 0.8]]), classes) == 1
    assert cancer(labels, np.array([[0.1, 0.9, 0], [0.5, 0.5, 0], [0.0, 0.2, 0.8]]), classes) == 0.5
    assert math.isnan(cancer(np.array([0, 1]), np.eye(2), ("NV", "BKL")))


def test_undefined_is_nan_and_never_a_number():
    nothing, no_rows = np.zeros(0, np.int64), np.zeros((0, 3))
    for figure in (
        metrics.top1_accuracy,
        metrics.balanced_accuracy,
        metrics.macro_auc,
        metrics.brier,
        metrics.negative_log_likelihood,
        metrics.balanced_negative_log_likelihood,
        metrics.expected_calibration_error,
    ):
        assert math.isnan(figure(nothing, no_rows)), figure.__name__
    one_class = np.zeros(4, np.int64)
    assert np.isnan(metrics.auc_per_class(one_class, np.full((4, 3), 1 / 3))).all()
    matrix = metrics.confusion_matrix(one_class, np.tile([1.0, 0, 0], (4, 1)))
    assert np.isnan(metrics.specificity_of(matrix)[0])
    assert np.isnan(metrics.f1_of(matrix)[1:]).all()
    assert math.isnan(metrics.sensitivity_at_specificity(np.array([True, True]), np.array([0.1, 0.2]), 0.9))
    assert math.isnan(metrics.specificity_at_sensitivity(np.array([False]), np.array([0.1]), 0.9))


def test_shuffled_labels_score_at_chance():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(8, 0.3), 8000)
    labels = rng.integers(0, 8, 8000)
    assert abs(metrics.balanced_accuracy(labels, probabilities) - 1 / 8) < 0.015
    assert abs(metrics.macro_auc(labels, probabilities) - 0.5) < 0.015
    assert abs(metrics.partial_auc(labels == 4, probabilities[:, 4]) - 0.02) < 0.005


def test_perfect_and_certain_scores_the_best_of_everything():
    labels = np.arange(8).repeat(3)
    sure = np.eye(8)[labels]
    assert metrics.top1_accuracy(labels, sure) == metrics.balanced_accuracy(labels, sure) == 1
    assert metrics.macro_auc(labels, sure) == 1
    assert metrics.brier(labels, sure) == metrics.expected_calibration_error(labels, sure) == 0
    assert metrics.partial_auc(labels == 0, sure[:, 0]) == pytest.approx(0.2, abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [
        (np.array([0, 1]), np.ones((3, 2)), "wanted"),
        (np.array([0, 2]), np.ones((2, 2)), "0 to 1"),
        (np.array([-1]), np.ones((1, 2)), "0 to 1"),
        (np.array([0.0]), np.ones((1, 2)), "whole numbers"),
        (np.array([0]), np.array([[np.nan, 1.0]]), "nan"),
    ],
)
def test_bad_input_meets_one_clear_line(labels, probabilities, said):
    with pytest.raises(UsageError, match=said):
        metrics.top1_accuracy(labels, probabilities)


def test_bad_scores_and_limits_meet_one_clear_line():
    with pytest.raises(UsageError, match="bool"):
        metrics.auc(np.array([0, 1]), np.array([0.1, 0.2]))
    with pytest.raises(UsageError, match="nan"):
        metrics.auc(np.array([True, False]), np.array([np.nan, 0.2]))
    with pytest.raises(UsageError, match="minimum sensitivity"):
        metrics.partial_auc(np.array([True, False]), np.array([0.1, 0.2]), 1.0)
    with pytest.raises(UsageError, match="bins"):
        metrics.reliability_bins(np.array([0]), np.array([[1.0]]), 0)
