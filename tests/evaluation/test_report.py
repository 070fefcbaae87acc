"""Figures and intervals: computed again from the file to the last bit, and honest where little is known."""

import json
import math

import numpy as np
import pytest
from tests.evaluation.test_predictions import table

from hierattn import metrics
from hierattn.errors import TableError, UsageError
from hierattn.evaluation.measures.calibration import fit_calibration, judged_on
from hierattn.evaluation.measures.intervals import (
    balanced_interval,
    bootstrap,
    group_numbers,
    interval,
    resampled_weights,
    share_interval,
)
from hierattn.evaluation.predictions import Predictions, read_predictions, write_predictions
from hierattn.evaluation.report import read_learning_curve, report_from_predictions, write_report
from hierattn.taxonomy import CODES, MALIGNANT


def test_a_report_can_be_computed_again_from_the_file_to_the_last_bit(tmp_path):
    test = table(images=120, seed=2)
    calibration = judged_on(fit_calibration(table(seed=1), resamples=100), test, resamples=100)
    report = report_from_predictions(test, calibration, resamples=100, seed=7)
    write_predictions(tmp_path / "p.csv", test)
    write_report(tmp_path / "report.json", report)
    again = report_from_predictions(read_predictions(tmp_path / "p.csv"), calibration, resamples=100, seed=7)
    assert again == report == json.loads((tmp_path / "report.json").read_text())


def test_figures_are_those_of_the_metrics():
    some = table(images=300, seed=5)
    report = report_from_predictions(some, resamples=0)
    labels, probabilities = some.labels, some.probabilities
    assert report["top1"]["value"] == pytest.approx(metrics.top1_accuracy(labels, probabilities), abs=1e-12)
    balanced = metrics.balanced_accuracy(labels, probabilities)
    assert report["balanced_accuracy"]["value"] == pytest.approx(balanced, abs=1e-12)
    assert report["macro_auc"]["value"] == pytest.approx(metrics.macro_auc(labels, probabilities), abs=1e-12)
    cancer = metrics.malignant_auc(labels, probabilities, CODES)
    assert report["malignant_auc"]["value"] == pytest.approx(cancer, abs=1e-12)
    melanoma = CODES.index("MEL")
    auc = metrics.auc(labels == melanoma, probabilities[:, melanoma])
    assert report["melanoma_auc"]["value"] == pytest.approx(float(auc), abs=1e-12)
    assert report["confusion_matrix"] == metrics.confusion_matrix(labels, probabilities).tolist()
    assert sum(row["images"] for row in report["classes"].values()) == report["images"] == 300
    assert report["top1"]["interval"] is None  # no resamples, no interval
    assert {"MEL", "BCC", "SCC"} == MALIGNANT


def test_a_missing_class_has_null_and_no_number():
    some = table(images=60, seed=5)
    some.labels[some.labels == 3] = 0
    row = report_from_predictions(some, resamples=100)["classes"]["DF"]
    assert row["images"] == row["groups"] == 0
    assert row["sensitivity"] == row["auc"] == {"value": None, "interval": None}
    assert row["specificity"]["value"] is not None


def test_shuffled_labels_score_at_chance_within_the_interval():
    some = table(images=4000, seed=8)
    report = report_from_predictions(some, resamples=200)
    low, high = report["balanced_accuracy"]["interval"]
    assert low < 1 / 8 < high
    low, high = report["macro_auc"]["interval"]
    assert low < 0.5 < high
    assert abs(report["malignant_partial_auc"] - 0.02) < 0.006


def test_bootstrap_spread_is_the_binomial_one_for_single_images():
    right = np.arange(400) < 300
    draws = bootstrap(
        lambda weights: weights @ right[:, None] / weights.sum(axis=1, keepdims=True), np.arange(400), 2000
    )
    assert draws.shape == (2000, 1)
    assert draws.std() == pytest.approx(math.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_photographs_of_one_lesion_are_not_so_many_pieces_of_evidence():
    # 40 lesions with 10 photographs each, all right or all wrong: the spread is that of 40, not of 400.
    right = (np.arange(400) // 10) < 30

    def share(weights):
        return weights @ right[:, None] / weights.sum(axis=1, keepdims=True)

    draws = bootstrap(share, np.arange(400) // 10, 2000)
    assert draws.std() == pytest.approx(math.sqrt(0.75 * 0.25 / 40), rel=0.06)


def test_the_draws_do_not_depend_on_the_size_of_a_block(monkeypatch):
    groups = np.arange(50) // 2
    whole = np.concatenate(list(resampled_weights(groups, 30, np.random.default_rng(1))))
    monkeypatch.setattr("hierattn.evaluation.measures.intervals._BLOCK_VALUES", 120)
    cut = np.concatenate(list(resampled_weights(groups, 30, np.random.default_rng(1))))
    assert np.array_equal(whole, cut)
    assert np.array_equal(whole[:, 0::2], whole[:, 1::2])  # a group stays together
    assert (whole[:, ::2].sum(axis=1) == 25).all()


def test_the_seed_decides_the_interval():
    some = table(images=80)
    first, same, other = (report_from_predictions(some, resamples=100, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first["top1"]["interval"] != other["top1"]["interval"]


def test_all_right_is_not_reported_as_certain():
    low, high = share_interval(1.0, np.ones(100), groups=59)
    assert (round(low, 3), high) == (0.939, 1.0)
    assert share_interval(0.0, np.zeros(100), groups=1) == (0.0, pytest.approx(0.975))
    bounds = balanced_interval(1.0, np.ones(100), [59, 1, 0])
    assert bounds == (pytest.approx((low + 0.025) / 2), 1.0)
    perfect = np.eye(8)[np.arange(8)]
    eight = Predictions(tuple("abcdefgh"), CODES, perfect, np.arange(8), np.zeros(8), ("",) * 8)
    report = report_from_predictions(eight, resamples=100)
    assert report["balanced_accuracy"]["value"] == 1
    assert report["balanced_accuracy"]["interval"][0] == pytest.approx(0.025)
    assert report["classes"]["MEL"]["auc"] == {"value": 1.0, "interval": None}


def test_what_resampling_cannot_tell_is_none():
    assert interval(np.zeros(0)) is None
    assert interval(np.full(100, 0.4)) is None
    assert interval(np.array([np.nan] * 60 + [0.1, 0.2] * 20)) is None
    assert share_interval(1.0, np.zeros(0), groups=9) is None
    assert bootstrap(lambda weights: weights, np.zeros(0, np.int64)).shape == (0, 0)
    with pytest.raises(UsageError, match="100 or more"):
        bootstrap(lambda weights: weights, np.arange(3), resamples=10)


def test_group_names_never_collide_with_image_names():
    assert len(set(group_numbers(("a", ""), ("x", "a")).tolist())) == 2


def test_a_learning_curve_is_read_as_it_was_written(tmp_path):
    log = tmp_path / "log.csv"
    assert read_learning_curve(log) == {}
    log.write_text("epoch,train_loss,validation_macro_auc\n0,2.5,nan\n1,1.5,0.75\n")
    assert read_learning_curve(log) == {
        "epoch": [0, 1], "train_loss": [2.5, 1.5], "validation_macro_auc": [None, 0.75],
    }  # fmt: skip
    log.write_text("epoch,train_loss\n0,much\n")
    with pytest.raises(TableError, match=r"log\.csv:2: train_loss is 'much'"):
        read_learning_curve(log)
