"""``hierattn shift``: which images are measured, what is left out, and what the command writes."""

import csv
import json

import numpy as np
import pytest
import typer
from noise_runs import make_run, make_set
from typer.testing import CliRunner

from hierattn.cli import shift as command
from hierattn.deploy.export.rejection.screening import UNFIT
from hierattn.errors import UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.measures.shift import RENDERED
from hierattn.evaluation.predictions import read_predictions
from hierattn.files import CONTENTS
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("shift")
    run = make_run(base / "run", make_set(base / "prepared"))
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    make_set(base / "clinic", source="clinic", seed=1, labels=("MEL", "NV"), lesion="C")
    app = typer.Typer()
    app.command()(command.run)
    words = [run, "--data", base / "clinic", "--data", base / "prepared", "--bootstrap", "100", "--out", base / "out"]
    return base, CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "140"})


def test_every_set_gets_a_row_and_its_predictions(judged):
    base, done = judged
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads((base / "out" / "shift.json").read_text())
    assert [row["name"] for row in found["sets"]] == ["own", *RENDERED, "other_camera", "clinic", "prepared"]
    assert [row["kind"] for row in found["sets"]] == ["own", *["changed"] * (len(RENDERED) + 1), "other", "other"]
    with (base / "out" / "shift.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["images"]) for row in rows] == [24] * 11 + [72, 24]
    assert {path.name for path in (base / "out").iterdir()} == {
        "shift.html", "shift.md", "shift.csv", "shift.json", "figures", "predictions", CONTENTS
    }  # fmt: skip
    for row in found["sets"]:
        assert len(read_predictions(base / "out" / "predictions" / f"{row['name']}.csv", EIGHT)) == row["images"]
    assert "Not a medical device" in done.stdout
    assert found["artefacts"]["images"] == 24
    assert {"ink", "ruler", "sticker", "hair", "bubbles", "vignette", "frame"} == set(found["artefacts"]["kinds"])
    assert "| Gel bubbles |" in (base / "out" / "shift.md").read_text()


def test_the_outer_fold_and_each_external_set_are_looks_and_the_changes_are_none_more(judged):
    base, done = judged
    own, clinic = (
        [(entry["fold"], entry["images"]) for entry in json.loads((base / name / "looks.json").read_text())["entries"]]
        for name in ("prepared", "clinic")
    )
    assert own == [(1, 24), (1, 24), (None, 24)]  # evaluate, shift, and the set once more as an external one
    assert clinic == [(None, 72)]
    assert "prepared, held out: This fold has been looked at twice, by one model" in done.stdout


def test_the_own_fold_is_judged_as_evaluate_judges_it(judged):
    base, _ = judged
    ours = read_predictions(base / "out" / "predictions" / "own.csv", EIGHT)
    theirs = read_predictions(base / "run" / "evaluation" / "predictions.csv", EIGHT)
    assert ours.images == theirs.images
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-5)


def test_what_the_run_trained_on_and_classes_of_one_side_are_left_out_and_named(judged):
    base, _ = judged
    rows = {row["name"]: row for row in json.loads((base / "out" / "shift.json").read_text())["sets"]}
    assert "trained on them" in " ".join(rows["prepared"]["notes"])  # its other folds
    assert "no image of ACK" in " ".join(rows["clinic"]["notes"])
    assert rows["clinic"]["classes"]["MEL"] == 36
    assert "- clinic:" in (base / "out" / "shift.md").read_text()


def test_noise_is_rejected_by_the_checks_of_a_photograph(judged):
    base, _ = judged
    rows = {row["name"]: row for row in json.loads((base / "out" / "shift.json").read_text())["sets"]}
    assert rows["own"]["reasons"][UNFIT] > 0.3  # as grey as noise is, much of it is no skin
    with (base / "out" / "predictions" / "own-rejected.csv").open(newline="") as file:
        flags = [row[UNFIT] == "1" for row in csv.DictReader(file)]
    assert rows["own"]["reasons"][UNFIT] == pytest.approx(np.mean(flags))


def test_a_folder_of_something_else_is_not_replaced(judged):
    base, _ = judged
    app = typer.Typer()
    app.command()(command.run)
    done = CliRunner().invoke(app, [str(base / "run"), "--out", str(base / "prepared")])
    assert isinstance(done.exception, UsageError)


def test_json_is_the_file_alone_and_another_seed_of_the_changes_is_another_result(judged, hierattn):
    base, _ = judged
    words = ["shift", base / "run", "--bootstrap", "0", "--severity", "1"]
    results = [hierattn(*words, "--json", "--out", base / name, "--seed", name[-1]) for name in ("seed-1", "seed-2")]
    found = [json.loads(result.out) for result in results]
    assert found[0] == json.loads((base / "seed-1" / "shift.json").read_text())
    assert [each["severity"] for each in found] == [1, 1]
    first, second = ({row["name"]: row["malignant_auc"]["value"] for row in each["sets"]} for each in found)
    assert first["own"] == second["own"]
    assert first != second


def test_a_run_that_is_not_evaluated_is_refused_and_not_touched(refused, content, tmp_path):
    make_run(tmp_path / "run", make_set(tmp_path / "set"))
    before = content(tmp_path)
    assert "no calibration" in refused(1, "shift", tmp_path / "run")
    assert content(tmp_path) == before
