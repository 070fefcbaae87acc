"""The figures of merit against torchmetrics on the thousand random cases of support/metric_cases.py, to 1e-9.

Where a figure is undefined torchmetrics says 0 and warns; ours must be nan there, and agree everywhere else. Ratios of
counts, and its calibration error, it makes in single precision: its counts are divided here, and the rest is held
against ours to that precision.
"""

import numpy as np
import pytest
import torch
from prediction_tables import CASES, random_case, same
from torchmetrics.functional import classification as tm

from hierattn import metrics


@pytest.fixture(autouse=True)
def _double():
    """torchmetrics divides whole numbers in the default precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def tensors(labels, probabilities):
    return torch.from_numpy(probabilities.astype(np.float64)), torch.from_numpy(labels.astype(np.int64))


def agree(ours, theirs, defined, within=1e-9):
    """Ours are theirs where they are defined, and nan where not."""
    ours, theirs, defined = np.asarray(ours), np.asarray(theirs), np.asarray(defined)
    assert np.array_equal(~np.isnan(ours), defined)
    np.testing.assert_allclose(ours[defined], theirs[defined], rtol=0, atol=within)


def test_counts_agree_with_torchmetrics():
    kinds = set()
    for seed in CASES:
        labels, probabilities = random_case(seed)
        # The first of the largest is predicted; torch does not promise which of equals it takes.
        guessed = torch.from_numpy(probabilities.argmax(axis=1))
        truth = torch.from_numpy(labels.astype(np.int64))
        each = {"num_classes": probabilities.shape[1], "average": None, "validate_args": False}
        scores = tm.multiclass_stat_scores(guessed, truth, **each).numpy()
        hit, false, other, missed, _ = scores.astype(np.float64).T  # TP, FP, TN, FN, support
        matrix = metrics.confusion_matrix(labels, probabilities)
        assert matrix.sum() == len(labels)
        with np.errstate(invalid="ignore"):
            for ours, theirs, defined in (
                (metrics.sensitivity_of(matrix), hit / (hit + missed), hit + missed > 0),
                (metrics.precision_of(matrix), hit / (hit + false), hit + false > 0),
                (metrics.specificity_of(matrix), other / (other + false), other + false > 0),
                (metrics.f1_of(matrix), 2 * hit / (2 * hit + false + missed), hit + false + missed > 0),
            ):
                agree(ours, theirs, defined)
        here = hit + missed > 0
        same(metrics.top1_accuracy(labels, probabilities), hit.sum() / len(labels))
        same(metrics.balanced_accuracy(labels, probabilities), np.mean(hit[here] / (hit + missed)[here]))
        if seed % 10 == 0:
            theirs = tm.multiclass_f1_score(guessed, truth, **each)
            agree(metrics.f1_of(matrix), theirs, hit + false + missed > 0, within=1e-7)
            theirs = tm.multiclass_specificity(guessed, truth, **each)
            agree(metrics.specificity_of(matrix), theirs, other + false > 0, within=1e-7)
        kinds |= {
            "one image" if len(labels) == 1 else "many",
            "complete" if here.all() else "missing",
            "one class" if here.sum() == 1 else "several",
        }
    assert kinds == {"one image", "many", "missing", "complete", "one class", "several"}


def test_areas_agree_with_torchmetrics():
    compared = 0
    for seed in CASES:
        labels, probabilities = random_case(seed)
        scores, truth = tensors(labels, probabilities)
        ours = metrics.auc_per_class(labels, probabilities)
        for index in range(probabilities.shape[1]):
            positive = labels == index
            if positive.all() or not positive.any():
                assert np.isnan(ours[index])
                continue
            theirs = tm.binary_auroc(scores[:, index], (truth == index).long(), validate_args=False)
            same(ours[index], theirs)
            compared += 1
    assert compared > 2000


def test_calibration_error_agrees_with_torchmetrics_off_the_edges_of_bins():
    compared = 0
    for seed in CASES:
        labels, probabilities = random_case(seed)
        confidence = probabilities.max(axis=1)
        # An edge belongs to the bin below it here, and to the one above it there.
        if np.any(np.abs(confidence * 15 - np.round(confidence * 15)) < 1e-9):
            continue
        scores, truth = tensors(labels, probabilities)
        theirs = tm.multiclass_calibration_error(scores, truth, probabilities.shape[1], n_bins=15, validate_args=False)
        # It keeps the confidences in single precision.
        np.testing.assert_allclose(
            metrics.expected_calibration_error(labels, probabilities), theirs.numpy(), rtol=0, atol=1e-6
        )
        compared += 1
    assert compared > 500
