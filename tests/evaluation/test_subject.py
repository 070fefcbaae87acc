"""A trained run as what is evaluated: its own name, calibration and provenance, and no path of its machine."""

import pytest
from noise_runs import make_run, make_set

from hierattn.errors import TableError
from hierattn.evaluation.subject import RunSubject, without_paths
from hierattn.evaluation.trained_run import TrainedRun


def test_a_run_brings_its_name_its_log_and_what_its_checkpoint_says(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    subject = RunSubject(TrainedRun.open(make_run(tmp_path / "run", prepared)))
    assert (subject.name, subject.bundle) == ("run", "")
    assert subject.learning_curve()["train_loss"] == (2.1,)
    said = subject.provenance()
    assert (said["model"], said["commit"], said["recipe"]["data"]["prepared"]) == ("hierattn_xs", "abc", "prepared")
    with pytest.raises(TableError, match="run that first"):
        subject.calibration()


def test_paths_become_the_names_of_their_files():
    recipe = {"data": {"prepared": "/a/set"}, "distillation": {"teacher": ["/b/one.onnx", "c/two.onnx"]}, "seed": 1}
    assert without_paths(recipe) == {
        "data": {"prepared": "set"},
        "distillation": {"teacher": ["one.onnx", "two.onnx"]},
        "seed": 1,
    }
