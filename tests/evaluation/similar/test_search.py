"""Neighbours are the nearest by an independent count, one a lesion, of what was trained on, never the photograph."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

from hierattn.data.prepared_set.parts import split
from hierattn.errors import DataError, ImageError, UsageError
from hierattn.evaluation.embedding import embed, open_weights
from hierattn.evaluation.similar.search import (
    NEAR_DUPLICATE,
    SAME_FILE,
    SAME_PIXELS,
    Searched,
    find_similar,
    group_of,
    trained_rows,
)
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, marks_of


@pytest.fixture(scope="module")
def parts(packed):
    return split(packed.records, 1)


@pytest.fixture(scope="module")
def everything(run, packed):
    return embed(run, packed)


def photo_of(packed, row):
    return (packed.folder / packed.records[row].image).resolve()


def test_the_nearest_of_each_lesion_come_first_by_another_librarys_distance(packed, parts, everything):
    searched = Searched(packed, parts.train, everything[parts.train])
    query = everything[parts.test[0]]
    found = searched.nearest(query, 7)
    distances = cdist(query[None], everything[parts.train], "cosine")[0]
    wanted, taken = [], set()
    for place in np.argsort(distances, kind="stable"):
        group = packed.records[parts.train[place]].group
        if group not in taken and len(wanted) < 7:
            taken.add(group)
            wanted.append(distances[place])
    np.testing.assert_allclose([distance for _, distance in found], wanted, atol=1e-6)
    assert len({packed.records[row].group for row, _ in found}) == 7


def test_a_training_photograph_is_named_and_neither_it_nor_its_lesion_is_a_neighbour(run, packed, parts, tmp_path):
    row = int(parts.train[0])
    _, similar = find_similar(photo_of(packed, row), run, packed.folder, cache=tmp_path)
    assert similar.itself[row] == SAME_FILE
    assert len(similar.neighbours) == 12
    assert {row for row, _ in similar.neighbours} <= set(parts.train.tolist())
    assert packed.records[row].group not in {packed.records[other].group for other, _ in similar.neighbours}
    np.testing.assert_array_equal(similar.pixels, packed.images[row])


def test_a_photograph_of_the_outer_fold_is_named_and_only_training_is_searched_unless_asked(
    run, packed, parts, tmp_path
):
    row = int(parts.test[0])
    _, similar = find_similar(photo_of(packed, row), run, packed.folder, count=500, cache=tmp_path)
    assert similar.itself == {row: SAME_FILE}
    assert {row for row, _ in similar.neighbours} <= set(parts.train.tolist())
    assert len(similar.neighbours) == len({packed.records[row].group for row in parts.train})
    _, similar = find_similar(photo_of(packed, row), run, packed.folder, count=500, every_part=True, cache=tmp_path)
    assert {row for row, _ in similar.neighbours} & set(parts.test.tolist())


def test_a_copy_in_another_file_is_a_near_duplicate_and_the_same_pixels_are_the_same(packed, parts, everything):
    row = int(parts.train[3])
    searched = Searched(packed, parts.train, everything[parts.train])
    file = io.BytesIO()
    Image.fromarray(np.asarray(packed.images[row])).save(file, "JPEG", quality=90)
    pixels = np.asarray(Image.open(file))
    assert searched.like(pixels, everything[row] + 0.01, "").itself[row] == NEAR_DUPLICATE
    assert searched.like(np.asarray(packed.images[row]), everything[row], "").itself[row] == SAME_PIXELS
    grey = np.full_like(pixels, 128)
    assert searched.like(grey, everything[row], "").itself == {}  # the same features alone are no proof
    far = searched.like(grey, -everything[row], "")
    assert far.itself == {}
    assert far.neighbours[0].distance > 0.5


def test_weights_find_what_they_were_trained_on_in_the_set_prepared_anew_by_their_record(run, packed, parts):
    checkpoint = load_checkpoint(run / "best.safetensors")
    assert trained_rows(run, checkpoint, packed).tolist() == parts.train.tolist()
    anew = replace(packed, manifest_sha256="another")
    record = TrainedOn(trained=marks_of(packed.records[row] for row in parts.train), chosen=marks_of([]))
    found = trained_rows(run, replace(checkpoint, trained_on=record), anew)
    assert found.tolist() == parts.train.tolist()
    bundle = replace(checkpoint, provenance={"manifest_sha256": packed.manifest_sha256})
    assert trained_rows(run / "best.safetensors", bundle, packed).tolist() == parts.train.tolist()
    with pytest.raises(UsageError, match="does not say which photographs"):
        trained_rows(run, checkpoint, anew)
    with pytest.raises(UsageError, match="trained on none of the photographs"):
        trained_rows(run, replace(checkpoint, trained_on=TrainedOn()), anew)
    two = replace(checkpoint, taxonomy=checkpoint.taxonomy.subset(("MEL", "NV")))
    with pytest.raises(UsageError, match=r"classes that run does not know.*with MEL, NV"):
        trained_rows(run, two, packed)


def test_what_cannot_be_searched_has_its_line(run, packed, parts, tmp_path):
    photo = photo_of(packed, 0)
    larger = tmp_path / "larger.safetensors"
    save_checkpoint(larger, replace(open_weights(run), image_spec=ImageSpec(size=96, crop="none")))
    for said, kind, words in (
        ("no file", ImageError, (tmp_path / "gone.jpg", run, packed.folder)),
        ("no prepared set", DataError, (photo, run, tmp_path)),
        ("no checkpoint", UsageError, (photo, tmp_path / "gone", packed.folder)),
        (r"64 pixels, crop surround.*--size 96, --crop none", DataError, (photo, larger, packed.folder)),
    ):
        with pytest.raises(kind, match=said):
            find_similar(*words, cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="--count 0"):
        find_similar(photo, run, packed.folder, count=0)
    assert not (tmp_path / "cache").exists()


def test_a_photograph_without_a_group_is_its_own(packed):
    assert group_of(replace(packed.records[0], group="", parent="")) == packed.records[0].image
