"""From an evaluated run to a released bundle: whole or not at all, faithful to the run, with its lineage."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tools.release.release import refusal, release, rewrite_cards, with_present_words

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import LICENCE, MAX_RELEASED_BYTES, RELEASE, SUMS
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.measures.calibration import calibrate, read_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import read_predictions
from hierattn.taxonomy.built_in import EIGHT
from tools.release import release as release_module


def test_all_files_are_there_with_their_checksums_and_nothing_else(released):
    sums = dict(reversed(line.split("  ")) for line in (released / SUMS).read_text().splitlines())
    assert set(sums) == {"dermoscopy.onnx", "dermoscopy.md", "phone.onnx", "phone.md", RELEASE, LICENCE}
    assert {path.name for path in released.iterdir()} == {*sums, SUMS}
    for name, digest in sums.items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest


def test_the_other_bundles_stay_as_they_were_released(released):
    models = json.loads((released / RELEASE).read_text())["models"]
    assert list(models) == ["dermoscopy", "phone"]
    assert models["dermoscopy"]["licence"] == "CC0-1.0"
    assert (released / "dermoscopy.onnx").read_bytes() == b"an earlier one"


def test_the_bundle_answers_as_the_run_did_on_the_fold_that_it_never_saw(released, run, prepared):
    predictions = read_predictions(run / "evaluation" / "predictions.csv", EIGHT)
    fitted = read_calibration(run / "evaluation" / "calibration.json")
    wanted = calibrate(predictions.probabilities, fitted.temperature, fitted.class_bias)
    packed = PackedSet.open(prepared)
    rows = {record.image: row for row, record in enumerate(packed.records)}
    predictor = Predictor.load(released / "phone.onnx", threads=1)
    answers = [predictor(packed.images[rows[image]]).probabilities for image in predictions.images]
    found = np.array([[answer[code] for code in predictions.classes] for answer in answers])
    assert np.abs(found - wanted).max() < 0.02
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.99


def test_the_bundle_tells_every_run_behind_it_and_the_strictest_licence(released):
    bundle = Predictor.load(released / "phone.onnx", threads=1).bundle
    assert bundle.training_data["licence"] == "CC BY-NC 4.0"
    assert [one["source"] for one in bundle.training_data["all_sources"]] == ["isic2019", "synthetic"]
    assert bundle.provenance["commands"][0] == "hierattn train a/start"
    assert bundle.provenance["released_as"] == "phone"
    assert "Non-commercial use only" in bundle.intended_use
    assert "/tmp/" not in json.dumps(bundle.to_metadata())


def test_cards_alone_are_written_again_in_todays_words_and_the_bundles_stay(released, candidate, tmp_path):
    folder = tmp_path / "released"
    shutil.copytree(released, folder)
    wanted, bundle = (folder / "phone.md").read_text(), (folder / "phone.onnx").read_bytes()
    (folder / "phone.md").write_text("an older wording\n")
    rewrite_cards({"phone": candidate}, folder)
    assert (folder / "phone.md").read_text() == wanted
    assert (folder / "phone.onnx").read_bytes() == bundle
    assert (folder / SUMS).read_text() == (released / SUMS).read_text()


def test_a_card_is_not_written_from_another_run_or_other_figures(released, candidate, tmp_path):
    before = {path.name: path.read_bytes() for path in released.iterdir()}
    other = replace(candidate, run=tmp_path / "another")
    evaluated_anew = replace(candidate, report=replace(candidate.report, top1=Estimate(0.99, None)))
    for wrong, said in ((other, "not from"), (evaluated_anew, "other figures")):
        with pytest.raises(UsageError, match=said):
            rewrite_cards({"phone": wrong}, released)
    assert {path.name: path.read_bytes() for path in released.iterdir()} == before


def test_a_release_that_fails_changes_nothing(candidate, tmp_path):
    (tmp_path / "phone.onnx").write_bytes(b"an earlier one")
    with pytest.raises(DataError):
        release({"phone": candidate}, tmp_path, data={"phone": tmp_path / "nowhere"}, say=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["phone.onnx"]


@pytest.mark.parametrize(
    ("size", "accuracy", "sensitivity", "reason"),
    [
        (MAX_RELEASED_BYTES + 1, 0.0, 0.0, "bytes"),
        (1_000_000, 0.006, 0.0, "0.60 points of balanced accuracy"),
        (1_000_000, 0.0, 0.02, "2.00 points of sensitivity"),
        (1_000_000, 0.0, float("nan"), "sensitivity"),
    ],
)
def test_a_file_that_is_too_large_or_loses_too_much_is_not_released(size, accuracy, sensitivity, reason):
    lost = {"lost_balanced_accuracy": accuracy, "lost_sensitivity": sensitivity, "positives": 170}
    assert reason in refusal(size, lost)


def test_a_file_that_loses_half_a_point_or_gains_is_released():
    for lost in (release_module.MOST_LOSS, -0.1):
        cost = {"lost_balanced_accuracy": lost, "lost_sensitivity": lost, "positives": 1000}
        assert refusal(MAX_RELEASED_BYTES, cost) == ""


def test_the_one_photograph_that_the_threshold_lies_on_may_fall_on_its_other_side_and_no_second():
    def said(photographs):
        cost = {"lost_balanced_accuracy": 0.0, "lost_sensitivity": photographs / 177, "positives": 177}
        return refusal(1_000_000, cost)

    assert said(1) == ""
    assert "sensitivity" in said(2)


def test_a_run_of_an_older_set_is_released_with_todays_words_for_patients_and_its_own_classes():
    few = EIGHT.subset(["MEL", "NV"])
    old = replace(few, classes=tuple(replace(each, plain={"en": "harmless"}) for each in few.classes))
    assert with_present_words(old) == few
    own = replace(few, classes=(replace(few.classes[0], code="MINE", plain={"en": "my words"}), few.classes[1]))
    assert with_present_words(own) == own
