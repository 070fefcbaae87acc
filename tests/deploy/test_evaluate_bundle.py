"""A bundle judged on a prepared set: by the very answers that its users get, and on nothing that it has seen."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noise_runs import make_set
from small_bundles import BUNDLE, expected_probabilities, write_small_bundle
from tests.conftest import SHARED
from tiny_sets import write_image

from hierattn import Predictor
from hierattn.bundle.thresholds import TriageSettings
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.folds import JUDGED_ONLY
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.rendered_set import render_set
from hierattn.deploy.evaluate_bundle import BundleSubject, evaluate_bundle
from hierattn.deploy.predict.released import is_released, released_bundle
from hierattn.errors import BundleError, CheckpointError, DataError, LeakError, UsageError
from hierattn.evaluation.evaluate import EvaluateOptions
from hierattn.evaluation.measures.calibration import Calibration, ThresholdFigures
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.records import to_plain
from hierattn.evaluation.report import Report
from hierattn.evaluation.subject import NEVER_CALIBRATED
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.trained_on import TrainedOn, marks_of
from hierattn.taxonomy.built_in import EIGHT, ISIC2018, MALIGNANT_OR_BENIGN

FIGURES = ThresholdFigures(0.95, (0.9, 1.0), 0.5, (0.4, 0.6), 100, 90, 40)
FITTED = Calibration(BUNDLE.temperature, 0.3, 0.95, FIGURES, FIGURES, "the inner fold", confidence=0.8)
CALIBRATED = replace(BUNDLE, image_spec=ImageSpec(size=32), calibration=to_plain(FITTED))
QUICK = EvaluateOptions(bootstrap=0)
needs_released = pytest.mark.skipif(not is_released("dermoscopy"), reason="no bundle is released in this tree")


@pytest.fixture
def noise(tmp_path):
    return make_set(tmp_path / "noise", source="clinic")


def as_released(**options: Any) -> PrepareOptions:
    """A set with the size, crop and cleaning that the released bundle takes: each release may choose others."""
    spec = Predictor.released("dermoscopy", threads=1).bundle.image_spec
    cleaning = {name: getattr(spec, name) for name in ("size", "crop", "colour_constancy", "hair_removal")}
    return PrepareOptions(**cleaning, **options)


def outer_fold_of_the_release() -> set[str]:
    """The ids of the photographs that the released bundle was never shown."""
    splits = Path(__file__).parents[2] / "results" / "two-sources" / "splits.csv"
    with splits.open(newline="", encoding="utf-8") as file:
        return {row["image"] for row in csv.DictReader(file) if row["fold"] == "0"}


def bundle_in(folder, **changes):
    return write_small_bundle(folder / "mine.onnx", replace(CALIBRATED, **changes))


@needs_released
def test_the_released_eight_classes_judged_in_seven_are_the_predictors_answers_added_up_by_hand(tmp_path, monkeypatch):
    source = render_set(tmp_path / "rendered", images=72, size=200, seed=5)
    prepare(source, tmp_path / "seven", as_released(folds=3, taxonomy=ISIC2018))
    monkeypatch.chdir(tmp_path)
    result = evaluate_bundle(
        released_bundle("dermoscopy"), tmp_path / "seven", replace(QUICK, taxonomy=ISIC2018), name="dermoscopy"
    )
    assert str(result.folder) == "evaluation-dermoscopy-on-seven-in-isic2018"
    predictor = Predictor.released("dermoscopy", threads=1)
    table = read_predictions(result.folder / "predictions.csv", ISIC2018)
    assert table.classes == ISIC2018.codes
    assert len(table) == len(PackedSet.open(tmp_path / "seven").records) >= 60
    referred = 0
    for image, row in zip(table.images, table.probabilities, strict=True):
        answer = predictor(tmp_path / "seven" / image)
        by_hand = {**answer.probabilities, "AKIEC": answer.probabilities["ACK"] + answer.probabilities["SCC"]}
        np.testing.assert_allclose(row, [by_hand[code] for code in table.classes], atol=1e-6)
        referred += answer.risk >= predictor.bundle.triage.threshold
    test = result.calibration.test
    assert result.calibration.risk_threshold == predictor.bundle.triage.threshold  # of the same sum
    assert referred == test.positives - test.missed + test.false_alarms


@needs_released
@pytest.mark.skipif(not (SHARED / "data" / "isic2019-other-sources").is_dir(), reason="no real photographs here")
def test_real_photographs_get_the_answers_that_the_predictor_gives_for_their_files(tmp_path):
    published, few = SHARED / "data" / "isic2019-other-sources", tmp_path / "few"
    truth = published / "ISIC_2019_Training_GroundTruth.csv"
    unseen = outer_fold_of_the_release()
    with truth.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] in unseen][::6]
    labels = {row["image"]: next(code for code in row if row[code] in ("1", "1.0")) for row in rows}
    for image, label in labels.items():
        (photo,) = (published / "ISIC_2019_Training_Input").glob(f"{image}.*")
        (few / label).mkdir(parents=True, exist_ok=True)
        (few / label / photo.name).symlink_to(photo)
    prepare(few, tmp_path / "set", as_released(folds=3, near_duplicates=False))
    result = evaluate_bundle(released_bundle("dermoscopy"), tmp_path / "set", QUICK, out=tmp_path / "out")
    predictor = Predictor.released("dermoscopy", threads=1)
    table = read_predictions(tmp_path / "out" / "predictions.csv", EIGHT)
    assert len(table) == result.report.images >= 30
    for image, row in zip(table.images, table.probabilities, strict=True):
        np.testing.assert_array_equal(row, list(predictor(tmp_path / "set" / image).probabilities.values()))


def test_the_report_has_the_bundles_own_answers_threshold_and_words(noise, tmp_path):
    path = bundle_in(tmp_path)
    result = evaluate_bundle(path, noise, QUICK, out=tmp_path / "out")
    packed = PackedSet.open(noise)
    originals = [row for row, record in enumerate(packed.records) if record.role == "original"]
    by_hand = [expected_probabilities(packed.images[row]) for row in originals]
    np.testing.assert_allclose(result.predictions.probabilities, by_hand, atol=1e-6)
    report = Report.load(tmp_path / "out" / "report.json")
    assert report == result.report
    assert (report.run, report.bundle) == ("mine", hashlib.sha256(path.read_bytes()).hexdigest())
    assert (report.protocol.name, report.protocol.set, report.images) == ("external", "noise", 72)
    assert (report.triage.risk_threshold, report.triage.temperature, report.triage.fitted_on) == (
        0.3, 1.0, "the inner fold",
    )  # fmt: skip
    reached = sum(
        sum(p[EIGHT.codes.index(code)] for code in EIGHT.triage_group) >= 0.3
        for p, row in zip(by_hand, originals, strict=True)
        if packed.records[row].label in EIGHT.triage_group
    )
    assert report.triage.test.positives - report.triage.test.missed == reached
    page = (tmp_path / "out" / "report.html").read_text()
    for text in (page, model_card(report)):
        assert "Calibrated by the bundle itself" in text
        assert "overlap with them could not be checked" in text
        assert str(tmp_path) not in text
    assert "Dividing the logits" not in page


def test_each_look_is_recorded_under_the_files_digest(noise, tmp_path):
    path, digest = bundle_in(tmp_path), PackedSet.open(noise).manifest_sha256
    looked = evaluate_bundle(path, noise, QUICK, out=tmp_path / "out").report.looks
    assert (looked.times, looked.models, looked.problem) == (1, 1, "")
    (entry,) = json.loads((noise / "looks.json").read_text())["entries"]
    assert (entry["weights"], entry["fold"]) == (hashlib.sha256(path.read_bytes()).hexdigest(), None)
    (noise / ".looks.lock").unlink(missing_ok=True)
    (noise / ".looks.lock").mkdir()  # as where the set cannot be written
    looked = evaluate_bundle(path, noise, QUICK, out=tmp_path / "out").report.looks
    assert (looked.times, looked.models) == (2, 1)
    assert f"this look is in looks-{digest[:12]}.json" in looked.elsewhere
    assert (tmp_path / f"looks-{digest[:12]}.json").is_file()


def test_what_the_bundle_lists_as_seen_is_left_out_and_what_it_cannot_know_is_said(noise, tmp_path):
    packed = PackedSet.open(noise)
    seen = TrainedOn(marks_of(packed.records[:10]), marks_of(packed.records[10:14]))
    result = evaluate_bundle(bundle_in(tmp_path, trained_on=seen.to_text()), noise, QUICK, out=tmp_path / "a")
    table = read_predictions(tmp_path / "a" / "predictions.csv", EIGHT)
    assert list(table.images) == [record.image for record in packed.records[14:72]]
    assert "14 images left out: the model was trained on them" in " ".join(result.report.notes)
    assert "could not be checked" not in " ".join(result.report.notes)

    def notes(**changes):
        subject = BundleSubject(tmp_path / "mine.onnx", replace(CALIBRATED, **changes), "", "mine", tmp_path)
        return " ".join(subject.select(packed, None).notes)

    assert "checked in part only" in notes(trained_on=replace(seen, whole=False).to_text())
    assert "72 images are of clinic" in notes(training_data={"source": "clinic"})
    assert "could not be checked" in notes()
    with pytest.raises(CheckpointError, match=r"mine\.onnx does not say what it is"):
        notes(trained_on="whole xx")
    everything = TrainedOn(marks_of(packed.records)).to_text()
    with pytest.raises(DataError, match="no image to evaluate"):
        evaluate_bundle(bundle_in(tmp_path, trained_on=everything), noise, QUICK, out=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_its_own_training_set_is_refused_where_it_lists_no_photographs(noise, tmp_path):
    own = {"manifest_sha256": PackedSet.open(noise).manifest_sha256}
    with pytest.raises(LeakError, match=r"is the set that .* was trained on"):
        evaluate_bundle(bundle_in(tmp_path, provenance=own), noise, QUICK, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (noise / "looks.json").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 64}, "prepared with 32 pixels.*--size 64$"),
        ({"crop": "none"}, "crop surround.*--crop none$"),
        ({"colour_constancy": "max_rgb", "hair_removal": True}, "--colour-constancy max_rgb, --hair-removal$"),
    ],
)
def test_a_set_of_other_pixels_is_refused_with_how_to_prepare_it(changes, said, noise, tmp_path):
    spec = ImageSpec(**{"size": 32, **changes})
    with pytest.raises(DataError, match=said):
        evaluate_bundle(bundle_in(tmp_path, image_spec=spec), noise, QUICK, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"robustness": True, "gallery": True}, "^--robustness, --gallery with a bundle"),
        ({"per_class": True}, "--class-bias"),
        ({"target_sensitivity": 0.9}, "--target-sensitivity"),
        ({"confidence": 0.5}, "--confidence"),
        ({"device": "cuda"}, "--device"),
    ],
)
def test_what_would_fit_or_change_something_is_refused(options, said, noise, tmp_path):
    with pytest.raises(UsageError, match=said):
        evaluate_bundle(bundle_in(tmp_path), noise, EvaluateOptions(**options), out=tmp_path / "out")


def test_a_bundle_that_was_never_calibrated_has_figures_and_no_threshold(noise, tmp_path):
    bare = bundle_in(tmp_path, calibration={}, triage=TriageSettings(group=CALIBRATED.triage.group))
    result = evaluate_bundle(bare, noise, QUICK, out=tmp_path / "out")
    assert NEVER_CALIBRATED in result.report.notes
    assert not result.calibration.has_threshold
    assert result.report.balanced_accuracy.value is not None
    assert "Never calibrated: calibration error" in model_card(result.report)


def test_a_bundle_that_contradicts_itself_is_refused(noise, tmp_path):
    for changes, said in (
        ({"calibration": {}}, "a threshold without the calibration"),
        ({"calibration": {**to_plain(FITTED), "temperature": -1}}, "damaged calibration"),
        ({"triage": replace(CALIBRATED.triage, group=("MEL",))}, "adds up the risk of MEL, and its taxonomy refers"),
    ):
        with pytest.raises(BundleError, match=said):
            evaluate_bundle(bundle_in(tmp_path, **changes), noise, QUICK, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_replace_an_evaluation_and_nothing_else(noise, tmp_path):
    path, mine = bundle_in(tmp_path), tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="mine"):
        evaluate_bundle(path, noise, QUICK, out=mine)
    assert [each.name for each in mine.iterdir()] == ["thesis.txt"]
    for out in (noise, noise / "manifest.csv"):
        with pytest.raises(UsageError):
            evaluate_bundle(path, noise, QUICK, out=out)
    PackedSet.open(noise)
    evaluate_bundle(path, noise, QUICK, out=tmp_path / "out")
    coarse = evaluate_bundle(path, noise, replace(QUICK, taxonomy=MALIGNANT_OR_BENIGN), out=tmp_path / "out").report
    assert coarse.judged_in == "malignant"
    assert Report.load(tmp_path / "out" / "report.json").judged_in == "malignant"


def test_all_of_a_set_that_was_prepared_to_be_judged_counts_though_a_class_has_one_lesion(tmp_path):
    source = tmp_path / "new"
    for number, label in enumerate(("MEL", *["NV"] * 4)):
        write_image(source / label / f"{number}.png", number)
    options = PrepareOptions(size=32, folds=JUDGED_ONLY, near_duplicates=False, jobs=1)
    prepare(source, tmp_path / "judged", options)
    result = evaluate_bundle(bundle_in(tmp_path), tmp_path / "judged", QUICK, out=tmp_path / "out")
    assert (result.report.images, result.report.classes["MEL"].images) == (5, 1)
