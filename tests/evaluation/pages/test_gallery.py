"""The gallery: which images are shown."""

import numpy as np
import pytest
import torch
from noise_runs import TINY
from prediction_tables import table

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.pages.gallery import confident_mistakes, draw_gallery, least_certain
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
