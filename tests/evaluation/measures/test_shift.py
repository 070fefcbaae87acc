"""A run under a change of source: parts of its set, other cameras, and photographs unlike its own."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from noise_runs import make_run, make_set
from prediction_tables import table

from hierattn.errors import DataError, TableError
from hierattn.evaluation.measures.photo_changes import CHANGES, other_camera
from hierattn.evaluation.measures.shift import RENDERED, Answers, EvaluatedSet, changed_folds, parts_by_table
from hierattn.preprocessing.colour_constancy import lamp_gains


def test_another_size_is_refused_with_what_to_do(tmp_path):
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.measures.shift import external_set
    from hierattn.evaluation.trained_run import TrainedRun

    run = make_run(tmp_path / "run", make_set(tmp_path / "prepared"))
    other = make_set(tmp_path / "other", source="other", seed=2, lesion="O")
    info = json.loads((other / "prepared.json").read_text())
    info["image_spec"]["size"] = 48
    images = np.zeros((73, 48, 48, 3), np.uint8)
    np.save(other / "images.npy", images)
    (other / "prepared.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match="--size 32"):
        external_set(TrainedRun.open(run), PackedSet.open(other), lambda _images: None)


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


@pytest.mark.parametrize("method", ["none", "shades_of_grey"])
def test_another_lamp_is_balanced_out_again_where_the_sets_colours_are(tmp_path, method):
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.trained_run import TrainedRun

    prepared = make_set(tmp_path / "prepared")
    run = TrainedRun.open(make_run(tmp_path / "run", prepared))
    packed = PackedSet.open(prepared)
    object.__setattr__(packed, "image_spec", replace(packed.image_spec, colour_constancy=method))
    shown: list[np.ndarray] = []

    def answer(images):
        shown.append(images)
        return Answers(np.full((len(images), 8), 1 / 8))

    titles = [changed.title for changed in changed_folds(run, packed, answer)]
    (under_another_lamp,) = (images for title, images in zip(titles, shown, strict=True) if "cast" in title)
    gains = np.array([lamp_gains(image, "shades_of_grey") for image in under_another_lamp])
    assert (np.abs(gains - 1).max() < 0.02) == (method == "shades_of_grey")
