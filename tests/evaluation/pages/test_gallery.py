"""The gallery: which images are shown."""

import base64
import io

import numpy as np
import pytest
import torch
from noise_runs import TINY
from PIL import Image
from prediction_tables import table

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.pages.gallery import (
    THUMBNAIL,
    Near,
    confident_mistakes,
    draw_gallery,
    least_certain,
    thumbnail,
)
from hierattn.evaluation.predict import Network, predict_rows
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.taxonomy.built_in import EIGHT


def test_the_gallery_chooses_the_confident_mistakes_and_the_least_certain():
    predictions = table(images=60)
    worst = confident_mistakes(predictions, 3)
    assert (predictions.predicted[worst] != predictions.labels[worst]).all()
    confidence = predictions.probabilities.max(axis=1)
    wrong = predictions.predicted != predictions.labels
    assert confidence[worst[0]] == confidence[wrong].max()
    margins = np.diff(np.sort(predictions.probabilities, axis=1)[:, -2:], axis=1)[:, 0]
    assert margins[least_certain(predictions, 1)[0]] == margins.min()


@pytest.mark.parametrize(("size", "drawn"), [(64, False), (128, True)])
def test_a_heat_map_is_drawn_only_where_it_has_cells_enough_to_tell(prepared, size, drawn):
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=8, **TINY).eval()
    packed, rows, network = PackedSet.open(prepared), np.arange(4), Network(model, EIGHT, ImageSpec(size=size))
    pictures = draw_gallery(network, packed, rows, predict_rows(network, packed, rows), count=1)
    shown = [picture for kind in pictures.values() for picture in kind]
    assert shown
    for picture in shown:
        assert picture.image.startswith("data:image/jpeg")
        assert bool(picture.heat) == drawn


@pytest.mark.parametrize("shape", [(32, 32), (600, 600), (300, 900)])
def test_a_thumbnail_is_small_and_keeps_its_shape(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    content = base64.b64decode(thumbnail(pixels).partition(",")[2])
    picture = Image.open(io.BytesIO(content))
    assert max(picture.size) <= THUMBNAIL
    assert picture.width / picture.height == pytest.approx(shape[1] / shape[0], rel=0.05)
    assert len(content) < 30_000


def test_only_mistakes_have_neighbours_beside_them_and_those_of_their_own_row(prepared):
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=8, **TINY).eval()
    packed, rows, network = PackedSet.open(prepared), np.arange(20, 60), Network(model, EIGHT, ImageSpec(size=64))
    asked = []

    def near(row):
        asked.append(row)
        return (Near("data:,", "NV", row / 1000),)

    pictures = draw_gallery(network, packed, rows, predict_rows(network, packed, rows), near=near)
    for picture in (picture for kind in pictures.values() for picture in kind):
        assert bool(picture.near) == (picture.answer != picture.truth)
    (mistakes, _) = pictures.values()
    for row, picture in zip(asked, mistakes, strict=False):
        assert (packed.records[row].label, picture.near[0].distance) == (picture.truth, row / 1000)
