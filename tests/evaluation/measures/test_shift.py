"""A run under a change of source: which images are judged, what is left out, and what the command writes."""

import csv
import json

import numpy as np
import pytest
import typer
from noise_runs import TINY, make_run, make_set
from prediction_tables import table
from reports import Checker
from typer.testing import CliRunner

from hierattn.cli import shift as command
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.screening import UNFIT, make_screening
from hierattn.errors import DataError, TableError, UsageError
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.measures.photo_changes import CHANGES, other_camera
from hierattn.evaluation.measures.shift import RENDERED, EvaluatedSet, parts_by_table
from hierattn.evaluation.pages.html_report import decimal
from hierattn.evaluation.predictions import read_predictions
from hierattn.files import CONTENTS
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.preprocessing.photo_quality import UNLIKE
from hierattn.taxonomy import CODES


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
        assert len(read_predictions(base / "out" / "predictions" / f"{row['name']}.csv")) == row["images"]
    assert "Not a medical device" in done.stdout


def test_the_page_is_whole_alone_and_says_what_the_table_says(judged):
    base, _ = judged
    page = (base / "out" / "shift.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert not checker.outside
    assert "<image" not in page
    for row in json.loads((base / "out" / "shift.json").read_text())["sets"]:
        assert row["title"] in page
        assert decimal(row["malignant_auc"]["value"]) in page
        assert all(note in page for note in row["notes"])
    assert page.index("Its own outer fold") < page.index("Photographs from other sources")


def test_the_own_fold_is_judged_as_evaluate_judges_it(judged):
    base, _ = judged
    ours = read_predictions(base / "out" / "predictions" / "own.csv")
    theirs = read_predictions(base / "run" / "evaluation" / "predictions.csv")
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


def test_another_size_is_refused_with_what_to_do(judged, tmp_path):
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.measures.shift import external_set
    from hierattn.evaluation.trained_run import TrainedRun

    base, _ = judged
    other = make_set(tmp_path / "other", source="other", seed=2, lesion="O")
    info = json.loads((other / "prepared.json").read_text())
    info["image_spec"]["size"] = 48
    images = np.zeros((73, 48, 48, 3), np.uint8)
    np.save(other / "images.npy", images)
    (other / "prepared.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match="--size 32"):
        external_set(TrainedRun.open(base / "run"), PackedSet.open(other), lambda _images: None)


def test_parts_follow_the_sources_own_table(tmp_path):
    predictions = table(240, seed=3)
    whole = EvaluatedSet("own", "own", "own", predictions, {"unfit": np.zeros(240, bool)})
    stems = [image.rsplit("/", 1)[-1].rsplit(".", 1)[0] for image in predictions.images]
    path = tmp_path / "table.csv"
    kinds = ["histo" if number < 150 else "follow up" if number < 235 else "few" for number in range(240)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "dx_type"), *zip(stems, kinds, strict=True)])
    parts = parts_by_table(whole, path, ["dx_type"])
    assert [(part.name, len(part.predictions)) for part in parts] == [
        ("dx_type-follow-up", 85), ("dx_type-histo", 150)
    ]  # fmt: skip
    assert parts[1].predictions.images == predictions.images[:150]
    with pytest.raises(TableError, match="localization"):
        parts_by_table(whole, path, ["localization"])
    path.write_text("image_id,dx_type\nelsewhere,histo\n")
    with pytest.raises(TableError, match="of no image"):
        parts_by_table(whole, path, ["dx_type"])


def test_another_camera_takes_another_picture_and_the_same_again():
    image = np.random.default_rng(0).integers(60, 200, (48, 48, 3), dtype=np.uint8)
    taken = [other_camera(image, 0, number) for number in range(20)]
    assert all(np.array_equal(one, other_camera(image, 0, number)) for number, one in enumerate(taken))
    assert {one.shape for one in taken} == {image.shape}
    assert len({one.tobytes() for one in taken}) > 15
    assert set(RENDERED) < set(CHANGES)


def test_the_novelty_of_a_bundle_rejects_what_it_was_trained_on_nothing_like():
    generator = np.random.default_rng(0)

    def skin(count):
        return np.clip(generator.normal((200, 140, 120), 25, (count, 32, 32, 3)), 0, 255).astype(np.uint8)

    images = skin(400)
    rows = np.arange(400)
    own = OwnImages(images, rows % 8, rows, rows[:150], rows[150:350], rows[350:])
    look = make_screening(create_model("hierattn_xs", num_classes=8, **TINY).eval(), own, ImageSpec(size=32), CODES)
    usual, strange = look(skin(50)), look(np.zeros((10, 32, 32, 3), np.uint8))
    assert usual.rejected[UNLIKE].mean() < 0.3
    assert strange.rejected[UNLIKE].all()
    assert strange.rejected[UNFIT].all()
    np.testing.assert_allclose(usual.probabilities.sum(axis=1), 1, atol=1e-6)
