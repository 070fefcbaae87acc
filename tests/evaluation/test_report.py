"""Figures and intervals: computed again from the file to the last bit, and honest where little is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table
from reports import made

from hierattn import metrics
from hierattn.errors import TableError
from hierattn.evaluation.measures.calibration import evaluate_calibration, fit_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import Predictions, read_predictions, write_predictions
from hierattn.evaluation.records import from_plain, to_plain
from hierattn.evaluation.report import Measurements, Report, measure_predictions, read_learning_curve
from hierattn.taxonomy.built_in import EIGHT


def test_a_report_can_be_computed_again_from_the_file_to_the_last_bit(tmp_path):
    test = table(images=120, seed=2)
    calibration = evaluate_calibration(fit_calibration(table(seed=1), resamples=100), test, resamples=100)
    report = measure_predictions(test, calibration, resamples=100, seed=7)
    write_predictions(tmp_path / "p.csv", test)
    again = measure_predictions(read_predictions(tmp_path / "p.csv", EIGHT), calibration, resamples=100, seed=7)
    assert again == report
    assert from_plain(Measurements, json.loads(json.dumps(to_plain(report)))) == report


def test_figures_are_those_of_the_metrics():
    some = table(images=300, seed=5)
    report = measure_predictions(some, resamples=0)
    labels, probabilities = some.labels, some.probabilities
    assert report.top1.value == pytest.approx(metrics.top1_accuracy(labels, probabilities), abs=1e-12)
    balanced = metrics.balanced_accuracy(labels, probabilities)
    assert report.balanced_accuracy.value == pytest.approx(balanced, abs=1e-12)
    assert report.macro_auc.value == pytest.approx(metrics.macro_auc(labels, probabilities), abs=1e-12)
    cancer = float(metrics.auc(*metrics.group_scores(labels, probabilities, EIGHT.codes, EIGHT.malignant)))
    assert report.malignant_auc.value == pytest.approx(cancer, abs=1e-12)
    melanoma = EIGHT.codes.index("MEL")
    auc = metrics.auc(labels == melanoma, probabilities[:, melanoma])
    assert report.melanoma_auc.value == pytest.approx(float(auc), abs=1e-12)
    assert np.array_equal(report.confusion_matrix, metrics.confusion_matrix(labels, probabilities))
    assert sum(row.images for row in report.classes.values()) == report.images == 300
    assert report.top1.interval is None  # no resamples, no interval
    assert {"MEL", "BCC", "SCC"} == EIGHT.malignant


def test_a_missing_class_has_null_and_no_number():
    some = table(images=60, seed=5)
    some.labels[some.labels == 3] = 0
    row = measure_predictions(some, resamples=100).classes["DF"]
    assert row.images == row.groups == 0
    assert row.sensitivity == row.auc == Estimate(None, None)
    assert row.specificity.value is not None


def test_shuffled_labels_score_at_chance_within_the_interval():
    some = table(images=4000, seed=8)
    report = measure_predictions(some, resamples=200)
    low, high = report.balanced_accuracy.interval
    assert low < 1 / 8 < high
    low, high = report.macro_auc.interval
    assert low < 0.5 < high
    assert abs(report.malignant_partial_auc - 0.02) < 0.006


def test_the_seed_decides_the_interval():
    some = table(images=80)
    first, same, other = (measure_predictions(some, resamples=100, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first.top1.interval != other.top1.interval


def test_all_right_is_not_reported_as_certain():
    perfect = np.eye(8)[np.arange(8)]
    eight = Predictions(tuple("abcdefgh"), EIGHT, perfect, np.arange(8), np.zeros(8), ("",) * 8)
    report = measure_predictions(eight, resamples=100)
    assert report.balanced_accuracy.value == 1
    assert report.balanced_accuracy.interval[0] == pytest.approx(0.025)
    assert report.classes["MEL"].auc == Estimate(1.0, None)


def test_a_learning_curve_is_read_as_it_was_written(tmp_path):
    log = tmp_path / "log.csv"
    assert read_learning_curve(log) == {}
    log.write_text("epoch,train_loss,validation_macro_auc\n0,2.5,nan\n1,1.5,0.75\n")
    assert read_learning_curve(log) == {
        "epoch": (0, 1), "train_loss": (2.5, 1.5), "validation_macro_auc": (None, 0.75),
    }  # fmt: skip
    log.write_text("epoch,train_loss\n0,much\n")
    with pytest.raises(TableError, match=r"log\.csv:2: train_loss is 'much'"):
        read_learning_curve(log)


def test_a_report_comes_back_from_its_file(tmp_path):
    report = replace(made()[0], notes=("a note",))
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report
    assert json.loads((tmp_path / "report.json").read_text())["format_version"] == 3


def version_1(report):
    """The report as hierattn wrote it before version 2, in plain values."""
    plain = {"format_version": 1, **to_plain(report)}
    plain["provenance"]["judged_on"] = plain["provenance"].pop("evaluated_on")
    plain["triage"]["wished_sensitivity"] = plain["triage"].pop("target_sensitivity")
    plain["triage"]["sure"] = plain["triage"].pop("confidence")
    for row in [*plain.get("conformal", ()), *plain["abstention"]["steps"]]:
        row["wished"] = row.pop("target")
    return plain


def test_a_report_of_version_1_is_read(tmp_path):
    report = made()[0]
    plain = version_1(report)
    (tmp_path / "report.json").write_text(json.dumps(plain))
    assert Report.load(tmp_path / "report.json") == report
    plain["protocol"]["name"] = "foreign"
    for name in ("operating_points", "abstention", "triage", "calibration"):
        del plain[name]  # the first reports had none of them
    (tmp_path / "report.json").write_text(json.dumps(plain))
    older = Report.load(tmp_path / "report.json")
    assert older.protocol.name == "external"
    assert older.triage is None
    assert older.top1 == report.top1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 4}, "version 4, wanted at most 3: update hierattn"),
        ({"format_version": "2"}, "wanted 1 to 3"),
        ({"top1": 0.5}, r"top1 is '0\.5', wanted an object"),
        ({"top1": {"value": "much", "interval": None}}, r"top1\.value is 'much', wanted a number"),
        ({"top1": {"interval": None}}, r"top1\.value is missing"),
        ({"folds": 3}, "folds is '3', wanted a list"),
        ({"run": None}, "run is 'None', wanted a text"),
    ],
)
def test_a_damaged_report_is_named(tmp_path, change, said):
    made()[0].save(tmp_path / "report.json")
    plain = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**plain, **change}))
    with pytest.raises(TableError, match=said):
        Report.load(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(TableError, match="format_version"):
        Report.load(tmp_path / "report.json")
    with pytest.raises(TableError, match="no report"):
        Report.load(tmp_path / "none.json")
