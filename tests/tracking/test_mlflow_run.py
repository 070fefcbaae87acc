"""MLflow's own client reads the run back from the run folder: recipe, environment, every epoch once, the report."""

import shutil

import pytest
from tests.tracking.conftest import begin, row

from hierattn.errors import UsageError
from hierattn.tracking.mlflow_run import MlflowRun
from hierattn.tracking.results import Results
from hierattn.training.recipe import Recipe

RECIPE = Recipe(name="tiny").to_dict()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that was stopped after an epoch, resumed and evaluated."""
    folder = begin(tmp_path_factory.mktemp("runs") / "xs")
    first = MlflowRun(folder, RECIPE, [])
    first.log(row(0))
    first.log(row(1))  # and then it was killed, before the state of that epoch was written
    resumed = MlflowRun(folder, RECIPE, [row(0)])
    resumed.log(row(1))
    resumed.close("finished")
    page = folder.path / "report.html"
    page.write_text("<p>a report")
    picture = folder.path / "roc.png"
    picture.write_bytes(b"a picture")
    results = Results("evaluation", {"balanced accuracy": 0.75}, (page,), (picture,))
    said = MlflowRun.attach(folder, folder.read_trackers()["mlflow"], results)
    assert folder.read_trackers()["mlflow"]["run_id"] in said
    return folder


@pytest.fixture(scope="module")
def client(folder):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{folder.path}/mlflow/mlflow.db")


def the_run(folder, client):
    experiment = client.get_experiment_by_name("hierattn")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == folder.read_trackers()["mlflow"]["run_id"]
    return run


def test_a_resumed_run_is_one_run_with_each_epoch_once_or_twice_the_same(folder, client):
    run = the_run(folder, client)
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert {(metric.step, metric.value) for metric in history} == {(e, row(e)["train_loss"]) for e in (0, 1)}
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "xs"


def test_recipe_and_environment_are_kept(folder, client):
    run = the_run(folder, client)
    assert run.data.params["optimiser.batch_size"] == "64"
    assert run.data.params["data.sampling"] == "balanced"
    assert run.data.tags["hierattn"] == "1.2.3"
    assert {"recipe.toml", "environment.json"} < {file.path for file in client.list_artifacts(run.info.run_id)}


def test_report_figures_and_headline_are_attached_and_lie_in_the_run_folder(folder, client):
    run = the_run(folder, client)
    assert run.data.metrics["evaluation/balanced accuracy"] == 0.75
    [picture] = client.list_artifacts(run.info.run_id, "evaluation/figures")
    assert picture.path == "evaluation/figures/roc.png"
    [page] = folder.mlflow.rglob("report.html")
    assert page.read_text() == "<p>a report"


def test_epochs_that_it_missed_are_taken_from_the_log(folder, client):
    MlflowRun(folder, RECIPE, [row(0), row(1), row(2)]).close("stopped")
    run = the_run(folder, client)
    assert {metric.step for metric in client.get_metric_history(run.info.run_id, "seconds")} == {0, 1, 2}
    assert run.info.status == "KILLED"


def test_a_moved_run_folder_keeps_its_results_where_they_are_found(folder, tmp_path):
    moved = begin(tmp_path / "moved")
    shutil.copytree(folder.mlflow, moved.mlflow)
    recorded = folder.read_trackers()["mlflow"]
    before = sorted(folder.mlflow.rglob("*"))
    with pytest.raises(UsageError, match="was moved"):
        MlflowRun.attach(moved, recorded, Results("evaluation", {}, (moved.recipe,), ()))
    assert sorted(folder.mlflow.rglob("*")) == before


def test_a_run_on_a_server_is_asked_for_its_address_which_is_never_recorded(folder):
    with pytest.raises(UsageError, match="wanted its address in MLFLOW_TRACKING_URI"):
        MlflowRun.attach(folder, {"run_id": "a", "local": False}, Results("evaluation", {}, (), ()))
    assert "http" not in folder.trackers.read_text()
