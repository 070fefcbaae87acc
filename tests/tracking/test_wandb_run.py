"""What Weights & Biases wrote offline, read back by its own protocol."""

import pytest
from tests.tracking.conftest import begin, row
from tests.tracking.wandb_files import offline_runs

from hierattn.tracking.results import Results
from hierattn.tracking.wandb_run import WandbRun
from hierattn.training.recipe import Recipe

RECIPE = Recipe(name="tiny").to_dict()


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """What a run left that had an epoch before it was tracked, was stopped, resumed and evaluated."""
    folder = begin(tmp_path_factory.mktemp("runs") / "xs", epochs=1)
    first = WandbRun(folder, RECIPE, [row(0)])
    first.log(row(1))
    first.close("stopped")
    folder.append_log(row(1))
    resumed = WandbRun(folder, RECIPE, [row(0), row(1)])
    resumed.log(row(2))
    resumed.close("finished")
    folder.append_log(row(2))
    page = folder.path / "report.html"
    page.write_text("<p>a report")
    results = Results("evaluation", {"balanced accuracy": 0.75}, (page, folder.recipe), ())
    WandbRun.attach(folder, folder.read_trackers()["wandb"], results)
    starts = offline_runs(folder.path)
    assert {start["id"] for start in starts} == {folder.read_trackers()["wandb"]["id"]}
    [kept] = folder.path.rglob("media/html/**/*.html")
    assert "<p>a report" in kept.read_text()
    return starts


def test_each_epoch_is_there_once_also_those_before_it_was_tracked(starts):
    rows = [row for start in starts for row in start["history"] if "train_loss" in row]
    assert [entry["_step"] for entry in rows] == [0, 1, 2]
    assert [entry["train_loss"] for entry in rows] == [row(epoch)["train_loss"] for epoch in range(3)]


def test_recipe_environment_name_and_ending_are_kept(starts):
    assert starts[0]["config"]["optimiser"]["batch_size"] == 64
    assert starts[0]["config"]["environment"]["hierattn"] == "1.2.3"
    assert [start["exit"] for start in starts] == [255, 0, 0]
    assert {start["name"] for start in starts} == {"xs"}
    assert {start["project"] for start in starts} == {"hierattn"}


def test_headline_and_report_are_attached(starts):
    summary = starts[-1]["summary"]
    assert summary["evaluation/balanced accuracy"] == 0.75
    assert summary["evaluation/report._type"] == "html-file"
