"""From a judged run to a released bundle: whole or not at all, faithful to the run, and told where it comes from."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tools.release.candidate import Candidate, examine
from tools.release.lineage import Stage
from tools.release.publish_release import departures
from tools.release.release import refusal, release, rewrite_cards
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import LICENCE, MAX_RELEASED_BYTES, RELEASE, SUMS
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.measures.calibration import calibrate, read_calibration
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import read_predictions
from tools.release import release as release_module

CHANGES = [
    "optimiser.epochs=2", "optimiser.batch_size=16", "data.epoch_images=64", "optimiser.averaging=0.0",
    "model.options.transformer_layers=[1,1,1]",
]  # fmt: skip
START = Stage(
    "start", "a/start", (), "hierattn train a/start", "abc", "isic2019", "CC BY-NC 4.0", "Somebody, 2018", 10, "0" * 64
)


@pytest.fixture(scope="module")
def run(prepared, tmp_path_factory) -> Path:
    """A run on rendered lesions, trained by a command and judged."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    words = ["train", "quicktest", *CHANGES, "--data", str(prepared), "--out", str(folder), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hierattn", *words])  # the command that the run writes down
        for call in (words, ["evaluate", str(folder), "--bootstrap", "100"]):
            result = CliRunner().invoke(app, call)
            assert result.exit_code == 0, result.output
    (folder / "shift").mkdir()
    (folder / "shift" / "shift.md").write_text("# tiny under a change of source\n\nMelanoma AUC falls to 0.5.\n")
    return folder


@pytest.fixture(scope="module")
def candidate(run) -> Candidate:
    """The run as if its weights had begun with others, which had seen photographs under a non-commercial licence."""
    found = examine("phone", run)
    return replace(found, stages=(START, *found.stages))


@pytest.fixture(scope="module")
def released(candidate, tmp_path_factory) -> Path:
    """A folder with another bundle of an earlier release, and now this one."""
    folder = tmp_path_factory.mktemp("package") / "released"
    folder.mkdir()
    (folder / "dermoscopy.onnx").write_bytes(b"an earlier one")
    (folder / "dermoscopy.md").write_text("its card\n")
    earlier = {"file": "dermoscopy.onnx", "licence": "CC0-1.0", "stages": []}
    (folder / RELEASE).write_text(json.dumps({"models": {"dermoscopy": earlier}}))
    release(
        {"phone": candidate},
        folder,
        command="python -m tools.release.publish_release --phone runs/tiny",
        say=lambda line: None,
    )
    return folder


def test_all_files_are_there_with_their_checksums_and_nothing_else(released):
    sums = dict(reversed(line.split("  ")) for line in (released / SUMS).read_text().splitlines())
    assert set(sums) == {"dermoscopy.onnx", "dermoscopy.md", "phone.onnx", "phone.md", RELEASE, LICENCE}
    assert {path.name for path in released.iterdir()} == {*sums, SUMS}
    for name, digest in sums.items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest


def test_the_other_domain_stays_as_it_was_released(released):
    models = json.loads((released / RELEASE).read_text())["models"]
    assert list(models) == ["dermoscopy", "phone"]
    assert models["dermoscopy"]["licence"] == "CC0-1.0"
    assert (released / "dermoscopy.onnx").read_bytes() == b"an earlier one"


def test_the_bundle_answers_as_the_run_did_on_the_fold_that_it_never_saw(released, run, prepared):
    predictions = read_predictions(run / "evaluation" / "predictions.csv")
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


def test_the_record_and_the_card_say_what_the_files_say(released, run):
    model = json.loads((released / RELEASE).read_text())["models"]["phone"]
    report = json.loads((run / "evaluation" / "report.json").read_text())
    card = (released / "phone.md").read_text()
    assert model["figures"]["balanced_accuracy"] == report["balanced_accuracy"]
    assert model["bytes"] == (released / "phone.onnx").stat().st_size
    assert model["sha256"] == hashlib.sha256((released / "phone.onnx").read_bytes()).hexdigest()
    assert model["precision"]["agreement"] >= 0.99
    assert model["tried"][-1]["precision"] == model["precision"]["name"]
    assert "refused" not in model["tried"][-1]
    for words in (
        "# Released model: phone", "What it must not be used for", "Non-commercial use only", "Not a medical device",
        model["sha256"], "hierattn train a/start\nhierattn train quicktest optimiser.epochs=2",
        "Melanoma AUC falls to 0.5.", "#### By class",
    ):  # fmt: skip
        assert words in card, words
    assert f"{100 * report['balanced_accuracy']['value']:.1f}\N{NARROW NO-BREAK SPACE}%" in card


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
    judged_anew = replace(candidate, report=replace(candidate.report, top1=Estimate(0.99, None)))
    for wrong, said in ((other, "not from"), (judged_anew, "other figures")):
        with pytest.raises(UsageError, match=said):
            rewrite_cards({"phone": wrong}, released)
    assert {path.name: path.read_bytes() for path in released.iterdir()} == before


def test_the_licence_names_each_bundles_conditions_and_whom_to_attribute(released):
    text = (released / LICENCE).read_text()
    assert "| phone | CC BY-NC 4.0 | isic2019 | CC BY-NC 4.0 |" in text
    assert "| phone | CC BY-NC 4.0 | synthetic | CC0-1.0 (rendered) |" in text
    assert "- Somebody, 2018" in text


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": {"name": "paper"}}, "honest"),
        ({"triage": {"risk_threshold": None}}, "threshold"),
    ],
)
def test_a_run_that_was_not_judged_honestly_or_has_no_threshold_is_refused(run, tmp_path, change, said):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.ckpt", "events"))
    path = copy / "evaluation" / "report.json"
    report = json.loads(path.read_text())
    changed = {name: {**report[name], **values} for name, values in change.items()}
    path.write_text(json.dumps({**report, **changed}))
    with pytest.raises(UsageError, match=said):
        examine("phone", copy)


def test_a_run_that_was_never_judged_is_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt", "events", "evaluation"))
    with pytest.raises(UsageError, match="hierattn evaluate"):
        examine("phone", tmp_path / "run")


def test_a_run_is_held_to_the_recipe_that_its_command_names(run, tmp_path):
    stage = examine("phone", run).stages[-1]
    assert departures(run, stage) == []
    copy = tmp_path / "tiny"
    copy.mkdir()
    text = (run / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace("learning_rate = 0.003", "learning_rate = 0.004"))
    assert departures(copy, stage) == ["optimiser.learning_rate 0.004, the recipe has 0.003"]
