"""Accuracy and AUC with intervals: one resample's figures are those of the metrics on the images it draws."""

import numpy as np
import pytest
from prediction_tables import table

from hierattn import metrics
from hierattn.evaluation.measures.classification import PER_CLASS, Classification
from hierattn.evaluation.measures.intervals import resampled_weights


def test_a_draw_is_the_metric_of_the_images_drawn():
    some = table(images=120, seed=3)
    figures = Classification(some, 100, seed=9)
    weights = np.concatenate(list(resampled_weights(some.group_numbers, 100, np.random.default_rng(9))))
    for draw in (0, 57):
        rows = np.repeat(np.arange(120), weights[draw].astype(int))
        labels, probabilities = some.labels[rows], some.probabilities[rows]
        assert figures.draws["top1"][draw] == pytest.approx(metrics.top1_accuracy(labels, probabilities))
        assert figures.draws["balanced_accuracy"][draw] == pytest.approx(
            metrics.balanced_accuracy(labels, probabilities)
        )
        assert figures.draws["macro_auc"][draw] == pytest.approx(metrics.macro_auc(labels, probabilities))


def test_a_class_has_its_counts_and_every_figure():
    some = table(images=120, seed=3)
    row = Classification(some, 0, seed=0).of_class(4)
    assert (row.images, row.predicted) == ((some.labels == 4).sum(), (some.predicted == 4).sum())
    assert all(getattr(row, name).interval is None for name in PER_CLASS)
    assert Classification(table(images=9, classes=("BKL", "NV")), 0, 0).of_melanoma("auc").value is None
