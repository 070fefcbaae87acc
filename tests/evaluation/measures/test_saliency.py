"""Where the network looks, against where the lesion is: Grad-CAM worked out by hand, and shares counted."""

import numpy as np
import pytest
import torch
from noise_runs import TINY
from torch import nn

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.measures.lesion_masks import MaskedSet
from hierattn.evaluation.measures.saliency import (
    attention_map,
    grad_cam,
    last_map,
    map_cells,
    measure_saliency,
    overlay,
    share_outside,
)
from hierattn.evaluation.predict import Network, predict_rows
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.transformer import SelfAttention
from hierattn.taxonomy.built_in import EIGHT


class ByHand(nn.Module):
    """Two channels, each a copy of the image times a constant; logits weigh their means."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([[[[1.0]]], [[[2.0]]]])
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight.data = torch.tensor([[3.0, -1.0], [-3.0, 1.0]])

    def forward(self, x):
        return self.head(self.conv(x).mean(dim=(2, 3)))


def test_a_heat_map_is_the_one_worked_out_by_hand():
    # d logit_0 / d A_k = w_k / 4 everywhere, so the map is relu(3/4 x - 1/4 * 2 x) = relu(x / 4), over its maximum.
    image = torch.tensor([[[4.0, -1.0], [2.0, 0.0]]])
    heat = grad_cam(ByHand(), image, class_index=0)
    np.testing.assert_allclose(heat, [[1.0, 0.0], [0.5, 0.0]], atol=1e-7)
    np.testing.assert_allclose(grad_cam(ByHand(), image, class_index=1), [[0.0, 1.0], [0.0, 0.0]], atol=1e-7)


def test_no_place_speaks_for_the_class_gives_zeros():
    assert grad_cam(ByHand(), torch.ones(1, 2, 2), class_index=1).tolist() == [[0, 0], [0, 0]]


def test_the_predicted_class_is_the_default():
    image = torch.tensor([[[4.0, -1.0], [2.0, 0.0]]])
    assert np.array_equal(grad_cam(ByHand(), image), grad_cam(ByHand(), image, class_index=0))


def test_a_model_is_left_as_it_was_and_may_be_frozen():
    model = ByHand().train()
    model.requires_grad_(False)
    with torch.no_grad():
        heat = grad_cam(model, torch.rand(1, 4, 4))
    assert heat.shape == (4, 4)
    assert model.training
    assert model.conv.weight.grad is None
    assert not model.conv._forward_hooks


def test_hierattn_is_read_at_its_last_cth_block():
    from hierattn import create_model

    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=3)
    assert last_map(model) is model.stages[-1].cth
    heat = grad_cam(model, torch.rand(3, 64, 96))
    assert heat.shape == (64, 96)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() in (0, 1)


def test_bad_input_meets_one_clear_line():
    with pytest.raises(UsageError, match="wanted one"):
        grad_cam(ByHand(), torch.ones(2, 1, 4, 4))
    with pytest.raises(UsageError, match="class 5"):
        grad_cam(ByHand(), torch.ones(1, 4, 4), class_index=5)
    with pytest.raises(UsageError, match="no convolution"):
        last_map(nn.Linear(1, 1))
    with pytest.raises(UsageError, match="one height and width"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2)))


def test_an_overlay_leaves_what_is_cold_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(overlay(image, np.zeros((8, 8))), image)
    hot = np.zeros((8, 8))
    hot[2, 3] = 1
    laid = overlay(image, hot)
    assert laid.dtype == np.uint8
    changed = (laid != image).any(axis=2)
    assert changed[2, 3]
    assert changed.sum() == 1


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("hierattn_xs", num_classes=8, **TINY).eval()


def test_the_share_outside_is_counted():
    heat = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert share_outside(heat, np.array([[True, False], [True, True]])) == pytest.approx(0.2)
    assert share_outside(np.ones((4, 4)), np.eye(4, dtype=bool)) == 0.75
    assert np.isnan(share_outside(np.zeros((2, 2)), np.ones((2, 2), bool)))
    with pytest.raises(UsageError, match="one shape"):
        share_outside(heat, np.ones((3, 2), bool))


def test_attention_that_prefers_nothing_is_the_same_everywhere(model):
    image = torch.rand(3, 128, 128)  # four tokens a sequence in the last block
    heat = attention_map(model, image)
    assert heat.shape == (128, 128)
    assert heat.min() >= 0
    assert heat.max() == 1
    assert heat.std() > 0
    last = [module for module in model.modules() if isinstance(module, SelfAttention)][-1]
    kept = last.qkv.weight.detach().clone()
    with torch.no_grad():
        last.qkv.weight.zero_()
    np.testing.assert_allclose(attention_map(model, image), 1, atol=1e-6)
    with torch.no_grad():
        last.qkv.weight.copy_(kept)
    with pytest.raises(UsageError, match="no transformer"):
        attention_map(torch.nn.Conv2d(3, 3, 3), image)


def test_saliency_is_measured_where_masks_are_and_nowhere_else(prepared, model, tmp_path):
    packed, rows, network = PackedSet.open(prepared), np.arange(12), Network(model, EIGHT, ImageSpec(size=128))
    predictions = predict_rows(network, packed, rows)
    found = measure_saliency(network, packed, rows, predictions, resamples=100)
    masked = MaskedSet.of(packed)
    assert found.images == 12
    assert found.area_outside == pytest.approx(np.mean([1 - masked.mask(row).mean() for row in rows]))
    assert 0 <= found.outside.value <= 1
    assert 0 < found.attention_outside.value < 1
    assert (found.cells, found.too_small) == ((4, 4), False)
    elsewhere = PackedSet(tmp_path, packed.images, packed.records, packed.image_spec, packed.info, "")
    assert measure_saliency(network, elsewhere, rows, predictions, resamples=100) is None


@pytest.mark.parametrize(("size", "cells"), [(32, 1), (64, 2), (96, 3)])
def test_a_heat_map_of_few_cells_is_no_finding(prepared, model, size, cells):
    packed, rows, network = PackedSet.open(prepared), np.arange(4), Network(model, EIGHT, ImageSpec(size=size))
    found = measure_saliency(network, packed, rows, predict_rows(network, packed, rows), resamples=100)
    assert found.too_small
    assert found.cells == map_cells(model, size) == (cells, cells)
    assert (found.outside.value, found.attention_outside.value) == (None, None)
    assert 0 < found.area_outside < 1
