"""A run is tracked where its recipe says, leaves the machine only on demand, and is never lost to its tracker."""

import json
from dataclasses import replace

import pytest
from tests.tracking.conftest import begin, row
from tests.tracking.wandb_files import offline_runs
from tiny_runs import StopAfter, assert_same_bits, tiny_recipe, weights, with_one_thread

from hierattn.errors import MissingPackageError, TrainingError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.run_folder import RunFolder
from hierattn.tracking import trackers
from hierattn.tracking.results import Results
from hierattn.tracking.trackers import Trackers, attach_results, check_installed, open_trackers
from hierattn.training.fit import fit
from hierattn.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


def test_training_resumption_and_evaluation_are_one_run_of_each_tracker_and_change_no_bit(prepared, tmp_path):
    from mlflow.tracking import MlflowClient

    recipe = tiny_recipe(prepared)
    fit(replace(recipe, trackers=()), tmp_path / "untracked", device="cpu")
    assert not {"events", "mlflow", "wandb", "trackers.json"} & {p.name for p in (tmp_path / "untracked").iterdir()}
    run = tmp_path / "run"
    tracked = replace(recipe, trackers=("mlflow", "wandb"))
    assert fit(recipe, run, device="cpu", listener=StopAfter(4)).interrupted  # by TensorBoard alone
    fit(tracked, run, device="cpu", resume=True)
    assert_same_bits(weights(tmp_path / "untracked"), weights(run))
    said = evaluate(run, EvaluateOptions(bootstrap=100)).attached
    identifiers = json.loads((run / "trackers.json").read_text())
    assert identifiers["mlflow"]["run_id"] in said[0]
    assert identifiers["wandb"]["id"] in said[1]

    client = MlflowClient(f"sqlite:///{run}/mlflow/mlflow.db")
    logged = [float(entry["validation_loss"]) for entry in RunFolder(run).read_log()]
    history = client.get_metric_history(identifiers["mlflow"]["run_id"], "validation_loss")
    assert [metric.value for metric in history] == pytest.approx(logged, rel=1e-5)
    figures = {file.path for file in client.list_artifacts(identifiers["mlflow"]["run_id"], "evaluation/figures")}
    assert "evaluation/figures/roc.png" in figures
    training, evaluation = offline_runs(run)
    assert [entry["validation_loss"] for entry in training["history"]] == pytest.approx(logged, rel=1e-5)
    assert "evaluation/report.path" in evaluation["summary"]


def test_a_missing_library_stops_the_run_before_anything_is_made(prepared, tmp_path, monkeypatch):
    found = trackers.find_spec
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else found(name))
    with pytest.raises(MissingPackageError, match=r"wandb is not installed.*pip install 'hierattn\[wandb\]"):
        fit(replace(tiny_recipe(prepared), trackers=("wandb",)), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
    check_installed(["tensorboard", "mlflow"])


def test_a_tracker_that_refuses_is_named_with_what_to_do(tmp_path, monkeypatch):
    folder = begin(tmp_path / "run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    with pytest.raises(TrainingError, match=r"MLflow refuses to track .*leave mlflow out.*--resume"):
        open_trackers(["mlflow"], folder, Recipe().to_dict(), 0, print)


class Breaking:
    """A tracker whose server is gone."""

    def log(self, row):
        raise ConnectionError("the server is gone\nand more")

    close = log


def test_a_tracker_that_fails_in_the_middle_is_given_up_with_a_note(tmp_path):
    notes = []
    told = Trackers({"wandb": Breaking()}, notes.append)
    told.log(row(0))
    told.log(row(1))
    told.close("finished")
    assert notes == ["Weights & Biases failed and is left out from here on: the server is gone"]


def test_tensorboard_that_cannot_write_stops_the_run_as_the_log_does():
    with pytest.raises(ConnectionError):
        Trackers({"tensorboard": Breaking()}, print).log(row(0))


def test_an_evaluation_is_never_lost_to_its_tracker(tmp_path):
    folder = begin(tmp_path / "run")
    assert attach_results(folder, Results("evaluation", {}, (), ())) == ()
    folder.record_tracker("mlflow", {"run_id": "gone", "local": False})
    [said] = attach_results(folder, Results("evaluation", {}, (), ()))
    assert said.startswith("MLflow: the report is not attached (")
