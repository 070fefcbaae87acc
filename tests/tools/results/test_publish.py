"""Publishing a run or folds: complete, without a machine's paths, and never over what is published."""

import json
import shutil

import pytest
from tools.results.prediction_tables import read_tables
from tools.results.publish import add, add_splits, differences, draw, main, public_predictions, runs_by_name
from tools.results.published import ENVIRONMENT, INNER, OUTER, RECIPE, REPORT, published_runs

from hierattn.data.prepared_set.manifest import read_manifest
from hierattn.evaluation.predictions import write_predictions
from hierattn.run_folder import RunFolder


@pytest.fixture
def run(tmp_path):
    """A run folder with the evaluation of a published run."""
    published = next(published_runs())
    folder = RunFolder(tmp_path / "run")
    folder.evaluation.mkdir(parents=True)
    write_predictions(folder.evaluation / "predictions.csv", published.tables[OUTER])
    write_predictions(folder.evaluation / "predictions_validation.csv", published.tables[INNER])
    shutil.copy(published.path / REPORT, folder.evaluation / REPORT)
    shutil.copy(published.path / RECIPE, folder.recipe)
    shutil.copy(published.path / ENVIRONMENT, folder.environment)
    return folder


def test_every_published_figure_is_computed_again_from_its_predictions():
    assert list(published_runs())
    assert differences() == {}


def test_a_name_that_is_taken_is_refused_and_two_files_of_one_name_too(run, tmp_path):
    with pytest.raises(SystemExit, match="exists"):
        add(run.path, tmp_path)
    doubled = run.evaluation / "predictions.csv"
    lines = doubled.read_text().splitlines()
    doubled.write_text("\n".join([*lines, "elsewhere/" + lines[1]]) + "\n")
    with pytest.raises(SystemExit, match="share a file name"):
        public_predictions(doubled)


def test_a_published_run_is_what_was_published_before(run, tmp_path):
    published = next(published_runs())
    add(run.path, tmp_path / "published")
    for path in published.path.iterdir():
        assert (tmp_path / "published" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_run_whose_predictions_do_not_give_its_report_is_not_published(run, tmp_path):
    report = json.loads((run.evaluation / REPORT).read_text())
    report["top1"]["value"] += 0.01
    (run.evaluation / REPORT).write_text(json.dumps(report))
    with pytest.raises(SystemExit, match="do not give top1"):
        add(run.path, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_a_published_run_names_no_folder_of_the_machine_that_made_it(run, tmp_path):
    text = run.recipe.read_text()
    run.recipe.write_text(text.replace('checkpoint = ""', 'checkpoint = "/home/me/weights/net.npz"'))
    command = "hierattn train x transfer.checkpoint=/home/me/weights/net.npz"
    run.environment.write_text(json.dumps({**run.read_environment(), "command": command}))
    add(run.path, tmp_path / "published")
    for name in (RECIPE, ENVIRONMENT):
        published = (tmp_path / "published" / name).read_text()
        assert "/home/me" not in published
        assert "weights/net.npz" in published


def test_a_published_runs_figures_are_drawn_and_nothing_else_changes(tmp_path):
    published = next(published_runs())
    before = {path.name: path.read_bytes() for path in published.path.iterdir()}
    draw(published.path, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.svg"
        for name in (
            "confusion_matrix",
            "learning_curves",
            "net_benefit_cancer",
            "net_benefit_clinic",
            "reliability",
            "risk",
            "risk_coverage",
            "roc",
        )
    }
    assert {path.name: path.read_bytes() for path in published.path.iterdir()} == before


def test_runs_are_named_one_by_one_or_by_their_folder(tmp_path):
    for name in ("xs", "xs-paper", "v2"):
        (tmp_path / name).mkdir()
    assert runs_by_name(["--runs", str(tmp_path)]) == {
        "v2": [tmp_path / "v2"],
        "xs": [tmp_path / "xs", tmp_path / "xs-paper"],
    }
    assert {name: [str(path) for path in paths] for name, paths in runs_by_name(["a=x/y", "a=z"]).items()} == {
        "a": ["x/y", "z"]
    }
    with pytest.raises(SystemExit):
        runs_by_name(["x/y"])


def test_published_folds_are_ids_and_folds_alone_and_are_not_replaced(prepared, tmp_path):
    add_splits(prepared, tmp_path / "splits.csv")
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    assert lines[0] == "image,group,fold"
    assert len(lines) == 1 + len(read_manifest(prepared / "manifest.csv"))
    with pytest.raises(SystemExit, match="stay as they are"):
        add_splits(prepared, tmp_path / "splits.csv")


def test_other_words_show_how_it_is_used():
    with pytest.raises(SystemExit, match=r"tools\.results\.publish add"):
        main(["publish"])


def test_tables_of_a_published_run_are_of_two_folds_that_share_no_image():
    for run in published_runs():
        tables = read_tables(run.path / "predictions.csv.gz")
        assert set(tables) == {OUTER, INNER}
        assert not set(tables[OUTER].images) & set(tables[INNER].images)
        assert not {group for group in tables[OUTER].groups if group} & set(tables[INNER].groups)
